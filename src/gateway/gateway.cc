#include "stint/gateway/gateway.h"

#include <algorithm>
#include <array>

#include "address.h"
#include "classify.h"
#include "forward.h"
#include "refuse.h"
#include "stint/base/log.h"
#include "stint/http/problem.h"
#include "upstreams.h"

namespace stint::gateway {
namespace {

constexpr std::size_t kPushPiece = 16 * 1024;

// Parts of a push that hold an approval already go last: deciding one spends it, and it must not be
// spent for a push of which another part is still refused. Returns where they begin.
std::size_t put_approved_last(std::vector<NamedCall>& calls, authority::Authority& authority,
                              TaskId task) {
  if (calls.size() < 2) return calls.size();
  const auto granted = authority.approvals(
      {.task = task, .state = domain::ApprovalState::kGranted, .after = {}, .limit = 1000});
  if (!granted) return calls.size();
  const auto is_new = [&](const NamedCall& named) {
    const crypto::Digest digest = domain::digest(named.call);
    return std::ranges::none_of(*granted, [&](const auto& a) { return a.call_digest == digest; });
  };
  const auto rest = std::ranges::partition(calls, is_new);
  return static_cast<std::size_t>(rest.begin() - calls.begin());
}

}  // namespace

// What is known of one request as it goes down the pipeline.
struct Passage {
  WallTime now;
  Address address;
  std::shared_ptr<const authority::Directory> directory;
  const authority::Directory::UpstreamEntry* upstream = nullptr;
  std::optional<http::GitCall> git;
  http::ReceivePackParser push{http::ReceivePackLimits()};
  std::optional<std::string> body;  // whole, when it was read to be judged
  std::string read_ahead;           // of a push: what was read to know its commands
  bool has_push = false;
  Asker asker;
  rt::Deadline wait_until = rt::Deadline::never();  // for people's answers, all of them together

  const http::ReceivePackRequest* commands() const { return has_push ? &push.request() : nullptr; }
};

class Gateway::Impl {
 public:
  Impl(Parts parts_in, GatewayLimits limits_in, net::ClientLimits upstream)
      : parts(parts_in), limits(limits_in), upstreams(parts.runtime, parts.clock, upstream) {}

  rt::Co<void> handle(net::Exchange& ex);

  Parts parts;
  GatewayLimits limits;
  Upstreams upstreams;
  GatewayStats stats;

