#include "wire.h"

#include <fcntl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>

namespace stint::net {
namespace asio = boost::asio;
using boost::system::error_code;
namespace {

constexpr std::size_t kFirstBuffer = 4 * 1024;
constexpr std::size_t kKeptBuffer = 16 * 1024;  // what an idle connection may hold
constexpr std::size_t kSmallPiece = 1024;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<rt::Executor>());

}  // namespace

Wire::Wire(Socket socket, std::shared_ptr<Ticker> ticker, std::size_t max_buffer,
           std::chrono::milliseconds write_time)
    : registry_(asio::use_service<WireRegistry>(socket.get_executor().context())),
      socket_(std::move(socket)),
      ticker_(std::move(ticker)),
      max_buffer_(std::max(max_buffer, kFirstBuffer)),
      write_time_(write_time) {
  // Asio leaves it open over exec: a program that is started here would hold our connections.
  (void)::fcntl(socket_.native_handle(), F_SETFD, FD_CLOEXEC);
  ticker_->add(*this);
  registry_.add(*this);
}

Wire::~Wire() {
  ticker_->remove(*this);
  registry_.remove(*this);
}

asio::execution_context::id WireRegistry::id;

void WireRegistry::shutdown() noexcept {
  while (!wires_.empty()) {
    Wire* wire = *wires_.begin();
    wires_.erase(wires_.begin());
    // Unwinding is posted by Asio, so the wire is not destroyed under our hands.
    const auto parked = std::exchange(wire->resume_, nullptr);
    wire->on_unasked = nullptr;
  }
}

void Wire::on_tick(std::uint64_t now) {
  if (now >= hard_at_ || now >= write_at_) {
    if (now >= hard_at_) hard_expired_ = true;
    if (now >= write_at_) write_expired_ = true;
    hard_at_ = write_at_ = Ticker::kNever;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      if (!self->hard_expired_ && !self->write_expired_) return;  // over meanwhile
      self->cut({Errc::kTimeout, "connection timed out"}, true);
    });
  }
  if (now >= read_at_) {
    read_at_ = Ticker::kNever;
    timed_out_ = true;
    wake_later();
  }
}

void Wire::wake_later() {
  if (!resume_) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->resume_) std::exchange(self->resume_, nullptr)();
  });
}

// --- input

void Wire::consume(std::size_t n) {
  begin_ += n;
  if (begin_ != end_ || reading_) return;
  begin_ = end_ = 0;
}

void Wire::shrink() {
  lent_ = false;
  if (gathered_.capacity() > kFirstBuffer) gathered_ = std::string();
  if (pieces_.capacity() > kFirstBuffer) pieces_ = std::string();
  if (begin_ != end_ || reading_ || capacity_ <= kKeptBuffer) return;
  buffer_.reset();
  capacity_ = begin_ = end_ = 0;
}

// False when the buffer is full and may not grow.
bool Wire::make_room() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  }
  if (end_ < capacity_) return true;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  if (capacity_ >= max_buffer_) return false;
  const std::size_t grown = capacity_ == 0 ? kFirstBuffer : std::min(capacity_ * 4, max_buffer_);
  auto bigger = std::make_unique_for_overwrite<char[]>(grown);
  if (end_ > 0) std::memcpy(bigger.get(), buffer_.get(), end_);
  buffer_ = std::move(bigger);
  capacity_ = grown;
  return true;
}

void Wire::start_read() {
  reading_ = true;
  const auto space = tls_ ? tls_->space() : std::span(buffer_.get() + end_, capacity_ - end_);
  socket_.async_read_some(
      asio::buffer(space.data(), space.size()),
      [self = shared_from_this()](error_code ec, std::size_t n) { self->on_read(ec, n); });
}

void Wire::on_read(error_code ec, std::size_t n) {
  reading_ = false;
  if (tls_) {
    tls_->fed(n);
    const std::size_t before = end_;
    if (!ec) absorb();
    // Half a record tells nobody anything.
    if (!ec && end_ == before && !ended()) {
      if (!reading_) start_read();
      return;
    }
  } else {
    end_ += n;
  }
  if (ec == asio::error::eof && !tls_) {
    eof_ = true;
  } else if (ec) {
    failed_ = true;  // also a TLS stream that ends without close_notify: truncation
  }
  if (resume_) {
    std::exchange(resume_, nullptr)();
  } else if (on_unasked) {
    const auto tell = on_unasked;  // may replace itself
    tell();
  }
}

