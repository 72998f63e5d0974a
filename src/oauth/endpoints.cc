#include "stint/oauth/endpoints.h"

#include <algorithm>

#include "endpoints_impl.h"
#include "stint/codec/url.h"
#include "stint/http/problem.h"

namespace stint::oauth {
namespace {

http::Response document(const http::RequestHead& head, std::string body) {
  if (head.method != "GET" && head.method != "HEAD")
    return to_response({.oauth = "invalid_request",
                        .error = {Errc::kWrongMethod, "this document is read with GET"},
                        .status = 405,
                        .allow = "GET, HEAD"});
  return json_response(std::move(body));
}

http::Response flat(Answer<http::Response> answer) {
  return answer ? *std::move(answer) : to_response(answer.error());
}

// A body that could not be read to its end.
Failure unreadable(const Error& error) {
  Failure f{.oauth = "invalid_request", .error = error};
  if (error.code == Errc::kTooLarge) f.status = 413;
  if (error.code == Errc::kTimeout) f.status = 408;
  return f;
}

http::Response not_found() {
  return http::to_response(http::Problem::of({Errc::kNotFound, "no such endpoint"}));
}

}  // namespace

Endpoints::Impl::Impl(Parts parts_in) : parts(parts_in) {
  base = parts.authority.settings().issuer;
  if (base.ends_with('/')) base.pop_back();
  if (const auto url = codec::parse_url(base)) prefix = url->path;
}

Endpoints::Endpoints(Parts parts) : impl_(std::make_unique<Impl>(parts)) {}
Endpoints::~Endpoints() = default;

bool Endpoints::serves(std::string_view path) const {
  const std::string& p = impl_->prefix;
  // RFC 8414 section 3.1: its well-known part stands before the issuer's path; OpenID's after it.
  if (path == "/.well-known/oauth-authorization-server" + p) return true;
  if (!path.starts_with(p)) return false;
  path.remove_prefix(p.size());
  return path == "/.well-known/openid-configuration" || path == "/oauth/jwks" ||
         path == "/oauth/token" || path == "/oauth/introspect" || path == "/oauth/revoke" ||
         path == "/oauth/status" || path.starts_with("/oauth/status/");
}

// Not a coroutine itself: those take no references.
rt::Co<void> Endpoints::handle(net::Exchange& exchange) { return serve(&exchange); }

rt::Co<void> Endpoints::serve(net::Exchange* exchange) {
  const std::string_view target = exchange->head().target;
  if (!serves(target.substr(0, target.find('?')))) {
    const Status sent = co_await exchange->respond(not_found());
    co_return (void) sent;
  }
  std::string body;
  if (exchange->has_body()) {
    auto read = co_await exchange->read_body(kMaxBody);
    if (!read) {
      auto refusal = to_response(unreadable(read.error()));
      if (target.substr(0, target.find('?')).ends_with("/oauth/token"))
        refusal.headers.add("DPoP-Nonce", impl_->parts.gate.nonce(impl_->parts.clock.wall()));
      const Status sent = co_await exchange->respond(std::move(refusal));
      co_return (void) sent;
    }
    body = *std::move(read);
  }
  http::Peer peer = exchange->peer();
  auto response = co_await answer(exchange->take_head(), std::move(peer), std::move(body));
  const Status sent = co_await exchange->respond(std::move(response));
  (void)sent;  // the client is gone: nothing is owed to it
}

rt::Co<http::Response> Endpoints::answer(http::RequestHead head, http::Peer peer,
                                         std::string body) {
  const WallTime now = impl_->parts.clock.wall();
  std::string path = head.target.substr(0, head.target.find('?'));
  if (!serves(path)) co_return not_found();
  if (path.starts_with("/.well-known/oauth-authorization-server"))
    co_return document(head, impl_->metadata(false));
  path.erase(0, impl_->prefix.size());
  if (path == "/.well-known/openid-configuration") co_return document(head, impl_->metadata(true));
  if (path == "/oauth/jwks") {
    // A node that does not hear of revocations must not publish what they took away.
    if (!impl_->parts.authority.keys_are_known())
      co_return flat(std::unexpected(
          server_failure({Errc::kStale, "this node cannot vouch for its keys now"})));
    auto out = document(head, impl_->parts.authority.jwks());
    // A key is published before it signs: a copy may be kept for half of that time.
    const auto ahead = impl_->parts.authority.settings().publish_keys_ahead / 2;
    if (out.status == 200)
      out.headers.set("Cache-Control",
                      "public, max-age=" + std::to_string(std::min(ahead.count(), 300L)));
    co_return out;
  }
  if (path.starts_with("/oauth/status")) co_return impl_->status(head, path);
  if (path == "/oauth/token")
    co_return co_await impl_->token(std::move(head), std::move(peer), std::move(body), now);
  auto posted = read_post(std::move(head), std::move(peer), body, now);
  if (!posted) co_return to_response(posted.error());
  if (path == "/oauth/introspect") co_return flat(co_await impl_->introspect(*std::move(posted)));
  co_return flat(co_await impl_->revoke(*std::move(posted)));
}

void Endpoints::Impl::report(std::string_view name, bool hard, const Posted& posted,
                             std::string_view where, std::string agent, std::optional<TaskId> task,
                             std::optional<TokenId> token) const {
  parts.authority.signal({.name = name,
                          .hard = hard,
                          .task = task,
                          .token = token,
                          .agent = std::move(agent),
                          .ip = posted.peer.ip,
                          .where = where},
                         posted.now);
}

rt::Co<void> Endpoints::Impl::report_borrowed(const Posted* posted, std::string offered,
                                              std::string_view where, std::string agent) {
  if (co_await parts.opener.borrowed(std::move(offered)))
    report("borrowed-session", true, *posted, where, std::move(agent), std::nullopt);
}

rt::Co<Answer<opening::Client>> Endpoints::Impl::authenticate(
    const Posted* posted, std::string_view where, std::optional<domain::Binding> presented) {
  const std::string assertion(posted->get("client_assertion"));
  // In a delegation the actor_token is the child's: see delegate().
  const bool acts_itself = posted->get("grant_type") == kExchangeGrant &&
                           posted->get("subject_token_type") == kIdTokenType;
  const std::string actor(acts_itself ? posted->get("actor_token") : std::string_view());
  if (assertion.empty() && actor.empty())
    co_return refuse("invalid_client", {Errc::kUnauthenticated, "client authentication is missing"},
                     401);
  const bool by_actor = assertion.empty();
  const std::string& shown = by_actor ? actor : assertion;
  auto client = parts.opener.authenticate(
      by_actor ? opening::kClientAssertionType : posted->get("client_assertion_type"), shown,
      posted->get("client_id"), presented, posted->now);
  if (!client) {
    if (!client.error().signal.empty())
      report(client.error().signal, true, *posted, where, client.error().agent, std::nullopt);
    co_await report_borrowed(posted, shown, where, "");
    co_return std::unexpected(failure_of(client.error()));
  }
  // Both: an agent acts as itself here. The same text twice is one proof.
  if (!by_actor && !actor.empty() && actor != assertion) {
    const auto second =
        parts.opener.authenticate(opening::kClientAssertionType, actor, "", presented, posted->now);
    if (!second) {
      if (!second.error().signal.empty())
        report(second.error().signal, true, *posted, where, client->agent(), std::nullopt);
      co_await report_borrowed(posted, actor, where, client->agent());
      co_return refuse("invalid_request", second.error().error);
    }
    if (second->agent() != client->agent())
      co_return refuse("invalid_request", {Errc::kWrongIssuer, "actor_token is another client's"});
  }
  co_return *std::move(client);
}

}  // namespace stint::oauth
