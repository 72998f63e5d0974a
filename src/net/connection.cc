#include "connection.h"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "fixed_replies.h"
#include "stint/base/log.h"
#include "stint/http/parse.h"

namespace stint::net {
namespace {

constexpr Error kClosed{Errc::kCancelled, "client closed the connection"};
constexpr std::chrono::milliseconds kLingerTime{1'000};
// So many pipelined requests in a row before others get their turn.
constexpr unsigned kTurn = 32;

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, Shard& shard, std::shared_ptr<Wire> wire,
                       http::Peer peer)
    : core_(std::move(core)), shard_(shard), wire_(std::move(wire)), peer_(std::move(peer)) {
  shard_.connections.insert(this);
}

Connection::~Connection() {
  shard_.connections.erase(this);
  core_->left(peer_.ip);
}

rt::Co<void> Connection::run(std::shared_ptr<Connection> self,
                             std::shared_ptr<TlsServerState> tls) {
  Wire& wire = *self->wire_;
  if (tls) {
    const auto shaken =
        co_await wire.handshake(tls->context.get(), true, self->core_->limits.handshake);
    if (!shaken) co_return;
    if (tls->ask == ClientCertificate::kAsked)
      self->peer_.certificate = peer_certificate(wire.tls());
  }
  for (unsigned turn = 0;; ++turn) {
    const Next next = co_await self->next_head();
    if (next != Next::kExchange) {
      if (next == Next::kLinger) co_await wire.close_gently(kLingerTime);
      break;
    }
    if (!co_await self->serve()) break;
    if (turn % kTurn == kTurn - 1)
      co_await boost::asio::post(wire.socket().get_executor(),
                                 boost::asio::use_awaitable_t<rt::Executor>());
  }
  wire.on_unasked = nullptr;
  wire.cut(kClosed, false);
}

rt::Co<Connection::Next> Connection::refuse(std::string_view answer) {
  core_->refused_heads.fetch_add(1, std::memory_order_relaxed);
  (void)co_await wire_->write({answer});
  co_return Next::kLinger;
}

rt::Co<Connection::Next> Connection::next_head() {
  const ServerLimits& limits = core_->limits;
  std::uint64_t until = shard_.ticker->after(limits.idle);
  std::size_t searched = 0;
  bool begun = false;
  wire_->shrink();
  for (;;) {
    const std::string_view in = wire_->buffered();
    if (const auto end = http::find_head_end(in, searched)) {
      auto parsed = http::parse_request_head(in.substr(0, *end), limits.head);
      if (!parsed) co_return co_await refuse(fixed::for_head(parsed.error()));
      if (const auto ok = http::check_head(*parsed, limits.head); !ok)
        co_return co_await refuse(fixed::for_head(ok.error()));
      wire_->consume(*end);
      head = *std::move(parsed);
      co_return Next::kExchange;
    }
    if (in.size() > limits.head.bytes) co_return co_await refuse(fixed::kHeadTooLarge);
    searched = in.size();
    if (in.empty() && draining_) co_return Next::kClose;
    if (!in.empty() && !begun) {
      begun = true;
      until = shard_.ticker->after(limits.head_time);
    }
    idle_ = in.empty();
    const auto filled = co_await wire_->fill(until);
    idle_ = false;
    if (filled) continue;
    if (filled.error().code == Errc::kTooLarge) co_return co_await refuse(fixed::kHeadTooLarge);
    if (filled.error().code != Errc::kTimeout) co_return Next::kClose;
    if (!begun) co_return Next::kClose;  // idle
    core_->timed_out.fetch_add(1, std::memory_order_relaxed);
    co_return co_await refuse(fixed::kTimedOut);
  }
}

rt::Co<bool> Connection::serve() {
  ++exchange;
  active_ = true;
  framing = http::request_framing(head);
  body_.emplace(framing, core_->limits.chunk_overhead);
  body_until_ = body_->done() ? 0 : shard_.ticker->after(core_->limits.whole_body);
  expects_continue_ = http::expects_continue(head);
  head_only_ = head.method == "HEAD";
  close_after = draining_ || http::wants_close(head);
  reply = Reply::kNone;

  const std::size_t in_progress = core_->requests.fetch_add(1, std::memory_order_relaxed);
  bool threw = false;
  if (in_progress >= core_->limits.requests) {
    core_->overloaded.fetch_add(1, std::memory_order_relaxed);
    (void)co_await respond_raw(fixed::kOverloaded);
  } else {
    core_->handled.fetch_add(1, std::memory_order_relaxed);
    Exchange ex(*this);
    try {
      co_await core_->handler(ex);
    } catch (...) {
      threw = true;  // what() may carry the request: not written
    }
  }
  core_->requests.fetch_sub(1, std::memory_order_relaxed);
  wire_->set_hard_limit(Ticker::kNever);
  if (threw) {
    log::error("a request handler ended by an exception");
    close_after = true;
  }
  const bool next = co_await settle();
  active_ = false;
  gone_.reset();
  wire_->on_unasked = nullptr;
  head = {};
  body_.reset();
  co_return next;
}

rt::Co<bool> Connection::settle() {
  if (wire_->broken()) co_return false;
  if (reply == Reply::kNone) {
    close_after = true;
    (void)co_await respond_raw(fixed::kInternal);
  } else if (reply == Reply::kStreaming) {
    wire_->cut({Errc::kCancelled, "response left unfinished"}, true);
    co_return false;
  }
  if (wire_->broken()) co_return false;
  if (!body_->done() && !close_after) {
    // A client that still waits for 100 Continue may send its body now, or not: nobody can tell.
    if (expects_continue_ || body_->remaining() > core_->limits.swallow) {
      close_after = true;
    } else {
      std::size_t swallowed = 0;
      const auto until = shard_.ticker->after(core_->limits.body_time);
      while (!body_->done() && swallowed <= core_->limits.swallow) {
        const auto piece =
            co_await wire_->read_body(*body_, std::string_view::npos, std::min(until, body_until_));
        if (!piece) break;
        swallowed += piece->size();
      }
      if (!body_->done()) close_after = true;
    }
  }
  if (!close_after) co_return true;
  co_await wire_->close_gently(kLingerTime);
  co_return false;
}

void Connection::drain() {
  draining_ = true;
  if (idle_) {
    cut(kClosed);
  } else if (active_ && reply == Reply::kNone) {
    close_after = true;
  }
}

void Connection::cut(Error why) {
  if (gone_) gone_->cancel();
  wire_->cut(why, active_);
}

void Connection::end_by(rt::Deadline deadline) {
  if (!deadline.is_never())
    wire_->set_hard_limit(shard_.ticker->after(deadline.left(core_->clock.mono())));
}

void Connection::abort(std::uint64_t of) {
  if (!active_ || of != exchange || wire_->is_cut()) return;
  core_->aborted.fetch_add(1, std::memory_order_relaxed);
  cut({Errc::kCancelled, "exchange aborted"});
}

rt::CancelToken Connection::gone() {
  if (!gone_) {
    gone_.emplace();
    if (wire_->ended() || wire_->broken()) {
      gone_->cancel();
    } else {
      // Bytes of a next request are kept (bounded by the buffer); the end is what we look for.
      wire_->on_unasked = [this] {
        if (wire_->ended() || wire_->broken()) {
          if (gone_) gone_->cancel();
        } else {
          wire_->read_ahead();
        }
      };
      wire_->give_back();
      wire_->read_ahead();
    }
  }
  return gone_->token();
}

}  // namespace stint::net
