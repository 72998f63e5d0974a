#include "stint/gateway/gateway.h"

#include <algorithm>
#include <charconv>

#include "classify.h"
#include "forward.h"
#include "refuse.h"
#include "stint/base/log.h"
#include "stint/codec/base64.h"
#include "stint/http/problem.h"
#include "upstreams.h"

namespace stint::gateway {
namespace {

constexpr std::string_view kPrefix = "/u/";

// "/u/{upstream}/rest": the upstream's name, and the rest as a target of its own.
struct Address {
  std::string upstream;
  http::Target target;       // for the upstream
  std::string path;          // of the whole request, for `htu`
};

Result<Address> parse_address(std::string_view raw) {
  const auto whole = STINT_TRY(http::parse_target(raw));
  if (!whole.path.starts_with(kPrefix)) return fail(Errc::kNotFound, "no such path");
  const auto end = whole.path.find('/', kPrefix.size());
  if (end == std::string::npos) return fail(Errc::kNotFound, "no such path");
  Address out{.upstream = whole.path.substr(kPrefix.size(), end - kPrefix.size()),
              .path = whole.path};
  if (!domain::valid_name(out.upstream)) return fail(Errc::kNotFound, "no such path");
  std::string rest = whole.path.substr(end);
  if (whole.has_query) rest += '?' + whole.query;
  out.target = STINT_TRY(http::parse_target(rest));
  return out;
}

// Prefer: wait=N (RFC 7240), in seconds.
std::chrono::seconds wanted_wait(const http::Headers& headers, std::chrono::seconds most) {
  for (const auto value : headers.all("Prefer")) {
    const auto at = value.find("wait=");
    if (at == std::string_view::npos) continue;
    int seconds = 0;
    std::from_chars(value.data() + at + 5, value.data() + value.size(), seconds);
    return std::clamp(std::chrono::seconds(seconds), std::chrono::seconds(0), most);
  }
  return std::chrono::seconds(0);
}

// What somebody sent in place of a token of ours: a bearer value or a Basic password.
std::optional<std::string> foreign_credential(const http::RequestHead& head) {
  if (const auto offered = proof::offered_token(head)) return std::string(*offered);
  const auto value = head.headers.one("Authorization");
  if (!value || value->size() < 6 || !http::iequal(value->substr(0, 6), "Basic ")) return {};
  const auto pair = codec::decode_base64(value->substr(6));
  if (!pair) return {};
  const auto colon = pair->find(':');
  return colon == std::string::npos ? std::nullopt : std::optional(pair->substr(colon + 1));
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

  const http::ReceivePackRequest* commands() const { return has_push ? &push.request() : nullptr; }
};

class Gateway::Impl {
 public:
  Impl(Parts parts_in, GatewayLimits limits_in, net::ClientLimits upstream)
      : parts(parts_in),
        limits(limits_in),
        verifier(parts.authority.settings().issuer, parts.authority.settings().issuer,
                 parts.authority.token_keys()),
        upstreams(parts.runtime, parts.clock, upstream) {}

  rt::Co<void> handle(net::Exchange& ex);

  Parts parts;
  GatewayLimits limits;
  jose::AccessTokenVerifier verifier;
  Upstreams upstreams;
  GatewayStats stats;

