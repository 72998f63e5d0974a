#include "forward.h"

#include <algorithm>

#include "address.h"
#include "stint/base/log.h"
#include "stint/codec/url.h"
#include "stint/http/hygiene.h"

namespace stint::gateway {
namespace {

bool is_empty(const http::Framing& f) {
  return f.kind == http::Framing::Kind::kNone ||
         (f.kind == http::Framing::Kind::kLength && f.length == 0);
}

// Coded in a way that hides what it holds. An empty or identity coding is none (RFC 9110 s8.4).
bool is_coded(const http::Headers& headers) {
  return std::ranges::any_of(headers.all("Content-Encoding"), [](std::string_view value) {
    return !value.empty() && !http::iequal(value, "identity");
  });
}

constexpr Error kTooMuch{Errc::kTooLarge, "the request is larger than this upstream takes"};
constexpr Error kClientLeft{Errc::kCancelled, "the client is gone"};

}  // namespace

// Ends a call from outside: connections are cut by their handles, so that every wait of the call
// returns an error in place and nothing is unwound while something else still borrows it. All of it
// on the exchange's executor.
struct Forward::Cut {
  enum class Why : std::uint8_t { kTaskStopped, kDeadline, kClientLeft, kSilent };

  void end(Why reason) {
    if (why) return;
    why = reason;
    upstream.abort();
    reading.cancel();
    if (started) exchange.abort();
  }

  Cut(net::Exchange& ex, rt::Deadline at) : exchange(ex), deadline(at) {}

