#include "forward.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>

#include "stint/base/log.h"
#include "stint/codec/url.h"
#include "stint/http/hygiene.h"
#include "stint/rt/cancel.h"

namespace stint::gateway {
namespace {

constexpr std::size_t kPiece = 32 * 1024;

bool is_empty(const http::Framing& f) {
  return f.kind == http::Framing::Kind::kNone ||
         (f.kind == http::Framing::Kind::kLength && f.length == 0);
}

audit::Ending ending_of(const Error& error) {
  switch (error.code) {
    case Errc::kTimeout: return audit::Ending::kTimedOut;
    case Errc::kCancelled: return audit::Ending::kCut;
    default: return audit::Ending::kUpstreamFailed;
  }
}

// What the agent hears when the upstream failed: that it was the upstream, not why in detail.
Error for_agent(const Error& error) {
  switch (error.code) {
    case Errc::kTimeout: return {Errc::kTimeout, "the upstream did not answer in time"};
    case Errc::kTaskClosed:
    case Errc::kTaskPaused:
    case Errc::kExpired:
    case Errc::kCancelled:
    case Errc::kTooLarge:
    case Errc::kStale: return error;
    default: return {Errc::kUnavailable, "the upstream could not be reached"};
  }
}

}  // namespace

Result<http::RequestHead> Forward::head_for(const authority::Permit& permit, Masker& masker) {
  http::RequestHead head{.method = exchange.head().method,
                         .headers = http::for_upstream(exchange.head().headers)};
  head.headers.remove("Content-Length");
  // Compressed answers could not be searched for the credential.
  if (upstream.kind == resource::UpstreamKind::kHttp) head.headers.remove("Accept-Encoding");
  head.headers.remove("Prefer");
  const auto url = STINT_TRY(codec::parse_url(upstream.url));
  std::string path = url.path == "/" ? std::string() : url.path;
  if (path.ends_with('/')) path.pop_back();
  head.target = path + target.text();
  auto released = STINT_TRY(authority.release(permit, clock.wall()));
  if (released) masker = STINT_TRY(Injector::apply(*upstream.inject, *released, head.headers));
  return head;
}

// Ends a call from outside: connections are cut by their handles, so that every wait of the call
// returns an error in place and nothing is unwound while something else still borrows it.
struct Forward::Cut {
  explicit Cut(net::Exchange& ex) : exchange(ex.abort_handle()) {}
  net::AbortHandle exchange;
  net::ClientExchange::Abort upstream;
  rt::CancelSource reading;  // of the client's body
  rt::SharedEvent over;      // the call has ended by itself
  bool started = false;      // an answer has begun: only breaking it off is left
  std::optional<Errc> why;
};

struct Forward::Side {
  rt::SharedEvent done;
  std::optional<Result<bool>> result;
};

// On the exchange's executor, like the call itself.
rt::Co<void> Forward::watch(std::shared_ptr<Cut> cut, rt::CancelToken task, rt::Deadline deadline) {
  std::vector<rt::SharedEvent> events{cut->over};
  if (task.event()) events.push_back(*task.event());
  const auto which = co_await rt::wait_any(std::move(events), deadline);
  if (cut->over.is_set()) co_return;
  cut->why = which ? Errc::kTaskClosed : Errc::kTimeout;
  cut->upstream.abort();
  cut->reading.cancel();
  if (cut->started) cut->exchange.abort();
}

rt::Co<Result<bool>> Forward::send_streamed(net::ClientExchange& up, Counts& counts, Cut& cut) {
  if (!body.empty()) {
    counts.in += static_cast<std::int64_t>(body.size());
    STINT_CO_TRY(co_await up.write(body));
  }
  std::array<char, kPiece> piece;
  for (;;) {
    const std::size_t n = STINT_CO_TRY(
        co_await rt::with_cancel(exchange.read_some(piece), cut.reading.token()));
    if (n == 0) break;
    counts.in += static_cast<std::int64_t>(n);
    if (counts.in > upstream.limits.request_bytes)
      co_return fail(Errc::kTooLarge, "the request is larger than this upstream takes");
    STINT_CO_TRY(co_await up.write(std::string_view(piece.data(), n)));
  }
  STINT_CO_TRY(co_await up.finish());
  co_return true;
}

rt::Co<void> Forward::send_beside(Forward* self, net::ClientExchange* up, Counts* counts,
                                  std::shared_ptr<Cut> cut, std::shared_ptr<Side> side) {
  side->result = co_await self->send_streamed(*up, *counts, *cut);
  // Too large, or the client broke off: the upstream must not take half a body for a whole one.
  if (!*side->result) up->abort();
  side->done.set();
}

rt::Co<Result<bool>> Forward::relay(net::ClientExchange& up, Masker& masker, Counts& counts) {
  http::ResponseHead head = STINT_CO_TRY(co_await up.head());
  counts.status = head.status;
  http::ResponseHead out{.status = head.status, .headers = http::for_agent(head.headers)};
  http::Headers masked;
  for (const auto& field : out.headers) masked.add(field.name, masker.mask(field.value));
  out.headers = std::move(masked);
  out.headers.set("Stint-Decision", permits.front().decision().str());
  out.headers.set("DPoP-Nonce", nonce);
  if (const auto live = authority.view().find(permits.front().task(), clock.mono()))
    out.headers.set("Stint-Task-Expires",
                    fmt::format("{:%Y-%m-%dT%H:%M:%S}Z",
                                std::chrono::floor<std::chrono::seconds>((*live)->task()->deadline)));
  cut_->started = true;
  if (cut_->why) co_return fail(Errc::kCancelled, "cut");
  STINT_CO_TRY(co_await exchange.start(std::move(out)));
  std::array<char, kPiece> piece;
  for (;;) {
    const std::size_t n = STINT_CO_TRY(co_await up.read_some(piece));
    if (n == 0) break;
    counts.out += static_cast<std::int64_t>(n);
    if (counts.out > upstream.limits.response_bytes)
      co_return fail(Errc::kTooLarge, "the response is larger than this upstream may send");
    const auto ready = masker.feed(std::string_view(piece.data(), n));
    if (!ready.empty()) STINT_CO_TRY(co_await exchange.write(ready));
  }
  if (const auto rest = masker.finish(); !rest.empty())
    STINT_CO_TRY(co_await exchange.write(rest));
  STINT_CO_TRY(co_await exchange.finish());
  co_return true;
}

rt::Co<Result<bool>> Forward::go(Counts& counts, std::shared_ptr<Cut> cut, rt::Deadline deadline,
                                 rt::CancelToken task) {
  if (client == nullptr) co_return fail(Errc::kUnavailable, "the upstream's TLS is not set up");
  Masker masker;
  http::RequestHead head = STINT_CO_TRY(head_for(permits.back(), masker));
  const net::Origin origin = STINT_CO_TRY(net::Origin::parse(upstream.url));
  http::Framing framing = exchange.framing();
  if (body_is_whole) framing = {http::Framing::Kind::kLength, body.size()};
  auto up = STINT_CO_TRY(co_await rt::with_limits(
      client->open(origin, std::move(head), framing, rt::Deadline::never()), deadline, task));
  cut->upstream = up.abort_handle();
  if (cut->why) co_return fail(Errc::kCancelled, "cut");
  if (is_empty(framing)) co_return co_await relay(up, masker, counts);
  if (body_is_whole) {
    counts.in = static_cast<std::int64_t>(body.size());
    STINT_CO_TRY(co_await up.write(body));
    STINT_CO_TRY(co_await up.finish());
    co_return co_await relay(up, masker, counts);
  }
  // Both ways at once: an upstream may answer while the request still comes.
  const auto side = std::make_shared<Side>();
  rt::spawn(exchange.executor(), send_beside(this, &up, &counts, cut, side));
  auto answered = co_await relay(up, masker, counts);
  if (!side->done.is_set()) {
    cut->reading.cancel();
    if (!answered) up.abort();
    // Not before it has ended: it borrows from this frame. Nothing unwinds this wait.
    while (!side->done.is_set()) [[maybe_unused]] const auto woken = co_await side->done.wait();
  }
  if (!answered && side->result && !*side->result && side->result->error().code == Errc::kTooLarge)
    co_return fail(side->result->error());
  co_return answered;
}

rt::Co<Status> Forward::run() {
  const MonoTime began = clock.mono();
  Counts counts;
  Status result;
  const auto live = authority.view().find(permits.front().task(), began);
  if (!live) {
    counts.ending = audit::Ending::kRefused;
    result = fail(live.error());
  } else {
    // The token before the check inside release(): a close in between is seen by one of them.
    const auto task = (*live)->cancelled();
    const rt::Deadline deadline(began + ((*live)->task()->deadline - clock.wall()));
    const auto cut = std::make_shared<Cut>(exchange);
    cut_ = cut;
    rt::spawn(exchange.executor(), watch(cut, task, deadline));
    const auto done = co_await go(counts, cut, deadline, task);
    cut->over.set();
    if (!done) {
      counts.ending = ending_of(done.error());
      result = fail(for_agent(done.error()));
      if (cut->why == Errc::kTimeout) {
        counts.ending = audit::Ending::kCut;
        result = fail(Errc::kExpired, "the task reached its deadline during the call");
      } else if (cut->why || task.cancelled()) {
        counts.ending = audit::Ending::kCut;
        result = fail(Errc::kTaskClosed, "the task ended while the call was under way");
      }
    }
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock.mono() - began);
  for (const auto& permit : permits) {
    const auto recorded = authority.outcome(permit, {.status = counts.status,
                                                     .ending = counts.ending,
                                                     .bytes_in = counts.in,
                                                     .bytes_out = counts.out,
                                                     .duration = took});
    if (!recorded)
      log::error("an outcome could not be recorded",
                 {{"decision", permit.decision()}, {"reason", recorded.error().reason}});
  }
  co_return result;
}

}  // namespace stint::gateway