 private:
  rt::Co<std::optional<proof::Checked>> authenticate(net::Exchange& ex, const Passage& p);
  rt::Co<Status> name_git_call(net::Exchange& ex, Passage& p);
  rt::Co<Status> read_body(net::Exchange& ex, Passage& p);
  rt::Co<Status> name_call(net::Exchange& ex, Passage& p);
  rt::Co<Result<authority::Verdict>> decide(net::Exchange& ex, const Passage& p,
                                            const proof::Checked& token, NamedCall named,
                                            bool judged);
  rt::Co<void> answer(net::Exchange& ex, const Passage& p, Refused refused);
  // All parts of a request: leave for each of them, or why not.
  struct Decided {
    std::vector<authority::Permit> permits;
    std::vector<authority::Verdict> refused;
  };
  Result<std::vector<NamedCall>> calls_of(const net::Exchange& ex, const Passage& p,
                                          const proof::Checked& token) const;
  rt::Co<Result<Decided>> decide_all(net::Exchange& ex, const Passage& p,
                                     const proof::Checked& token);
  void refuse_all(const std::vector<authority::Permit>& permits);
  rt::Co<void> pass(net::Exchange& ex, Passage& p, const proof::Checked& token);
};

rt::Co<void> Gateway::Impl::answer(net::Exchange& ex, const Passage& p, Refused refused) {
  refused.response.headers.set("DPoP-Nonce", parts.gate.nonce(p.now));
  if (refused.challenge)
    parts.gate.challenge({.error = *refused.challenge,
                          .oauth = proof::OAuthError::kInvalidToken,
                          .signal = {},
                          .task = {},
                          .token = {},
                          .agent = {}},
                         p.now, refused.response.headers);
  if (refused.drain) {
    std::size_t total = 0;
    while (total < limits.refused_push) {
      const auto piece = co_await ex.read_piece();
      if (!piece || piece->empty()) break;
      total += piece->size();
    }
  }
  // A client that is gone hears nothing; the decision stands recorded.
  [[maybe_unused]] const auto sent = co_await ex.respond(std::move(refused.response));
}

rt::Co<std::optional<proof::Checked>> Gateway::Impl::authenticate(net::Exchange& ex,
                                                                  const Passage& p) {
  const auto& settings = parts.authority.settings();
  const std::string audience = settings.gateway_url + "/u/" + p.address.upstream;
  const auto check = [&] {
    return parts.gate.at_resource(ex.head(), ex.peer(), settings.gateway_url + p.address.path,
                                  *parts.authority.verifier(), audience,
                                  proof::NonceRule::kRequired, p.now);
  };
  auto checked = check();
  if (!checked && !checked.error().token)
    if (const auto token = proof::offered_token(ex.head());
        token && co_await parts.authority.learn_of_key(std::string(*token)))
      checked = check();
  if (checked) co_return *std::move(checked);

  proof::Refusal refusal = checked.error();
  authority::Signal signal{.name = refusal.signal,
                           .hard = refusal.hard,
                           .task = refusal.task,
                           .token = refusal.token,
                           .agent = refusal.agent,
                           .ip = ex.peer().ip,
                           .where = "gateway"};
  if (!refusal.token) {
    // Not a token of ours: perhaps a person's, or an upstream's own secret.
    if (const auto offered = offered_credential(ex.head())) {
      if (parts.authority.recognise(*offered) || co_await parts.opener.borrowed(*offered)) {
        signal.name = "borrowed-session";
        refusal.error = Error{Errc::kWrongType,
                              "a human's or an upstream's own credential is not accepted here"};
      }
    }
  }
  if (!signal.name.empty()) parts.authority.signal(signal, p.now);
  ++stats.unauthenticated;
  http::Problem problem = http::Problem::of(refusal.error);
  // Not theirs to mend: the memory of proofs is full.
  if (refusal.error.code != Errc::kLimit) problem.status = 401;
  problem.task = refusal.task;
  http::Response response = http::to_response(problem);
  if (problem.status == 401) parts.gate.challenge(refusal, p.now, response.headers);
  [[maybe_unused]] const auto sent = co_await ex.respond(std::move(response));
  co_return std::nullopt;
}

rt::Co<Status> Gateway::Impl::name_git_call(net::Exchange& ex, Passage& p) {
  const auto git = http::classify_git(ex.head().method, p.address.target, ex.head().headers);
  if (!git) co_return fail(git.error());
  p.git = *git;
  if (git->service != http::GitService::kReceivePack || git->phase != http::GitPhase::kRpc)
    co_return Status();
  while (!p.push.done()) {
    // Small ones: what is read beyond the commands is kept.
    const auto piece = co_await ex.read_piece(kPushPiece);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) {
      STINT_CO_TRY(p.push.finish());
      break;
    }
    p.read_ahead += *piece;
    STINT_CO_TRY(p.push.feed(*piece));
  }
  p.has_push = true;
  co_return Status();
}

rt::Co<Status> Gateway::Impl::read_body(net::Exchange& ex, Passage& p) {
  const auto framing = ex.framing();
  if (!ex.has_body() || framing.kind != http::Framing::Kind::kLength ||
      framing.length > limits.judged_body)
    co_return Status();
  auto body = co_await ex.read_body(limits.judged_body);
  if (!body) co_return fail(body.error());
  p.body = *std::move(body);
  co_return Status();
}

rt::Co<Status> Gateway::Impl::name_call(net::Exchange& ex, Passage& p) {
  const auto framing = ex.framing();
  if (framing.kind == http::Framing::Kind::kLength &&
      framing.length > static_cast<std::uint64_t>(p.upstream->upstream.limits.request_bytes))
    co_return fail(Errc::kTooLarge, "the request is larger than this upstream takes");
  if (p.upstream->upstream.kind == resource::UpstreamKind::kGit)
    co_return co_await name_git_call(ex, p);
  co_return co_await read_body(ex, p);
}

