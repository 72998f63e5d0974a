#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

#include "body_decoder.h"
#include "stint/base/error.h"
#include "stint/rt/co.h"
#include "ticker.h"
#include "tls_session.h"

namespace stint::net {

using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                boost::asio::io_context::executor_type>;

class Wire;

// The wires of a loop. A coroutine that waits for bytes is owned by its wire, and the wire by the
// coroutine: when the loop ends, this breaks the circle.
class WireRegistry final : public boost::asio::execution_context::service {
 public:
  using key_type = WireRegistry;
  static boost::asio::execution_context::id id;
  explicit WireRegistry(boost::asio::execution_context& context) : service(context) {}
  void add(Wire& wire) { wires_.insert(&wire); }
  void remove(Wire& wire) { wires_.erase(&wire); }

 private:
  void shutdown() noexcept override;
  std::unordered_set<Wire*> wires_;
};

// A connected socket, with or without TLS, under both server and client: an input buffer that is
// filled on demand or ahead, writes that wait for the socket, timeouts, and the end.
//
// Threads:  its context's. At most one coroutine fills and one writes at a time.
// Limits:   the input buffer grows from 4 KiB to `max_buffer`, and only while it runs full.
// Errors:   kIo "connection closed" / "connection lost", kTimeout, kCancelled. After an error of a
//           write nothing can be sent; after cut() nothing happens at all.
class Wire final : public Ticker::Entry, public std::enable_shared_from_this<Wire> {
 public:
  Wire(Socket socket, std::shared_ptr<Ticker> ticker, std::size_t max_buffer,
       std::chrono::milliseconds write_time);
  ~Wire();
  Wire(const Wire&) = delete;

  rt::Co<Status> handshake(SSL_CTX* context, bool server, std::chrono::milliseconds ttl,
                           std::function<Status(SSL*)> prepare = nullptr);
  SSL* tls() { return tls_ ? tls_->handle() : nullptr; }

  // Input that came and was not consumed. Dies at the next fill().
  std::string_view buffered() const { return {buffer_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t n);
  // Waits until at least one more byte is buffered; kTooLarge when the buffer is full.
  rt::Co<Status> fill(std::uint64_t until_tick);
  // Starts filling without waiting for it, while there is room and nothing is lent; see on_unasked.
  void read_ahead();
  // The piece of read_body() is not looked at any more.
  void give_back() { lent_ = false; }
  // The next bytes of a body, decoded, at most `most`; empty: its end. They lie in the buffer and
  // die at the next read_body(), fill() or shrink().
  rt::Co<Result<std::string_view>> read_body(BodyDecoder& decoder, std::size_t most,
                                             std::uint64_t until_tick);
  // Bounds anew the wait of a coroutine that is in fill().
  void limit_read(std::uint64_t tick) {
    if (resume_) read_at_ = tick;
  }
  // The other side has ended its direction, in order or not.
  bool ended() const { return eof_ || failed_; }

  // All of the parts, in order. Small ones travel together.
  rt::Co<Status> write(std::initializer_list<std::string_view> parts);
  // What the socket takes at once, dropping the rest: for last words to an unwanted peer.
  void try_write(std::string_view bytes);
  bool broken() const { return cut_ || write_failed_; }

  // Says goodbye so that what was written arrives: ends our direction, reads and drops what still
  // comes for a moment, closes.
  rt::Co<void> close_gently(std::chrono::milliseconds patience);
  // At once; pending operations fail with `why`. `reset`: the peer sees a reset, not an end.
  void cut(Error why, bool reset);
  bool is_cut() const { return cut_; }

  // cut() with kTimeout when this tick comes. kNever: not.
  void set_hard_limit(std::uint64_t tick) {
    hard_at_ = tick;
    hard_expired_ = false;  // a cut that is on its way was for what is over
  }
  Ticker& ticker() { return *ticker_; }
  Socket& socket() { return socket_; }

  // Between two messages: nothing lent is looked at any more; gives back what bodies made the
  // input buffer grow to.
  void shrink();

  // Called when read_ahead() found something while no coroutine waited: bytes, or the end. Also on
  // cut(). May drop the last reference to this.
  std::function<void()> on_unasked;

 private:
  friend class WireRegistry;
  void on_tick(std::uint64_t now) override;
  bool make_room();
  void start_read();
  void on_read(boost::system::error_code ec, std::size_t n);
  void absorb();
  rt::Co<TlsSession::Step> until_ready(TlsSession::Step step);
  rt::Co<void> park();
  void wake_later();
  Status input_error() const;
  Result<std::string_view> gather(BodyDecoder& decoder, std::string_view first, std::size_t most);
  Result<std::size_t> write_now(std::span<const std::string_view> parts);
  Result<std::size_t> write_tls(std::string_view bytes);

  WireRegistry& registry_;
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  std::shared_ptr<Ticker> ticker_;

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0, max_buffer_;
  bool hard_expired_ = false, write_expired_ = false;
  bool lent_ = false;  // bytes before begin_ are still looked at
  bool reading_ = false, eof_ = false, failed_ = false, cancelled_ = false, timed_out_ = false;
  std::move_only_function<void()> resume_;

  std::string gathered_;  // parts of a TLS record
  std::string pieces_;    // small runs of a body, together
  bool writing_ = false, write_failed_ = false, cut_ = false;
  std::optional<Error> why_;
  std::chrono::milliseconds write_time_;
  std::uint64_t read_at_ = Ticker::kNever, write_at_ = Ticker::kNever, hard_at_ = Ticker::kNever;
};

}  // namespace stint::net
