#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "endpoints_impl.h"
#include "stint/codec/json.h"
#include "stint/opening/token_reply.h"

namespace stint::oauth {
namespace {

constexpr std::string_view kWhere = "token-endpoint";

// RFC 6749 section 5.1, with the members of RFC 8693 and RFC 9396.
json::Object token_body(const domain::Task& task, const authority::Minted& minted,
                        std::span<const domain::Grant> grants, bool exchanged) {
  json::Object o{
      {"access_token", minted.token},
      // RFC 8705 section 3: a certificate-bound token is used as Bearer, over that TLS.
      {"token_type", task.binding.kind == domain::Binding::Kind::kDpop ? "DPoP" : "Bearer"},
      {"expires_in",
       std::chrono::duration_cast<std::chrono::seconds>(minted.expires - minted.issued).count()},
      {"authorization_details", opening::granted_details(task, grants)}};
  if (exchanged) o["issued_token_type"] = kAccessTokenType;
  return o;
}

http::Response opened_reply(authority::Opened&& opened, bool exchanged) {
  const json::Object body = token_body(opened.task, *opened.token, opened.task.grants, exchanged);
  return TokenReply::with_handle(200, body, "refresh_token", std::move(opened.handle));
}

Answer<opening::Wanted> wanted_of(const Posted& posted) {
  const std::string_view details = posted.get("authorization_details");
  if (details.empty())
    return refuse("invalid_request", {Errc::kMissing, "authorization_details is missing"});
  auto wanted = opening::parse_details(details, posted.now);
  if (!wanted) return refuse("invalid_authorization_details", wanted.error());
  return *std::move(wanted);
}

// RFC 8693 section 2.1: what of an exchange can be told from its shape alone.
std::optional<Failure> misshapen(const Posted& posted) {
  const auto bad = [](Error e) { return Failure{.oauth = "invalid_request", .error = e}; };
  if (posted.get("actor_token").empty() != posted.get("actor_token_type").empty())
    return bad({Errc::kMissing, "actor_token and actor_token_type go together"});
  if (!posted.get("actor_token").empty() && posted.get("actor_token_type") != kJwtType)
    return bad({Errc::kUnsupported, "actor_token_type is not known here"});
  if (posted.get("subject_token").empty()) return bad({Errc::kMissing, "subject_token is missing"});
  const auto subject = posted.get("subject_token_type");
  if (subject.empty()) return bad({Errc::kMissing, "subject_token_type is missing"});
  if (subject != kIdTokenType && subject != kAccessTokenType)
    return bad({Errc::kUnsupported, "subject_token_type is not known here"});
  if (subject == kAccessTokenType && posted.get("actor_token").empty())
    return bad({Errc::kMissing, "actor_token is missing: the child's assertion, with its key"});
  const auto wanted = posted.get("requested_token_type");
  if (!wanted.empty() && wanted != kAccessTokenType && wanted != kJwtType)
    return bad({Errc::kUnsupported, "requested_token_type is not known here"});
  return std::nullopt;
}

}  // namespace

rt::Co<http::Response> Endpoints::Impl::token(http::RequestHead head, http::Peer peer,
                                              std::string body, WallTime now) {
  auto answer = co_await token_answer(std::move(head), std::move(peer), std::move(body), now);
  http::Response response = answer ? *std::move(answer) : to_response(answer.error());
  response.headers.add("DPoP-Nonce", parts.gate.nonce(now));  // on success too: RFC 9449 s8.2
  co_return response;
}

rt::Co<Answer<http::Response>> Endpoints::Impl::token_answer(http::RequestHead head,
                                                             http::Peer peer, std::string body,
                                                             WallTime now) {
  auto posted = read_post(std::move(head), std::move(peer), body, now);
  if (!posted) co_return std::unexpected(posted.error());
  const std::string grant(posted->get("grant_type"));
  if (grant.empty()) co_return refuse("invalid_request", {Errc::kMissing, "grant_type is missing"});
  const bool exchanging = grant == kExchangeGrant;
  if (!exchanging && grant != "client_credentials" && grant != "refresh_token")
    co_return refuse("unsupported_grant_type",
                     {Errc::kUnsupported, "grant_type is not known here"});
  if (!posted->get("scope").empty())
    co_return refuse("invalid_scope", {Errc::kUnsupported, "scope is not known here"});
  if (exchanging)
    if (const auto failure = misshapen(*posted)) co_return std::unexpected(*failure);

  // The proof before the assertion: a client that is told to repeat with a nonce has not used its
  // assertion up. The proof is spent after it: only a client's proofs are remembered.
  const auto presenter =
      parts.gate.at_token_endpoint(posted->head, posted->peer, base + "/oauth/token", now);
  if (!presenter) {
    if (!presenter.error().signal.empty())
      report(presenter.error().signal, presenter.error().hard, *posted, kWhere, "", std::nullopt);
    co_return std::unexpected(failure_of(presenter.error()));
  }
  auto client = co_await authenticate(&*posted, kWhere, presenter->binding());
  if (!client) co_return std::unexpected(client.error());
  if (const auto spent = parts.gate.spend(*presenter, now); !spent) {
    if (!spent.error().signal.empty())
      report(spent.error().signal, true, *posted, kWhere, client->agent(), std::nullopt);
    co_return std::unexpected(failure_of(spent.error()));
  }
  TokenRequest request{
      .posted = *std::move(posted), .client = *std::move(client), .binding = presenter->binding()};
  if (exchanging) co_return co_await exchange(std::move(request));
  if (grant == "refresh_token") co_return co_await refresh(std::move(request));
  co_return co_await client_credentials(std::move(request));
}

rt::Co<Answer<http::Response>> Endpoints::Impl::client_credentials(TokenRequest request) {
  auto wanted = wanted_of(request.posted);
  if (!wanted) co_return std::unexpected(wanted.error());
  auto audience = parts.opener.audience(request.posted.list("resource"), {}, wanted->grants);
  if (!audience) co_return std::unexpected(failure_of(audience.error()));
  const opening::Where where = request.where();
  auto opened =
      co_await parts.opener.open(std::move(request.client), std::nullopt,
                                 std::move(request.binding), *std::move(wanted), *audience, where);
  if (!opened) co_return std::unexpected(failure_of(opened.error()));
  co_return opened_reply(*std::move(opened), false);
}

rt::Co<Answer<http::Response>> Endpoints::Impl::exchange(TokenRequest request) {
  const Posted& posted = request.posted;
  if (posted.get("subject_token_type") == kAccessTokenType)
    co_return co_await delegate(std::move(request));
  auto person = co_await parts.opener.person(std::string(posted.get("subject_token")), posted.now);
  if (!person) {
    parts.opener.refused(policy::Operation::kOpen, request.client, person.error(), request.where());
    co_return std::unexpected(failure_of(person.error()));
  }
  auto wanted = wanted_of(posted);
  if (!wanted) co_return std::unexpected(wanted.error());
  auto audience =
      parts.opener.audience(posted.list("resource"), posted.list("audience"), wanted->grants);
  if (!audience) co_return std::unexpected(failure_of(audience.error()));
  const opening::Where where = request.where();
  auto opened = co_await parts.opener.open(request.client, *std::move(person), request.binding,
                                           *std::move(wanted), *audience, where);
  if (!opened) co_return std::unexpected(failure_of(opened.error()));
  co_return opened_reply(*std::move(opened), true);
}

// RFC 8693 section 1.1: the parent asks, its token is the subject and the child the actor. What is
// given out is bound to the child's key, so that the parent can pass it on and not use it.
rt::Co<Answer<http::Response>> Endpoints::Impl::delegate(TokenRequest request) {
  const Posted& posted = request.posted;
  const std::string subject(posted.get("subject_token")), actor(posted.get("actor_token"));
  const std::string agent = request.client.agent();
  const opening::Where where = request.where();
  auto parent = parts.opener.parent(subject, request.client, request.binding, posted.now);
  if (!parent && co_await parts.authority.learn_of_key(subject))
    parent = parts.opener.parent(subject, request.client, request.binding, posted.now);
  if (!parent) {
    const opening::Refusal& r = parent.error();
    parts.opener.refused(policy::Operation::kDelegate, request.client, r, where);
    if (r.signal.empty()) {
      co_await report_borrowed(&posted, subject, kWhere, agent);
    } else {
      report(r.signal, true, posted, kWhere, agent, r.task, r.token);
    }
    co_return std::unexpected(failure_of(r));
  }
  auto wanted = wanted_of(posted);
  if (!wanted) co_return std::unexpected(wanted.error());
  auto audience =
      parts.opener.audience(posted.list("resource"), posted.list("audience"), wanted->grants);
  if (!audience) co_return std::unexpected(failure_of(audience.error()));
  auto child = parts.opener.child(actor, posted.now);
  if (!child) {
    parts.opener.refused(policy::Operation::kDelegate, request.client, child.error(), where);
    co_await report_borrowed(&posted, actor, kWhere, agent);
    co_return std::unexpected(failure_of(child.error()));
  }
  auto opened = co_await parts.opener.delegate(
      request.client, *std::move(parent), *std::move(child), *std::move(wanted), *audience, where);
  if (!opened) co_return std::unexpected(failure_of(opened.error()));
  co_return opened_reply(*std::move(opened), true);
}

rt::Co<Answer<http::Response>> Endpoints::Impl::refresh(TokenRequest request) {
  const Posted& posted = request.posted;
  const std::string handle(posted.get("refresh_token"));
  if (handle.empty())
    co_return refuse("invalid_request", {Errc::kMissing, "refresh_token is missing"});
  auto audience = parts.opener.named_audience(posted.list("resource"), {});
  if (!audience) co_return std::unexpected(failure_of(audience.error()));
  std::vector<domain::Grant> narrow;
  if (const auto details = posted.get("authorization_details"); !details.empty()) {
    auto parsed = opening::parse_narrowing(details);
    if (!parsed) co_return refuse("invalid_authorization_details", parsed.error());
    narrow = *std::move(parsed);
  }
  authority::MintRequest mint{
      .handle_text = handle,
      .presented = request.binding,
      .client_id = request.client.agent(),
      .audience = *audience,
      .narrow = narrow,
      .spend = {request.client.spend()},
      .request = {.ip = posted.peer.ip, .fresh_proof = request.where().fresh_proof}};
  auto minted = co_await parts.authority.mint(std::move(mint));
  if (!minted)
    co_return std::unexpected(co_await refused_handle(std::move(request), *std::move(audience),
                                                      std::move(narrow), minted.error()));
  co_return json_response(
      json::write(token_body(minted->task, minted->token, minted->token.grants, false)));
}

// What a refused refresh is called, and what it says about who sent it.
rt::Co<Failure> Endpoints::Impl::refused_handle(TokenRequest request,
                                                std::optional<std::string> audience,
                                                std::vector<domain::Grant> narrow, Error error) {
  const std::string handle(request.posted.get("refresh_token"));
  const std::string agent = request.client.agent();
  const auto task = parts.authority.task_of_handle(handle);
  const std::optional<TaskId> id = task ? std::optional(task->id) : std::nullopt;
  switch (error.code) {
    case Errc::kNotFound:
      if (task) co_return Failure{.oauth = "invalid_target", .error = error};
      co_await report_borrowed(&request.posted, handle, kWhere, agent);
      co_return Failure{.oauth = "invalid_grant", .error = error};
    case Errc::kWrongKey:
      report("key-mismatch", true, request.posted, kWhere, agent, id);
      co_return Failure{.oauth = "invalid_grant", .error = error};
    case Errc::kTaskClosed:
    case Errc::kExpired:
    case Errc::kRevoked:
      // Soft: a client that does not know yet looks the same.
      report("handle-after-end", false, request.posted, kWhere, agent, id);
      co_return Failure{.oauth = "invalid_grant", .error = error};
    case Errc::kTaskPaused:
      // Not invalid_grant: a client would throw the handle away, and the task may go on.
      co_return Failure{.oauth = "temporarily_unavailable", .error = error, .status = 503};
    case Errc::kReplayed:
      co_return Failure{.oauth = "invalid_client", .error = error, .status = 401};
    case Errc::kWrongAudience:
      co_return Failure{.oauth = "invalid_target", .error = error};
    case Errc::kMalformed:
    case Errc::kTooLarge:
    case Errc::kLimit:
      co_return Failure{.oauth = "invalid_authorization_details", .error = error};
    case Errc::kDenied:
      break;
    default:
      co_return server_failure(error);
  }
  // One code, three meanings: not granted for this resource, wider than granted, policy.
  if (task && audience && !parts.opener.audience({*audience}, {}, task->grants))
    co_return Failure{.oauth = "invalid_target", .error = error};
  if (task && !narrow.empty() && !domain::within(narrow, task->grants))
    co_return Failure{.oauth = "invalid_authorization_details", .error = error};
  co_return Failure{.oauth = "access_denied", .error = error};
}

}  // namespace stint::oauth
