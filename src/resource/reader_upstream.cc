#include <fmt/format.h>

#include <algorithm>

#include "reader.h"
#include "stint/codec/url.h"
#include "stint/domain/action.h"
#include "stint/http/check.h"
#include "stint/http/hygiene.h"
#include "stint/http/route.h"
#include "stint/http/target.h"

namespace stint::resource {
namespace {

bool has_once(std::string_view text, std::string_view part) {
  const std::size_t first = text.find(part);
  return first != std::string_view::npos && text.find(part, first + 1) == std::string_view::npos;
}

}  // namespace

std::string Reader::upstream_url(const yaml::Node& node) {
  if (!usable_url(node)) return "";
  auto url = codec::parse_url(node.scalar).value();
  while (url.path.ends_with('/')) url.path.pop_back();
  // Requests are appended to it: it has to be a target itself.
  if (!url.path.empty()) {
    const auto target = http::parse_target(url.path);
    if (!target) {
      report_.at(node, fmt::format("not a usable path: {}", target.error().reason.text()));
      return "";
    }
  }
  return url.origin() + url.path;
}

void Reader::inject(const yaml::Node& node, Upstream& upstream) {
  Injection out;
  out.credential = text_at(node, "credential");
  refer({Kind::kCredential}, *node.find("credential"));
  const yaml::Node *name = node.find("name"), *format = node.find("format"),
                   *username = node.find("username");
  if (text_at(node, "as", "header") == "basic") {
    out.as = Injection::As::kBasic;
    out.username = text_at(node, "username");
    if (username == nullptr) report_.at(node, "as basic needs \"username\"");
    if (out.username.find(':') != std::string::npos)
      report_.at(*username, "a user name for HTTP Basic has no colon");
    for (const char* key : {"name", "format"})
      if (node.find(key) != nullptr)
        report_.at(*node.key_node(key), fmt::format("{} is only for as header", quoted(key)));
  } else {
    out.header = text_at(node, "name", out.header);
    out.format = text_at(node, "format", out.format);
    if (!http::is_token(out.header))
      report_.at(*name, fmt::format("{} is no header name", quoted(out.header)));
    else if (http::is_reserved_for_sender(out.header))
      report_.at(*name, fmt::format("header {} cannot be injected", quoted(out.header)));
    if (!has_once(out.format, "{secret}") || !http::is_field_value(out.format))
      report_.at(*format, "\"format\" must be a header value with {secret} in it once");
    if (username != nullptr)
      report_.at(*node.key_node("username"), "\"username\" is only for as basic");
  }
  upstream.inject = std::move(out);
}

// All templates as one table; a collision is reported at the later line.
void Reader::routes(const yaml::Node& node, const Upstream& upstream) {
  std::vector<std::string> matches;
  for (const ActionRule& a : upstream.actions) matches.push_back(a.match);
  const auto table = http::RouteTable::compile(matches);
  if (table) return;
  const auto& p = table.error();
  const yaml::Node& at = node.seq.at(p.index);
  const yaml::Node& match = *at.find("match");
  if (p.index == p.other) {
    report_.at(match, std::string(p.error.reason.text()));
    return;
  }
  report_.at(match,
             fmt::format("{}: {} can match what {} on line {} matches", p.error.reason.text(),
                         quoted(match.scalar), quoted(matches.at(p.other)),
                         node.seq.at(p.other).find("match")->line));
}

void Reader::actions(const yaml::Node& node, Upstream& upstream) {
  bool good = true;
  for (const yaml::Node& item : node.seq) {
    ActionRule rule{text_at(item, "action"),
                    domain::parse_action_class(text_at(item, "class")).value(),
                    text_at(item, "match")};
    const yaml::Node& name = *item.find("action");
    if (!domain::valid_action(rule.action))
      report_.at(name, fmt::format("{} is no name for an action: a-z, 0-9 and ._-, at most 96",
                                   quoted(rule.action)));
    // Several routes may be one action; its class is one.
    const auto same = std::ranges::find(upstream.actions, rule.action, &ActionRule::action);
    if (same != upstream.actions.end() && same->action_class != rule.action_class)
      report_.at(name, fmt::format("action {} has another class above", quoted(rule.action)));
    if (const auto ok = http::check_route(rule.match); !ok) {
      report_.at(*item.find("match"), std::string(ok.error().reason.text()));
      good = false;
    }
    actions_.insert(rule.action);
    upstream.actions.push_back(std::move(rule));
  }
  if (good) routes(node, upstream);
}

void Reader::upstream(const yaml::Node& doc) {
  Upstream out;
  out.name = text_at(doc, "upstream");
  out.kind = text_at(doc, "kind") == "git" ? UpstreamKind::kGit : UpstreamKind::kHttp;
  out.url = upstream_url(*doc.find("url"));
  out.description = text_at(doc, "description");
  out.sensitivity = domain::parse_sensitivity(text_at(doc, "sensitivity")).value();
  out.labels = names(doc, "labels");
  if (const yaml::Node* n = doc.find("inject")) inject(*n, out);
  if (out.kind == UpstreamKind::kGit) {
    for (const char* key : {"actions", "unmatched"})
      if (doc.find(key) != nullptr)
        report_.at(*doc.key_node(key),
                   fmt::format("{} is not for kind git: its actions are git.fetch, git.push and "
                               "git.ref.delete",
                               quoted(key)));
    for (const ActionRule& a : actions_of(out)) actions_.insert(a.action);
  } else if (const yaml::Node* n = doc.find("actions")) {
    actions(*n, out);
  }
  if (text_at(doc, "unmatched", "deny") == "ask") out.unmatched = Unmatched::kAsk;
  out.token_alg = crypto::parse_alg(text_at(doc, "token_alg"));
  if (const yaml::Node* n = doc.find("limits")) {
    UpstreamLimits& l = out.limits;
    l.request_bytes = size_at(*n, "request_bytes", l.request_bytes);
    l.response_bytes = size_at(*n, "response_bytes", l.response_bytes);
    l.connect_timeout = duration_at(*n, "connect_timeout", l.connect_timeout);
    l.response_timeout = duration_at(*n, "response_timeout", l.response_timeout);
    l.idle_timeout = duration_at(*n, "idle_timeout", l.idle_timeout);
    l.concurrent = int_at(*n, "concurrent", l.concurrent);
  }
  if (const yaml::Node* n = doc.find("tls")) {
    const yaml::Node& file = *n->find("ca_file");
    out.tls_ca = file_text(file);
    if (!out.tls_ca.empty() && out.tls_ca.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
      report_.at(file, "not a PEM certificate");
    if (out.tls_ca.find("PRIVATE KEY-----") != std::string::npos)
      report_.at(file, "the file holds a private key: give the certificates alone");
    if (out.url.starts_with("http:"))
      report_.at(*doc.key_node("tls"), "\"tls\" needs an https url");
  }
  out_.add(std::move(out));
}

}  // namespace stint::resource