rt::Co<Result<authority::Verdict>> Gateway::Impl::decide(net::Exchange& ex, const Passage& p,
                                                         const proof::Checked& token,
                                                         NamedCall named, bool judged) {
  const bool nothing_matched = !p.git && named.call.action == "unmatched" &&
                               p.upstream->upstream.unmatched == resource::Unmatched::kDeny;
  authority::CallRequest request{
      .task = token.task(),
      .token = token.id(),
      .kid = token.token().kid(),
      // Without grants nothing is permitted: what matches no action is denied, and recorded.
      .token_grants = nothing_matched ? nullptr : token.grants(),
      .call = std::move(named.call),
      .arguments = std::move(named.arguments),
      .words = std::move(named.words),
      .approvable = judged,
      .request = {.ip = ex.peer().ip, .fresh_proof = token.fresh()},
      .path = p.address.target.path,
      .directory_version = p.directory->version()};
  // Anew: the body may have taken its time, and so may a person.
  STINT_CO_TRY(token.token().check_time(parts.clock.wall()));
  auto verdict = co_await parts.authority.decide(request);
  if (!verdict || !verdict->approval) co_return verdict;
  if (p.wait_until.is_never()) co_return verdict;
  if (!co_await parts.authority.await_answer(verdict->approval->id, p.wait_until, ex.gone()))
    co_return verdict;
  STINT_CO_TRY(token.token().check_time(parts.clock.wall()));
  co_return co_await parts.authority.decide(std::move(request));
}

Result<std::vector<NamedCall>> Gateway::Impl::calls_of(const net::Exchange& ex, const Passage& p,
                                                       const proof::Checked& token) const {
  if (p.git)
    return name_git(*p.upstream, ex.head().method, p.address.target, *p.git, p.commands(),
                    *token.grants(), p.asker);
  std::vector<NamedCall> one;
  one.push_back(
      STINT_TRY(name_http(*p.upstream, ex.head().method, p.address.target, p.body, p.asker)));
  return one;
}

rt::Co<Result<Gateway::Impl::Decided>> Gateway::Impl::decide_all(net::Exchange& ex,
                                                                 const Passage& p,
                                                                 const proof::Checked& token) {
  auto calls = STINT_CO_TRY(calls_of(ex, p, token));
  const bool judged = p.git.has_value() || p.body.has_value() || !ex.has_body();
  const std::size_t approved = put_approved_last(calls, parts.authority, token.task());
  Decided out;
  std::optional<Error> failed;
  for (std::size_t i = 0; i < calls.size() && !failed; ++i) {
    if (i >= approved && !out.refused.empty()) break;
    auto verdict = co_await decide(ex, p, token, std::move(calls[i]), judged);
    if (!verdict) {
      failed = verdict.error();
    } else if (verdict->permit) {
      ++stats.permitted;
      out.permits.push_back(*verdict->permit);
    } else {
      ++(verdict->approval ? stats.asked : stats.denied);
      out.refused.push_back(*std::move(verdict));
    }
  }
  if (!failed && out.refused.empty()) co_return out;
  // A part that was permitted beside another one that was not has come to nothing.
  refuse_all(out.permits);
  if (failed) co_return fail(*failed);
  co_return out;
}

void Gateway::Impl::refuse_all(const std::vector<authority::Permit>& permits) {
  for (const auto& permit : permits)
    if (!parts.authority.outcome(permit, {.ending = audit::Ending::kRefused}))
      log::error("an outcome could not be recorded", {{"decision", permit.decision()}});
}

