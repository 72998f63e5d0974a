#include "stint/http/check.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "shape.h"
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

Status check_texts(std::initializer_list<std::string_view> texts) {
  if (!std::ranges::all_of(texts, is_one_line)) return bad("a text is not one line of 4096 bytes");
  return {};
}

Status check_list(const std::vector<std::string>& list) {
  if (list.size() > kMaxList) return bad("a list of more than 1000");
  if (!std::ranges::all_of(list, is_one_line)) return bad("a text is not one line of 4096 bytes");
  return {};
}

bool within(seconds value, std::int64_t least, std::int64_t most) {
  return value >= seconds(least) && value <= seconds(most);
}

Status check_issuer(const Issuer& issuer) {
  STINT_TRY(check_texts({issuer.url, issuer.groups_claim, issuer.email_claim}));
  STINT_TRY(check_list(issuer.audiences));
  if (!usable_url(issuer.url)) return bad("url of an issuer");
  if (issuer.audiences.empty()) return bad("an issuer without audiences");
  if (!within(issuer.max_age, 10, 86400)) return bad("max_age of an issuer");
  return {};
}

Status check_human(const Human& human, const Resources& all) {
  STINT_TRY(check_texts({human.subject, human.email}));
  STINT_TRY(check_list(human.groups));
  if (human.subject.empty()) return bad("a human without subject");
  if (all.issuer(human.issuer) == nullptr) return bad("a human of an unknown issuer");
  for (const auto& group : human.groups)
    if (all.group(group) == nullptr) return bad("a human of an unknown group");
  return {};
}

Status check_credential(const Credential& credential) {
  STINT_TRY(check_texts({credential.description, credential.path}));
  if ((credential.source == Credential::Source::kFile) == credential.path.empty())
    return bad("a path goes with source file");
  return {};
}

Status check_agent(const Agent& agent, const Resources& all) {
  STINT_TRY(check_texts({agent.description, agent.environment}));
  STINT_TRY(check_list(agent.labels));
  if (agent.trust.size() > kMaxList) return bad("a list of more than 1000");
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
  if (l.request_bytes < 0 || l.request_bytes > kMaxSize || l.response_bytes < 0 ||
      l.response_bytes > kMaxSize || l.concurrent < 1 || l.concurrent > 100'000 ||
      !within(l.connect_timeout, 1, 300) || !within(l.response_timeout, 1, 3600) ||
      !within(l.idle_timeout, 1, 3600))
    return bad("limits of an upstream");
  return {};
}

// It is stored and shown as it is: nothing secret may be in it.
Status check_roots(const Upstream& upstream) {
  if (upstream.tls_ca.empty()) return {};
  if (upstream.tls_ca.contains("PRIVATE KEY-----")) return bad("tls_ca holds a private key");
  if (!upstream.tls_ca.contains("-----BEGIN CERTIFICATE-----"))
    return bad("tls_ca is no PEM certificate");
  if (upstream.url.starts_with("http:")) return bad("tls_ca needs an https url");
  return {};
}

Status check_actions(const Upstream& upstream) {
  if (upstream.kind == UpstreamKind::kGit && !upstream.actions.empty())
    return bad("actions of a git upstream");
  if (upstream.actions.size() > kMaxList) return bad("a list of more than 1000");
  for (const ActionRule& rule : upstream.actions) {
    STINT_TRY(check_texts({rule.match}));
    if (!domain::valid_action(rule.action)) return bad("name of an action");
    if (rule.action_class == domain::ActionClass::kUnclassified) return bad("class of an action");
    for (const ActionRule& other : upstream.actions)
      if (other.action == rule.action && other.action_class != rule.action_class)
        return bad("an action of two classes");
  }
  return {};
}

Status check_upstream(const Upstream& upstream, const Resources& all) {
  STINT_TRY(check_texts({upstream.url, upstream.description}));
  STINT_TRY(check_list(upstream.labels));
  const auto url = codec::parse_url(upstream.url);
  if (!usable_url(upstream.url) || upstream.url.ends_with('/') ||
      (!url->path.empty() && !http::parse_target(url->path)))
    return bad("url of an upstream");
  if (!all_names(upstream.labels)) return bad("a label");
  if (upstream.inject) {
    const Injection& i = *upstream.inject;
    STINT_TRY(check_injection(i, all));
    STINT_TRY(check_texts({i.header, i.format, i.username}));
  }
  STINT_TRY(check_actions(upstream));
  STINT_TRY(check_roots(upstream));
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
  for (const Group& group : all.groups) STINT_TRY(check_texts({group.description}));
  for (const Credential& c : all.credentials) STINT_TRY(check_credential(c));
  for (const Agent& agent : all.agents) STINT_TRY(check_agent(agent, all));
  for (const Upstream& upstream : all.upstreams) STINT_TRY(check_upstream(upstream, all));
  return {};
}

}  // namespace stint::resource
