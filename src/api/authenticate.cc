// Who comes in, and how: docs/adr/0006-people-at-the-api.md.
#include "impl.h"
#include "stint/jose/access_token.h"
#include "stint/jose/jws.h"

namespace stint::api {
namespace {

constexpr std::size_t kMaxIdToken = 16 * 1024;

// What a text says that it is; decides only which check it must pass.
bool says_access_token(std::string_view text) {
  const auto jws = jose::parse_compact(text, {.bytes = kMaxIdToken});
  return jws && jws->header().typ == "at+jwt";
}

bool is_bearer(const http::RequestHead& head) {
  const auto value = head.headers.one("Authorization");
  return value && value->size() > 7 && http::iequal(value->substr(0, 7), "Bearer ");
}

}  // namespace

void Core::report(const Call& call, const proof::Refusal& refusal) const {
  if (refusal.signal.empty()) return;
  parts.authority.signal({.name = refusal.signal,
                          .hard = refusal.hard,
                          .task = refusal.task,
                          .token = refusal.token,
                          .agent = refusal.agent,
                          .ip = call.peer.ip,
                          .where = "api"},
                         call.now);
}

void Core::report(const Call& call, const opening::Refusal& refusal, std::string agent) const {
  if (refusal.signal.empty()) return;
  parts.authority.signal({.name = refusal.signal,
                          .hard = true,
                          .task = refusal.task,
                          .token = refusal.token,
                          .agent = std::move(agent),
                          .ip = call.peer.ip,
                          .where = "api"},
                         call.now);
}

void Core::report_borrowed(const Call& call, std::optional<TaskId> task) const {
  parts.authority.signal({.name = "borrowed-session",
                          .hard = true,
                          .task = task,
                          .token = {},
                          .agent = {},
                          .ip = call.peer.ip,
                          .where = "api"},
                         call.now);
}

http::Response Core::challenge(const Call& call, const proof::Refusal& refusal) const {
  http::Problem problem = http::Problem::of(refusal.error);
  problem.status = problem.status >= 500 || problem.status == 429 ? problem.status : 401;
  problem.task = refusal.task;
  http::Response out = http::to_response(problem);
  if (problem.status == 401) parts.gate.challenge(refusal, call.now, out.headers);
  return out;
}

rt::Co<std::optional<http::Response>> Core::authenticate(Call* call) {
  const auto& headers = call->head.headers;
  const bool proof = headers.has("DPoP");
  if (!proof && !headers.has("Authorization") && call->peer.unix_credentials) {
    const std::uint32_t uid = call->peer.unix_credentials->uid;
    if (uid != 0 && uid != settings.operator_uid)
      co_return http::to_response(
          http::Problem::of({Errc::kDenied, "this user of the machine is not an operator"}));
    call->caller = Caller::local_operator(uid);
    co_return std::nullopt;
  }
  const auto offered = proof::offered_token(call->head);
  if (!proof && offered && is_bearer(call->head) && !says_access_token(*offered))
    co_return co_await take_person(call, std::string(*offered));
  co_return co_await take_agent(call);
}

rt::Co<std::optional<http::Response>> Core::take_person(Call* call, std::string id_token) {
  auto person = co_await parts.opener.person(id_token, call->now);
  if (person) {
    call->caller = Caller::human(*std::move(person));
    co_return std::nullopt;
  }
  proof::Refusal refusal{.error = person.error().error};
  if (parts.authority.recognise(id_token)) {  // an upstream's own secret
    report_borrowed(*call);
    refusal.error = {Errc::kWrongType,
                     "a human's or an upstream's own credential is not accepted here"};
  }
  http::Response out = challenge(*call, refusal);
  out.headers.remove("DPoP-Nonce");
  co_return out;
}

rt::Co<std::optional<http::Response>> Core::take_agent(Call* call) {
  const std::string& issuer = parts.authority.settings().issuer;
  const auto check = [&] {
    return parts.gate.at_resource(
        call->head, call->peer, issuer + call->target.path, *parts.authority.verifier(), issuer,
        settings.dpop_nonce ? proof::NonceRule::kRequired : proof::NonceRule::kNotRequired,
        call->now);
  };
  auto checked = check();
  if (!checked && !checked.error().token)
    if (const auto token = proof::offered_token(call->head);
        token && co_await parts.authority.learn_of_key(std::string(*token)))
      checked = check();
  if (checked) {
    Status counts = co_await parts.authority.learn_of(checked->task(), checked->claims().iat);
    if (counts) counts = still_counts(*checked, call->now);
    if (!counts) {
      const proof::Refusal refusal{
          .error = counts.error(),
          .signal = counts.error().code == Errc::kTaskClosed ? "used-after-end" : "",
          .hard = false,
          .task = checked->task(),
          .token = checked->id(),
          .agent = checked->claims().client_id};
      report(*call, refusal);
      co_return challenge(*call, refusal);
    }
    call->task = checked->task();
    call->caller = Caller::agent(*std::move(checked));
    co_return std::nullopt;
  }
  proof::Refusal refusal = checked.error();
  const auto offered = proof::offered_token(call->head);
  if (!refusal.token && offered && co_await parts.opener.borrowed(std::string(*offered))) {
    report_borrowed(*call);
    refusal.signal = "";
    refusal.error = {Errc::kWrongType,
                     "a human's or an upstream's own credential is not accepted here"};
  }
  report(*call, refusal);
  co_return challenge(*call, refusal);
}

// A paused task may still be read, and ended.
Status Core::still_counts(const proof::Checked& token, WallTime now) const {
  const auto live = STINT_TRY(parts.authority.live(token.task()));
  if (const Status status = live->live(token.id(), now);
      !status && status.error().code != Errc::kTaskPaused)
    return fail(status.error());
  return {};
}

}  // namespace stint::api