  net::Exchange& exchange;
  rt::Deadline deadline;  // of the task
  net::ClientExchange::Abort upstream;
  rt::CancelSource reading;  // of the client's body
  bool started = false;      // an answer has begun: only breaking it off is left
  std::optional<Why> why;
  rt::Subscription task_stops, client_leaves;
};

struct Forward::Side {
  rt::SharedEvent done;
  std::optional<std::pair<audit::Ending, Error>> failed;  // by the client, or by its size
};

Forward::Forward(ForwardOrder order) : ForwardOrder(std::move(order)) {}
Forward::~Forward() = default;

Error Forward::too_much() const {
  if (most_ < upstream.limits.response_bytes)
    return {Errc::kLimit, "the response is larger than the task's budget"};
  return {Errc::kTooLarge, "the response is larger than this upstream may send"};
}

std::unexpected<Error> Forward::ended(audit::Ending how, Error why) {
  outcome_.ending = how;
  return fail(why);
}

Result<http::RequestHead> Forward::head_for(const authority::Permit& permit) {
  http::RequestHead head{.method = exchange.head().method,
                         .target = {},
                         .headers = http::for_upstream(exchange.head().headers)};
  head.headers.remove("Content-Length");
  head.headers.remove("Prefer");
  head.target = forwarded(entry.url.path, target);
  auto released = authority.release(permit, clock.wall());
  if (!released) {
    // Whether it is the task's end or the credential's, the agent hears; not which credential.
    if (released.error().code == Errc::kNotFound)
      return fail(Errc::kUnavailable, "the upstream's credential cannot be used");
    return fail(released.error());
  }
  if (*released) {
    auto masker = Injector::apply(*upstream.inject, **released, head.headers);
    if (!masker) return fail(Errc::kUnavailable, "the upstream's credential cannot be used");
    masker_ = *std::move(masker);
    // Each of two ranges may hold half of what has to be hidden; a coded answer hides it from us.
    head.headers.remove("Range");
    head.headers.remove("If-Range");
    head.headers.set("Accept-Encoding", "identity");
  }
  return head;
}

rt::Co<Status> Forward::send_streamed(net::ClientExchange& up, Side& side) {
  const auto of_client = [&](audit::Ending how, Error why) {
    side.failed = {how, why};
    return fail(why);
  };
  if (!body.empty()) {
    outcome_.bytes_in += static_cast<std::int64_t>(body.size());
    STINT_CO_TRY(co_await up.write(body));
  }
  for (;;) {
    const auto piece = co_await rt::with_cancel(exchange.read_piece(), cut_->reading.token());
    if (!piece)
      co_return of_client(piece.error().code == Errc::kMalformed ? audit::Ending::kRefused
                                                                 : audit::Ending::kClientGone,
                          piece.error());
    if (piece->empty()) break;
    outcome_.bytes_in += static_cast<std::int64_t>(piece->size());
    if (outcome_.bytes_in > upstream.limits.request_bytes)
      co_return of_client(audit::Ending::kRefused, kTooMuch);
    STINT_CO_TRY(co_await up.write(*piece));
  }
  co_return co_await up.finish();
}

rt::Co<void> Forward::send_beside(Forward* self, net::ClientExchange* up,
                                  std::shared_ptr<Side> side) {
  const auto sent = co_await self->send_streamed(*up, *side);
  // Too large, or the client broke off: the upstream must not take half a body for a whole one.
  if (!sent && side->failed) up->abort();
  side->done.set();
}

http::ResponseHead Forward::answer_head(const http::ResponseHead& from_upstream) {
  http::ResponseHead out{.status = from_upstream.status, .headers = {}};
  for (const auto& field : http::for_agent(from_upstream.headers))
    out.headers.add(field.name, masker_.mask(field.value));
  out.headers.set("Stint-Decision", permits.front().decision().str());
  out.headers.set("DPoP-Nonce", nonce);
  if (const auto live = authority.view().find(permits.front().task(), clock.mono()))
    out.headers.set("Stint-Task-Expires", utc_text((*live)->task()->deadline));
  return out;
}

rt::Co<Status> Forward::relay(net::ClientExchange& up) {
  const auto head = co_await up.head();
  if (!head) co_return fail(of_upstream(up, head.error()));
  up.be_quiet_at_most(upstream.limits.idle_timeout);
  outcome_.status = head->status;
  const auto framing = up.framing();
  if (masker_.hides() && !is_empty(framing) && is_coded(head->headers))
    co_return ended(audit::Ending::kRefused,
                    {Errc::kUnavailable, "the upstream's answer is coded and cannot be searched"});
  if (framing.kind == http::Framing::Kind::kLength &&
      framing.length > static_cast<std::uint64_t>(most_))
    co_return ended(audit::Ending::kRefused, too_much());
  cut_->started = true;
  exchange.end_by(cut_->deadline);  // from here on only breaking off is left
  if (cut_->why) co_return fail(Errc::kCancelled, "cut");
  if (const auto begun = co_await exchange.start(answer_head(*head)); !begun)
    co_return ended(audit::Ending::kUpstreamFailed, begun.error());
  // Of unknown length: perhaps events, of which the first comes in an hour.
  if (framing.kind == http::Framing::Kind::kChunked ||
      framing.kind == http::Framing::Kind::kUntilClose) {
    if (!co_await exchange.flush()) co_return ended(audit::Ending::kClientGone, kClientLeft);
  }
  co_return co_await relay_body(up);
}

rt::Co<Status> Forward::relay_body(net::ClientExchange& up) {
  for (;;) {
    const auto piece = co_await up.read_piece();
    if (!piece) co_return fail(of_upstream(up, piece.error()));
    if (piece->empty()) break;
    const auto size = static_cast<std::int64_t>(piece->size());
    if (size > most_ - outcome_.bytes_out) co_return ended(audit::Ending::kRefused, too_much());
    outcome_.bytes_out += size;
    const auto ready = masker_.feed(*piece);
    if (!ready.empty() && !co_await exchange.write(ready))
      co_return ended(audit::Ending::kClientGone, kClientLeft);
  }
  if (const auto rest = masker_.finish(); !rest.empty() && !co_await exchange.write(rest))
    co_return ended(audit::Ending::kClientGone, kClientLeft);
  if (!co_await exchange.finish()) co_return ended(audit::Ending::kClientGone, kClientLeft);
  co_return Status();
}

// An upstream may answer while the request still comes.
rt::Co<Status> Forward::both_ways(net::ClientExchange& up) {
  const auto side = std::make_shared<Side>();
  rt::spawn(exchange.executor(), send_beside(this, &up, side));
  Status answered = fail(Errc::kInternal, "the response could not be relayed");
  try {
    answered = co_await relay(up);
  } catch (...) {
    log::error("relaying a response ended by an exception");
  }
  const bool sender_first = side->done.is_set();
  if (!sender_first) {
    // Who has answered in full reads no more of the request.
    cut_->reading.cancel();
    up.abort();
    // Not before it has ended: it borrows from this frame. Nothing unwinds this wait.
    while (!side->done.is_set()) [[maybe_unused]]
      const auto woken = co_await side->done.wait();
  }
  if (!answered && sender_first && side->failed)
    co_return ended(side->failed->first, side->failed->second);
  co_return answered;
}

// Whose time ran out, when it did.
Error Forward::of_upstream(const net::ClientExchange& up, const Error& error) {
  if (error.code == Errc::kTimeout && !cut_->why)
    cut_->why = up.past_deadline() ? Cut::Why::kDeadline : Cut::Why::kSilent;
  return error;
}

rt::Co<Status> Forward::carry(http::RequestHead head) {
  http::Framing framing = exchange.framing();
  if (body_is_whole) framing = {http::Framing::Kind::kLength, body.size()};
  auto begun =
      client->begin(net::Origin::of(entry.url), std::move(head), framing,
                    {.deadline = cut_->deadline, .quiet = upstream.limits.response_timeout});
  if (!begun) co_return fail(begun.error());
  net::ClientExchange up = *std::move(begun);
  cut_->upstream = up.abort_handle();
  if (cut_->why) co_return fail(Errc::kCancelled, "cut");
  if (const auto sent = co_await up.send_head(); !sent) {
    if (up.past_deadline()) of_upstream(up, sent.error());
    co_return fail(Errc::kUnavailable, "the upstream could not be reached");
  }
  Status done;
  if (is_empty(framing)) {
    done = co_await relay(up);
  } else if (body_is_whole) {
    outcome_.bytes_in = static_cast<std::int64_t>(body.size());
    done = co_await up.write(body);
    if (done) done = co_await up.finish();
    // An upstream that reads no more may have said why.
    done = co_await relay(up);
  } else {
    done = co_await both_ways(up);
  }
  if (!done && outcome_.ending == audit::Ending::kCompleted)
    co_return fail(Errc::kUnavailable, "the upstream gave no usable answer");
  co_return done;
}

// What the agent hears of an error, and the log of the ending: what came from outside goes first,
// since it is what broke the rest.
Error Forward::judge(const Error& error, const authority::LiveTask& live) {
  const Status state = live.live(clock.wall());
  const bool stopped = cut_->why == Cut::Why::kTaskStopped || (!state && !cut_->why);
  if (stopped) {
    outcome_.ending = audit::Ending::kCut;
    return state ? Error{Errc::kTaskClosed, "the task stopped during the call"} : state.error();
  }
  if (cut_->why) {
    switch (*cut_->why) {
      case Cut::Why::kTaskStopped:
        break;
      case Cut::Why::kDeadline:
        outcome_.ending = audit::Ending::kCut;
        return {Errc::kExpired, "the task reached its deadline during the call"};
      case Cut::Why::kClientLeft:
        outcome_.ending = audit::Ending::kClientGone;
        return kClientLeft;
      case Cut::Why::kSilent:
        outcome_.ending = audit::Ending::kTimedOut;
        return {Errc::kTimeout, "the upstream did not answer in time"};
    }
  }
  if (outcome_.ending == audit::Ending::kCompleted)
    outcome_.ending = audit::Ending::kUpstreamFailed;
  return error;
}

rt::Co<Status> Forward::go(MonoTime began) {
  const auto live = authority.view().find(permits.front().task(), began);
  if (!live) co_return ended(audit::Ending::kRefused, live.error());
  // The token before the check inside release(): a close in between is seen by one of them.
  const auto task = (*live)->cancelled();
  const rt::Deadline deadline(began + ((*live)->task()->deadline - clock.wall()));
  if (client == nullptr)
    co_return ended(audit::Ending::kRefused,
                    {Errc::kUnavailable, "the upstream's TLS is not set up"});
  auto head = head_for(permits.back());
  if (!head) co_return ended(audit::Ending::kRefused, head.error());

  most_ = upstream.limits.response_bytes;
  for (const auto& permit : permits) most_ = std::min(most_, permit.byte_limit().value_or(most_));
  cut_ = std::make_unique<Cut>(exchange, deadline);
  const auto end_on = [&](const rt::CancelToken& token, Cut::Why why) {
    if (!token.event()) return rt::Subscription();
    return rt::Subscription(*token.event(), exchange.executor(),
                            [cut = cut_.get(), why] { cut->end(why); });
  };
  cut_->task_stops = end_on(task, Cut::Why::kTaskStopped);
  // A body that still comes shows by itself that its sender is there.
  const bool streams = !body_is_whole && !is_empty(exchange.framing());
  if (!streams) cut_->client_leaves = end_on(exchange.gone(), Cut::Why::kClientLeft);
  const Status done = co_await carry(*std::move(head));
  if (done) co_return done;
  co_return fail(judge(done.error(), **live));
}

rt::Co<Status> Forward::run() {
  const MonoTime began = clock.mono();
  const Status done = co_await go(began);
  outcome_.duration = std::chrono::duration_cast<std::chrono::microseconds>(clock.mono() - began);
  for (const auto& permit : permits) {
    const auto recorded = authority.outcome(permit, outcome_);
    if (!recorded)
      log::error("an outcome could not be recorded",
                 {{"decision", permit.decision()}, {"reason", recorded.error().reason}});
  }
  co_return done;
}

}  // namespace stint::gateway