 private:
  rt::Co<std::optional<proof::Checked>> authenticate(net::Exchange& ex, const Passage& p);
  rt::Co<Status> name_git_call(net::Exchange& ex, Passage& p);
  rt::Co<Status> read_body(net::Exchange& ex, Passage& p);
  rt::Co<Result<authority::Verdict>> decide(net::Exchange& ex, const Passage& p,
                                            const proof::Checked& token, NamedCall named,
                                            bool judged);
  rt::Co<void> answer(net::Exchange& ex, const Passage& p, Refused refused);
  rt::Co<void> pass(net::Exchange& ex, Passage& p, const proof::Checked& token);
};

rt::Co<void> Gateway::Impl::answer(net::Exchange& ex, const Passage& p, Refused refused) {
  refused.response.headers.set("DPoP-Nonce", parts.gate.nonce(p.now));
  if (refused.drain) {
    std::array<char, 16 * 1024> sink;
    std::size_t total = 0;
    while (total < limits.refused_push) {
      const auto n = co_await ex.read_some(sink);
      if (!n || *n == 0) break;
      total += *n;
    }
  }
  // A client that is gone hears nothing; the decision stands recorded.
  [[maybe_unused]] const auto sent = co_await ex.respond(std::move(refused.response));
}

rt::Co<std::optional<proof::Checked>> Gateway::Impl::authenticate(net::Exchange& ex,
                                                                  const Passage& p) {
  const auto& settings = parts.authority.settings();
  const std::string audience = settings.gateway_url + std::string(kPrefix) + p.address.upstream;
  auto checked = parts.gate.at_resource(ex.head(), ex.peer(), settings.gateway_url + p.address.path,
                                        verifier, audience, proof::NonceRule::kRequired, p.now);
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
    if (const auto offered = foreign_credential(ex.head())) {
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
  problem.status = 401;
  problem.task = refusal.task;
  http::Response response = http::to_response(problem);
  parts.gate.challenge(refusal, p.now, response.headers);
  [[maybe_unused]] const auto sent = co_await ex.respond(std::move(response));
  co_return std::nullopt;
}

rt::Co<Status> Gateway::Impl::name_git_call(net::Exchange& ex, Passage& p) {
  const auto git = http::classify_git(ex.head().method, p.address.target, ex.head().headers);
  if (!git) co_return fail(git.error());
  p.git = *git;
  if (git->service != http::GitService::kReceivePack || git->phase != http::GitPhase::kRpc)
    co_return Status();
  std::array<char, 16 * 1024> buffer;
  while (!p.push.done()) {
    const auto n = co_await ex.read_some(buffer);
    if (!n) co_return fail(n.error());
    if (*n == 0) {
      STINT_CO_TRY(p.push.finish());
      break;
    }
    const std::string_view bytes(buffer.data(), *n);
    p.read_ahead.append(bytes);
    STINT_CO_TRY(p.push.feed(bytes));
  }
  p.has_push = true;
  co_return Status();
}

rt::Co<Status> Gateway::Impl::read_body(net::Exchange& ex, Passage& p) {
  if (p.git || !ex.has_body()) co_return Status();
  const auto framing = ex.framing();
  if (framing.kind == http::Framing::Kind::kLength &&
      framing.length > static_cast<std::uint64_t>(p.upstream->upstream.limits.request_bytes))
    co_return fail(Errc::kTooLarge, "the request is larger than this upstream takes");
  if (framing.kind != http::Framing::Kind::kLength || framing.length > limits.judged_body)
    co_return Status();
  auto body = co_await ex.read_body(limits.judged_body);
  if (!body) co_return fail(body.error());
  p.body = *std::move(body);
  co_return Status();
}

rt::Co<Result<authority::Verdict>> Gateway::Impl::decide(net::Exchange& ex, const Passage& p,
                                                         const proof::Checked& token,
                                                         NamedCall named, bool judged) {
  const bool nothing_matched =
      !p.git && named.call.action == "unmatched" &&
      p.upstream->upstream.unmatched == resource::Unmatched::kDeny;
  authority::CallRequest request{
      .task = token.task(),
      .token = token.id(),
      // Without grants nothing is permitted: what matches no action is denied, and recorded.
      .token_grants = nothing_matched ? nullptr : token.grants(),
      .call = std::move(named.call),
      .arguments = std::move(named.arguments),
      .words = std::move(named.words),
      .approvable = judged,
      .request = {.ip = ex.peer().ip, .fresh_proof = token.fresh()},
      .path = p.address.target.path};
  auto verdict = co_await parts.authority.decide(request);
  if (!verdict || !verdict->approval) co_return verdict;
  const auto wait = wanted_wait(ex.head().headers, limits.longest_wait);
  if (wait == std::chrono::seconds(0)) co_return verdict;
  const bool settled = co_await parts.authority.await_answer(
      verdict->approval->id, rt::Deadline::in(parts.clock, wait), ex.gone());
  if (!settled) co_return verdict;
  co_return co_await parts.authority.decide(std::move(request));
}

rt::Co<void> Gateway::Impl::pass(net::Exchange& ex, Passage& p, const proof::Checked& token) {
  std::vector<NamedCall> calls;
  if (p.git) {
    calls = name_git(*p.upstream, ex.head().method, p.address.target, *p.git, p.commands(),
                     *token.grants(), p.asker);
  } else {
    auto named = name_http(*p.upstream, ex.head().method, p.address.target, p.body, p.asker);
    if (!named) {
      co_await answer(ex, p, refuse(named.error(), token.task(), p.git, p.commands()));
      co_return;
    }
    calls.push_back(*std::move(named));
  }
  const bool judged = p.git.has_value() || p.body.has_value() || !ex.has_body();

  std::vector<authority::Permit> permits;
  for (auto& named : calls) {
    auto verdict = co_await decide(ex, p, token, std::move(named), judged);
    if (verdict && verdict->permit) {
      ++stats.permitted;
      permits.push_back(*verdict->permit);
      continue;
    }
    // A part that was permitted before another one was not has come to nothing.
    for (const auto& permit : permits)
      if (!parts.authority.outcome(permit, {.ending = audit::Ending::kRefused}))
        log::error("an outcome could not be recorded", {{"decision", permit.decision()}});
    if (!verdict) {
      ++stats.failed;
      co_await answer(ex, p, refuse(verdict.error(), token.task(), p.git, p.commands()));
    } else {
      ++(verdict->approval ? stats.asked : stats.denied);
      co_await answer(ex, p,
                      refuse(*verdict, token.task(), parts.authority.settings().issuer, p.git,
                             p.commands()));
    }
    co_return;
  }

  Forward forward({.authority = parts.authority,
                  .clock = parts.clock,
                  .exchange = ex,
                  .client = upstreams.client(ex.executor(), p.upstream->upstream),
                  .upstream = p.upstream->upstream,
                  .target = p.address.target,
                  .body = p.body ? std::move(*p.body) : std::move(p.read_ahead),
                  .body_is_whole = p.body.has_value(),
                  .nonce = parts.gate.nonce(p.now),
                  .permits = std::move(permits)});
  const auto done = co_await forward.run();
  if (done) co_return;
  ++stats.failed;
  if (ex.started()) {
    ex.abort();  // the client sees the truncation; there is no other way left to say it
  } else {
    co_await answer(ex, p, refuse(done.error(), token.task(), p.git, p.commands()));
  }
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
    co_await answer(ex, p,
                    refuse(Error{Errc::kNotFound, "the upstream is gone"}, token->task(), p.git,
                           nullptr));
    co_return;
  }
  const auto& claims = token->claims();
  const auto live = parts.authority.view().find(token->task(), parts.clock.mono());
  Status ready = live ? (*live)->live(token->id(), p.now) : Status(fail(live.error()));
  if (ready) {
    const auto task = (*live)->task();
    p.asker = {.task = task->id,
               .purpose = task->purpose,
               .agent = claims.client_id,
               .human = task->human.value_or("")};
    if (p.upstream->upstream.kind == resource::UpstreamKind::kGit)
      ready = co_await name_git_call(ex, p);
    else
      ready = co_await read_body(ex, p);
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
  co_await pass(ex, p, *token);
}

Gateway::Gateway(Parts parts, GatewayLimits limits, net::ClientLimits upstream)
    : impl_(std::make_unique<Impl>(parts, limits, upstream)) {}
Gateway::~Gateway() = default;

rt::Co<void> Gateway::handle(net::Exchange& exchange) { return impl_->handle(exchange); }
const GatewayStats& Gateway::stats() const { return impl_->stats; }

}  // namespace stint::gateway
