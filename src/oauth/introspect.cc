#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "endpoints_impl.h"
#include "stint/codec/json.h"
#include "stint/domain/json.h"

namespace stint::oauth {
namespace {

// The same nesting as the claim of the token (RFC 8693 section 4.1): the current actor outermost.
json::Object act_of(const std::vector<std::string>& actors) {
  json::Object act;
  for (auto a = actors.rbegin(); a != actors.rend(); ++a) {
    json::Object outer{{"sub", *a}};
    if (!act.empty()) outer["act"] = std::move(act);
    act = std::move(outer);
  }
  return act;
}

json::Object describe(const authority::Introspection& i, const std::string& issuer) {
  const domain::Task& t = i.task;
  const bool dpop = t.binding.kind == domain::Binding::Kind::kDpop;
  json::Object o{{"active", true},
                 {"iss", issuer},
                 {"sub", i.subject},
                 {"aud", i.audience},
                 {"client_id", i.client_id},
                 {"iat", unix_seconds(i.issued)},
                 {"exp", unix_seconds(i.expires)},
                 {"cnf", json::Object{{dpop ? "jkt" : "x5t#S256", t.binding.thumbprint}}},
                 {"authorization_details", domain::to_json(std::span(i.grants))}};
  if (!i.act.empty()) o["act"] = act_of(i.act);
  json::Object task{{"id", t.id.str()},
                    {"opened", unix_seconds(t.opened)},
                    {"deadline", unix_seconds(t.deadline)}};
  if (!t.reference.empty()) task["reference"] = t.reference;
  if (t.parent) task["parent"] = t.parent->str();
  o["task"] = std::move(task);
  if (i.token) {
    o["jti"] = i.token->str();
    o["token_type"] = dpop ? "DPoP" : "Bearer";
  }
  return o;
}

}  // namespace

// Here no command follows that would settle the assertion for the other nodes.
rt::Co<Answer<opening::Client>> Endpoints::Impl::authenticate_once(const Posted* posted,
                                                                   std::string_view where) {
  auto client = co_await authenticate(posted, where, std::nullopt);
  if (!client) co_return client;
  const Status spent = co_await parts.authority.spend(client->spend());
  if (spent) co_return client;
  if (spent.error().code != Errc::kReplayed)
    co_return std::unexpected(server_failure(spent.error()));
  co_return refuse("invalid_client", spent.error(), 401);
}

rt::Co<Answer<http::Response>> Endpoints::Impl::introspect(Posted posted) {
  auto client = co_await authenticate_once(&posted, "introspection-endpoint");
  if (!client) co_return std::unexpected(client.error());
  const std::string_view token = posted.get("token");
  if (token.empty()) co_return refuse("invalid_request", {Errc::kMissing, "token is missing"});
  auto known = parts.authority.introspect(token, client->agent(), posted.now);
  if (!known && co_await parts.authority.learn_of_key(std::string(token)))
    known = parts.authority.introspect(token, client->agent(), posted.now);
  // A handle is no access token: a resource server that only looks at `active` must not take it for
  // one. Who asks for a refresh token by name gets an answer about it.
  if (!known || (known->handle && posted.get("token_type_hint") != "refresh_token"))
    co_return json_response(R"({"active":false})");
  co_return json_response(json::write(describe(*known, parts.authority.settings().issuer)));
}

rt::Co<Answer<http::Response>> Endpoints::Impl::revoke(Posted posted) {
  auto client = co_await authenticate_once(&posted, "revocation-endpoint");
  if (!client) co_return std::unexpected(client.error());
  const std::string_view token = posted.get("token");
  if (token.empty()) co_return refuse("invalid_request", {Errc::kMissing, "token is missing"});
  const auto revoked = co_await parts.authority.revoke(std::string(token), client->agent());
  if (!revoked) co_return std::unexpected(server_failure(revoked.error()));
  // RFC 7009 section 2.2: unknown, foreign and dead tokens are 200 too.
  http::Response out{.status = 200, .headers = {}, .body = {}};
  out.headers.add("Cache-Control", "no-store");
  out.headers.add("Pragma", "no-cache");
  co_return out;
}

}  // namespace stint::oauth
