#include "stint/http/check.h"

#include <algorithm>
#include <set>

#include "stint/codec/url.h"
#include "stint/http/hygiene.h"
#include "stint/http/target.h"
#include "stint/resource/resource.h"

// The rules of the reader about values, for resources that come without files and lines.
namespace stint::resource {
namespace {

using std::chrono::seconds;

std::unexpected<Error> bad(Reason reason) { return fail(Errc::kMalformed, reason); }

bool usable_url(std::string_view text) {
  const auto url = codec::parse_url(text);
  return url && !url->has_query && !url->has_fragment && (url->is_https() || url->is_loopback());
}

bool has_once(std::string_view text, std::string_view part) {
  const auto first = text.find(part);
  return first != std::string_view::npos && text.find(part, first + 1) == std::string_view::npos;
}

bool all_names(const std::vector<std::string>& names) {
  return std::ranges::all_of(names, domain::valid_name);
}

bool within(seconds value, std::int64_t least, std::int64_t most) {
  return value >= seconds(least) && value <= seconds(most);
}

Status check_issuer(const Issuer& issuer) {
  if (!usable_url(issuer.url)) return bad("url of an issuer");
  if (issuer.audiences.empty()) return bad("an issuer without audiences");
  if (!within(issuer.max_age, 10, 86400)) return bad("max_age of an issuer");
  return {};
}

Status check_human(const Human& human, const Resources& all) {
  if (human.subject.empty()) return bad("a human without subject");
  if (all.issuer(human.issuer) == nullptr) return bad("a human of an unknown issuer");
  for (const auto& group : human.groups)
    if (all.group(group) == nullptr) return bad("a human of an unknown group");
  return {};
}

Status check_agent(const Agent& agent, const Resources& all) {
  if (all.human(agent.owner) == nullptr && all.group(agent.owner) == nullptr)
    return bad("an agent of an unknown owner");
  if (agent.trust.empty()) return bad("an agent without trust");
  if (!all_names(agent.labels)) return bad("a label");
  return {};
}

Status check_injection(const Injection& inject, const Resources& all) {
  if (all.credential(inject.credential) == nullptr)
    return bad("an upstream injects an unknown credential");
  if (inject.as == Injection::As::kBasic) {
    if (inject.username.contains(':') || !http::is_field_value(inject.username))
      return bad("a user name for HTTP Basic");
    return {};
  }
  if (!http::is_token(inject.header) || http::is_reserved_for_sender(inject.header))
    return bad("a header that cannot be injected");
  if (!has_once(inject.format, "{secret}") || !http::is_field_value(inject.format))
    return bad("format of an injection");
  return {};
}

Status check_limits(const UpstreamLimits& l) {
  if (l.request_bytes < 0 || l.response_bytes < 0 || l.concurrent < 1 || l.concurrent > 100'000 ||
      !within(l.connect_timeout, 1, 300) || !within(l.response_timeout, 1, 3600) ||
      !within(l.idle_timeout, 1, 3600))
    return bad("limits of an upstream");
  return {};
}

Status check_upstream(const Upstream& upstream, const Resources& all) {
  const auto url = codec::parse_url(upstream.url);
  if (!usable_url(upstream.url) || upstream.url.ends_with('/') ||
      (!url->path.empty() && !http::parse_target(url->path)))
    return bad("url of an upstream");
  if (!all_names(upstream.labels)) return bad("a label");
  if (upstream.inject) STINT_TRY(check_injection(*upstream.inject, all));
  if (upstream.kind == UpstreamKind::kGit && !upstream.actions.empty())
    return bad("actions of a git upstream");
  for (const ActionRule& rule : upstream.actions) {
    if (!domain::valid_action(rule.action)) return bad("name of an action");
    for (const ActionRule& other : upstream.actions)
      if (other.action == rule.action && other.action_class != rule.action_class)
        return bad("an action of two classes");
  }
  return check_limits(upstream.limits);
}

}  // namespace

Status check(const Resources& all) {
  for (const Resource& r : all.all()) {
    const Kind kind = kind_of(r);
    const std::string& name = name_of(r);
    const bool named = kind == Kind::kHuman    ? domain::valid_human(name)
                       : kind == Kind::kPolicy ? !name.empty()
                                               : domain::valid_name(name);
    if (!named) return bad("name of a resource");
  }
  std::set<std::string_view> urls;
  for (const Issuer& issuer : all.issuers) {
    STINT_TRY(check_issuer(issuer));
    if (!urls.insert(issuer.url).second) return bad("two issuers of one url");
  }
  std::set<std::pair<std::string_view, std::string_view>> subjects;
  for (const Human& human : all.humans) {
    STINT_TRY(check_human(human, all));
    if (!subjects.insert({human.issuer, human.subject}).second)
      return bad("two humans of one issuer and subject");
  }
  for (const Agent& agent : all.agents) STINT_TRY(check_agent(agent, all));
  for (const Upstream& upstream : all.upstreams) STINT_TRY(check_upstream(upstream, all));
  return {};
}

}  // namespace stint::resource