rt::Co<void> Gateway::Impl::pass(net::Exchange& ex, Passage& p, const proof::Checked& token) {
  const auto fail_with = [&](const Error& error) {
    ++stats.failed;
    return refuse(error, token.task(), p.git, p.commands());
  };
  constexpr Error kBusy{Errc::kLimit, "too many calls to this upstream are under way"};
  const resource::Upstream& upstream = p.upstream->upstream;
  // Looked at before anybody is asked, taken when it is known that there is a call.
  if (!upstreams.enter(upstream)) co_return co_await answer(ex, p, fail_with(kBusy));
  auto decided = co_await decide_all(ex, p, token);
  if (!decided) co_return co_await answer(ex, p, fail_with(decided.error()));
  if (!decided->refused.empty())
    co_return co_await answer(ex, p,
                              refuse(decided->refused, token.task(),
                                     parts.authority.settings().issuer, p.git, p.commands()));
  const auto place = upstreams.enter(upstream);
  if (!place) {
    refuse_all(decided->permits);
    co_return co_await answer(ex, p, fail_with(kBusy));
  }

  const bool whole = p.body.has_value();
  Forward forward({.authority = parts.authority,
                   .clock = parts.clock,
                   .exchange = ex,
                   .client = upstreams.client(ex.executor(), upstream),
                   .entry = *p.upstream,
                   .target = p.address.target,
                   .body = whole ? std::move(*p.body) : std::move(p.read_ahead),
                   .body_is_whole = whole,
                   .nonce = parts.gate.nonce(p.now),
                   .permits = std::move(decided->permits)});
  const auto done = co_await forward.run();
  if (done) co_return;
  if (!ex.started()) co_return co_await answer(ex, p, fail_with(done.error()));
  ++stats.failed;
  ex.abort();  // the client sees the truncation; there is no other way left to say it
}

rt::Co<void> Gateway::Impl::handle(net::Exchange& ex) {
  Passage p{.now = parts.clock.wall(), .directory = parts.authority.directory()};
  auto address = parse_address(ex.head().target);
  if (!address) {
    [[maybe_unused]] const auto sent =
        co_await ex.respond(http::to_response(http::Problem::of(address.error())));
    co_return;
  }
  p.address = *std::move(address);
  const auto token = co_await authenticate(ex, p);
  if (!token) co_return;

  p.upstream = p.directory->upstream(p.address.upstream);
  if (p.upstream == nullptr) {
    co_await answer(
        ex, p,
        refuse(Error{Errc::kNotFound, "the upstream is gone"}, token->task(), p.git, nullptr));
    co_return;
  }
  const auto& claims = token->claims();
  Status ready = co_await parts.authority.learn_of(token->task(), claims.iat);
  const auto live = parts.authority.view().find(token->task(), parts.clock.mono());
  if (ready) ready = live ? (*live)->live(token->id(), p.now) : Status(fail(live.error()));
  if (ready) {
    const auto task = (*live)->task();
    p.asker = {.task = task->id,
               .purpose = task->purpose,
               .agent = claims.client_id,
               .human = task->human.value_or("")};
    ready = co_await name_call(ex, p);
  }
  if (!ready) {
    // Used after its end, by who holds its key: a signal, and no more than that.
    if (ready.error().code == Errc::kTaskClosed)
      parts.authority.signal({.name = "used-after-end",
                              .hard = false,
                              .task = token->task(),
                              .token = token->id(),
                              .agent = claims.client_id,
                              .ip = ex.peer().ip,
                              .where = "gateway"},
                             p.now);
    co_await answer(ex, p, refuse(ready.error(), token->task(), p.git, nullptr));
    co_return;
  }
  const auto wait = wanted_wait(ex.head().headers, limits.longest_wait);
  if (wait > std::chrono::seconds(0)) p.wait_until = rt::Deadline::in(parts.clock, wait);
  co_await pass(ex, p, *token);
}

Gateway::Gateway(Parts parts, GatewayLimits limits, net::ClientLimits upstream)
    : impl_(std::make_unique<Impl>(parts, limits, upstream)) {}
Gateway::~Gateway() = default;

rt::Co<void> Gateway::handle(net::Exchange& exchange) { return impl_->handle(exchange); }
const GatewayStats& Gateway::stats() const { return impl_->stats; }

}  // namespace stint::gateway