// What TLS has for us without the socket, as far as there is room.
void Wire::absorb() {
  while (end_ < capacity_ && !eof_ && !failed_) {
    const auto moved = tls_->read({buffer_.get() + end_, capacity_ - end_});
    end_ += moved.bytes;
    switch (moved.step) {
      case TlsSession::Step::kDone:
        break;
      case TlsSession::Step::kWantRead:
        return;
      case TlsSession::Step::kWantWrite:
        // What OpenSSL itself has to say finds the socket full.
        reading_ = true;
        socket_.async_wait(Socket::wait_write,
                           [self = shared_from_this()](error_code ec) { self->on_read(ec, 0); });
        return;
      case TlsSession::Step::kEnd:
        eof_ = true;
        return;
      case TlsSession::Step::kFailed:
        failed_ = true;
        return;
    }
  }
}

Status Wire::input_error() const {
  if (cut_) return fail(*why_);
  if (failed_) return fail(Errc::kIo, "connection lost");
  return fail(Errc::kIo, "connection closed");
}

rt::Co<void> Wire::park() {
  co_await asio::async_initiate<const asio::use_awaitable_t<rt::Executor>&, void()>(
      [this](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        resume_ = [h = std::move(handler)]() mutable { std::move(h)(); };
        if (slot.is_connected()) {
          slot.assign([weak = weak_from_this()](asio::cancellation_type) {
            const auto self = weak.lock();
            if (!self) return;
            self->cancelled_ = true;
            self->wake_later();
          });
        }
      },
      asio::use_awaitable_t<rt::Executor>());
}

rt::Co<Status> Wire::fill(std::uint64_t until_tick) {
  if (cut_ || ended()) co_return input_error();
  if (until_tick <= ticker_->now()) co_return fail(Errc::kTimeout, "read timed out");
  lent_ = false;
  const std::size_t before = end_ - begin_;
  if (!reading_) {
    if (!make_room()) co_return fail(Errc::kTooLarge, "input buffer full");
    if (tls_ && tls_->pending()) {
      absorb();
      if (end_ - begin_ > before) co_return Status();
      if (ended()) co_return input_error();
    }
    if (!reading_) start_read();
  }
  cancelled_ = timed_out_ = false;
  read_at_ = until_tick;
  // A wake-up that was meant for an earlier wait changes nothing here.
  do {
    co_await park();
  } while (end_ - begin_ == before && !cut_ && !ended() && !cancelled_ && !timed_out_);
  read_at_ = Ticker::kNever;
  if (end_ - begin_ > before) co_return Status();
  if (cut_ || ended()) co_return input_error();
  if (cancelled_) co_return fail(Errc::kCancelled, "read cancelled");
  co_return fail(Errc::kTimeout, "read timed out");
}

void Wire::read_ahead() {
  if (lent_ || reading_ || cut_ || ended() || !make_room()) return;
  const std::size_t before = end_;
  if (tls_ && tls_->pending()) absorb();
  if (end_ == before && !ended()) {
    if (!reading_) start_read();
    return;
  }
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->resume_ || !self->on_unasked) return;
    const auto tell = self->on_unasked;
    tell();
  });
}

rt::Co<Result<std::string_view>> Wire::read_body(BodyDecoder& decoder, std::size_t most,
                                                 std::uint64_t until_tick) {
  lent_ = false;
  for (;;) {
    if (cut_) co_return fail(*why_);
    if (decoder.done()) {
      if (on_unasked) read_ahead();  // held back while the last piece was lent
      co_return std::string_view();
    }
    if (!buffered().empty()) {
      const auto step = decoder.decode(buffered(), most);
      if (!step) co_return fail(step.error());
      consume(step->consumed);
      if (step->data.empty()) continue;
      if (step->data.size() < kSmallPiece && !buffered().empty() && !decoder.done())
        co_return gather(decoder, step->data, most);
      lent_ = true;
      co_return step->data;
    }
    const auto filled = co_await fill(until_tick);
    if (filled) continue;
    if (eof_ && !cut_ && buffered().empty()) {
      if (const auto whole = decoder.at_end(); !whole) co_return fail(whole.error());
      co_return std::string_view();
    }
    co_return fail(filled.error());
  }
}

