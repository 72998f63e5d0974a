// POST /v1/tasks: the same as opening by a token request, for those who prefer an API.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "impl.h"
#include "stint/codec/json.h"
#include "stint/jose/jws.h"
#include "stint/opening/token_reply.h"
#include "stint/opening/wanted.h"
#include "views.h"

namespace stint::api {
namespace {

constexpr std::string_view kOurs[] = {"client_assertion_type", "client_assertion", "client_id",
                                      "subject_token",         "actor_token",      "resource"};

// Members that say who asks, taken out of the body; what is left says what is wanted.
struct Asked {
  std::string assertion_type, assertion, client_id, subject, actor;
  std::vector<std::string> resources;
  json::Object wanted;
};

Result<Asked> take_apart(json::Object body) {
  const auto text = [&](std::string_view key) -> Result<std::string> {
    return std::string(STINT_TRY(json::optional_string_at(body, key)).value_or(""));
  };
  Asked out;
  out.assertion_type = STINT_TRY(text("client_assertion_type"));
  out.assertion = STINT_TRY(text("client_assertion"));
  out.client_id = STINT_TRY(text("client_id"));
  out.subject = STINT_TRY(text("subject_token"));
  out.actor = STINT_TRY(text("actor_token"));
  if (const auto* resource = body.if_contains("resource")) {
    if (resource->is_array()) {
      out.resources = STINT_TRY(json::strings(resource->get_array()));
    } else {
      out.resources = {std::string(STINT_TRY(json::string_at(body, "resource")))};
    }
  }
  for (const std::string_view key : kOurs) body.erase(key);
  out.wanted = std::move(body);
  return out;
}

bool one_upstream(const std::vector<domain::Grant>& grants) {
  for (const auto& grant : grants)
    if (grant.upstream != grants.front().upstream) return false;
  return !grants.empty();
}

json::Value token_view(const std::optional<authority::Minted>& token,
                       const domain::Binding& binding, WallTime now) {
  if (!token) return nullptr;
  const bool dpop = binding.kind == domain::Binding::Kind::kDpop;
  return json::Object{{"access_token", token->token},
                      {"token_type", dpop ? "DPoP" : "Bearer"},
                      {"expires_in", unix_seconds(token->expires) - unix_seconds(now)},
                      {"expires", opening::rfc3339(token->expires)},
                      {"audience", token->audience}};
}

}  // namespace

// What an opening refusal is to an API's client: those about who it is are 401, with a challenge
// (RFC 9110 section 15.5.2): for whom it asks is a token, who asks is not.
http::Response Core::refused(const Call& call, const opening::Refusal& refusal) const {
  const bool subject = refusal.part == opening::Part::kSubject;
  const bool who = refusal.part == opening::Part::kClient || subject;
  http::Problem problem = http::Problem::of(refusal.error);
  if (problem.status < 500 && problem.status != 429) {
    if (who) {
      problem.status = 401;
      problem.next_steps = {
          "Prove again who you are: a fresh client assertion, ID token and proof."};
    } else if (problem.status == 401) {
      problem.status = 400;
    }
  }
  problem.task = call.task;
  http::Response out = http::to_response(problem);
  if (problem.status == 401)
    parts.gate.challenge(
        {.error = refusal.error,
         .oauth = subject ? proof::OAuthError::kInvalidToken : proof::OAuthError::kNone},
        call.now, out.headers);
  return out;
}

rt::Co<Reply> Core::open_task(Call* call) {
  const WallTime now = call->now;
  if (call->head.headers.has("Authorization")) {
    const auto offered = proof::offered_token(call->head);
    if (offered && co_await parts.opener.borrowed(std::string(*offered))) report_borrowed(*call);
    co_return challenge(*call, {.error = {Errc::kWrongType,
                                          "a task is opened with a client assertion, and without "
                                          "Authorization"}});
  }
  auto body = STINT_CO_TRY(object_body(*call));
  auto asked = STINT_CO_TRY(take_apart(std::move(body)));
  const auto presenter = parts.gate.at_token_endpoint(
      call->head, call->peer, parts.authority.settings().issuer + call->target.path, now);
  if (!presenter) {
    report(*call, presenter.error());
    co_return challenge(*call, presenter.error());
  }
  auto client = parts.opener.authenticate(asked.assertion_type, asked.assertion, asked.client_id,
                                          presenter->binding(), now);
  if (!client) {
    report(*call, client.error(), client.error().agent);
    if (co_await parts.opener.borrowed(asked.assertion)) report_borrowed(*call);
    co_return refused(*call, client.error());
  }
  if (const auto spent = parts.gate.spend(*presenter, now); !spent) {
    report(*call, spent.error());
    co_return challenge(*call, spent.error());
  }
  const opening::Where where{.endpoint = "api", .ip = call->peer.ip, .fresh_proof = false};
  const auto subject = jose::parse_compact(asked.subject, {.bytes = 16 * 1024});
  std::optional<opening::Parent> parent;
  std::optional<opening::Child> child;
  std::optional<opening::Person> person;
  if (subject && subject->header().typ == "at+jwt") {
    auto shown = parts.opener.parent(asked.subject, *client, presenter->binding(), now);
    if (!shown && co_await parts.authority.learn_of_key(asked.subject))
      shown = parts.opener.parent(asked.subject, *client, presenter->binding(), now);
    if (!shown) {
      report(*call, shown.error(), client->agent());
      parts.opener.refused(policy::Operation::kDelegate, *client, shown.error(), where);
      co_return refused(*call, shown.error());
    }
    parent = *std::move(shown);
    auto taker = parts.opener.child(asked.actor, now);
    if (!taker) {
      parts.opener.refused(policy::Operation::kDelegate, *client, taker.error(), where);
      if (co_await parts.opener.borrowed(asked.actor)) report_borrowed(*call);
      co_return refused(*call, taker.error());
    }
    child = *std::move(taker);
  } else if (!asked.actor.empty()) {
    co_return fail(Errc::kMalformed, "actor_token goes with a parent's token");
  } else if (!asked.subject.empty()) {
    auto known = co_await parts.opener.person(asked.subject, now);
    if (!known) {
      parts.opener.refused(policy::Operation::kOpen, *client, known.error(), where);
      co_return refused(*call, known.error());
    }
    person = *std::move(known);
  }
  co_return co_await open_for(call, {.client = *std::move(client),
                                     .person = std::move(person),
                                     .parent = std::move(parent),
                                     .child = std::move(child),
                                     .binding = presenter->binding(),
                                     .resources = std::move(asked.resources),
                                     .wanted = std::move(asked.wanted)});
}

rt::Co<Reply> Core::open_for(Call* call, Asker asker) {
  auto wanted = STINT_CO_TRY(opening::parse_body(asker.wanted, call->now));
  std::optional<std::string> audience;  // none: the handle alone, tokens by refreshing
  if (!asker.resources.empty() || one_upstream(wanted.grants)) {
    auto named = parts.opener.audience(asker.resources, {}, wanted.grants);
    if (!named) co_return refused(*call, named.error());
    audience = *std::move(named);
  }
  // The proof of who asks is new each time; what is asked is what the key stands for.
  const std::string same =
      json::canonical(asker.wanted) + (asker.person ? asker.person->name() : std::string()) +
      (asker.parent
           ? asker.parent->task().str() + asker.child->agent() + asker.child->binding().thumbprint
           : std::string());
  const auto key = STINT_CO_TRY(idempotency_key(*call, "client:" + asker.client.agent(), same));
  if (key) {
    if (const auto before = STINT_CO_TRY(co_await parts.authority.first_use(*key))) {
      if (const auto id = TaskId::parse(*before)) call->task = *id;
      co_return fail(Errc::kConflict,
                     "this key opened a task before; its handle was shown then and only then");
    }
  }
  const opening::Where where{.endpoint = "api",
                             .ip = call->peer.ip,
                             .fresh_proof = asker.binding.kind == domain::Binding::Kind::kDpop};
  auto opened = asker.parent
                    ? co_await parts.opener.delegate(
                          std::move(asker.client), *std::move(asker.parent),
                          *std::move(asker.child), std::move(wanted), audience, where)
                    : co_await parts.opener.open(std::move(asker.client), std::move(asker.person),
                                                 asker.binding, std::move(wanted), audience, where);
  if (key) co_await settle(*key, opened ? opened->task.id.str() : "");
  if (!opened) co_return refused(*call, opened.error());

  const json::Object body{
      {"task", view(opened->task)},
      {"token", token_view(opened->token, opened->task.binding, call->now)},
      {"handle_id", opened->handle_id.str()},
      {"authorization_details", opening::granted_details(opened->task, opened->task.grants)}};
  http::Response out =
      oauth::TokenReply::with_handle(201, body, "handle", std::move(opened->handle));
  out.headers.add("Location", "/v1/tasks/" + opened->task.id.str());
  out.headers.add("ETag", etag(opened->task.version));
  out.headers.set("DPoP-Nonce", parts.gate.nonce(call->now));
  co_return out;
}

}  // namespace stint::api