// Many small chunks go on as one piece: each would be a write of its own.
Result<std::string_view> Wire::gather(BodyDecoder& decoder, std::string_view first,
                                      std::size_t most) {
  pieces_.assign(first);
  const std::size_t room = std::min(most, 4 * kSmallPiece);
  while (!buffered().empty() && !decoder.done() && pieces_.size() < room) {
    const auto step = decoder.decode(buffered(), room - pieces_.size());
    if (!step) return fail(step.error());
    consume(step->consumed);
    pieces_ += step->data;
  }
  return pieces_;
}

// --- beginning and end

// Waits for what a step of TLS wants, and gives kDone when it can be repeated.
rt::Co<TlsSession::Step> Wire::until_ready(TlsSession::Step step) {
  if (step == TlsSession::Step::kWantRead) {
    const auto space = tls_->space();
    const auto [ec, n] =
        co_await socket_.async_read_some(asio::buffer(space.data(), space.size()), kAwait);
    if (ec) co_return TlsSession::Step::kFailed;
    tls_->fed(n);
    co_return TlsSession::Step::kDone;
  }
  const auto [ec] = co_await socket_.async_wait(Socket::wait_write, kAwait);
  co_return ec ? TlsSession::Step::kFailed : TlsSession::Step::kDone;
}

rt::Co<Status> Wire::handshake(SSL_CTX* context, bool server, std::chrono::milliseconds ttl,
                               std::function<Status(SSL*)> prepare) {
  using Step = TlsSession::Step;
  tls_ = STINT_CO_TRY(TlsSession::make(context, server, socket_.native_handle()));
  if (prepare) STINT_CO_TRY(prepare(tls_->handle()));
  hard_at_ = ticker_->after(ttl);
  const auto self = shared_from_this();
  Step step = tls_->handshake();
  while (!cut_ && (step == Step::kWantRead || step == Step::kWantWrite)) {
    step = co_await until_ready(step);
    if (step == Step::kDone) step = tls_->handshake();
  }
  hard_at_ = Ticker::kNever;
  if (step == Step::kDone && !cut_) co_return Status();
  const bool timed_out = cut_ && why_->code == Errc::kTimeout;
  cut({Errc::kIo, "tls handshake failed"}, false);
  if (timed_out) co_return fail(Errc::kTimeout, "tls handshake timed out");
  co_return fail(Errc::kUnauthenticated, "tls handshake failed");
}

rt::Co<void> Wire::close_gently(std::chrono::milliseconds patience) {
  const auto self = shared_from_this();
  if (cut_) co_return;
  hard_at_ = ticker_->after(patience);
  if (tls_ && !writing_ && !write_failed_) {
    while (tls_->close_notify() == TlsSession::Step::kWantWrite)
      if (co_await until_ready(TlsSession::Step::kWantWrite) != TlsSession::Step::kDone) break;
  }
  if (!cut_ && !write_failed_) {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    // Closed with bytes unread, the kernel would reset what we have just said.
    std::size_t dropped = 0;
    while (!cut_ && dropped < std::size_t{256} * 1024) {
      dropped += buffered().size();
      consume(buffered().size());
      if (!co_await fill(hard_at_)) break;
    }
  }
  cut({Errc::kIo, "connection closed"}, false);
}

void Wire::cut(Error why, bool reset) {
  if (cut_) return;
  cut_ = true;
  why_ = why;
  hard_at_ = write_at_ = read_at_ = Ticker::kNever;
  error_code ignored;
  if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  if (tls_) tls_->detach();
  socket_.close(ignored);
  // A pending read ends by itself and wakes its waiter; a waiter without one is woken here.
  if (!reading_) wake_later();
  if (on_unasked && !resume_) {
    const auto tell = on_unasked;
    tell();
  }
}

}  // namespace stint::net
