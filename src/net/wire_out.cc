// The sending half of Wire.
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "wire.h"

namespace stint::net {
namespace asio = boost::asio;
namespace {

constexpr std::size_t kGather = 16 * 1024;  // TLS: up to one record is copied together
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<rt::Executor>());

}  // namespace

// Without waiting: how many bytes of the parts the socket took.
Result<std::size_t> Wire::write_now(std::span<const std::string_view> parts) {
  iovec vec[4];
  std::size_t n = 0, total = 0;
  for (const auto part : parts) {
    if (part.empty()) continue;
    vec[n++] = {const_cast<char*>(part.data()), part.size()};
    total += part.size();
  }
  msghdr message{};
  message.msg_iov = vec;
  message.msg_iovlen = n;
  if (total == 0) return std::size_t{0};
  const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return std::size_t{0};
  return fail(Errc::kIo, "connection lost");
}

void Wire::try_write(std::string_view bytes) {
  if (cut_ || tls_ || writing_) return;
  (void)write_now(std::span(&bytes, 1));
}

Result<std::size_t> Wire::write_tls(std::string_view bytes) {
  const auto moved = tls_->write(bytes);
  switch (moved.step) {
    case TlsSession::Step::kDone:
      return moved.bytes;
    case TlsSession::Step::kWantWrite:
      return std::size_t{0};
    case TlsSession::Step::kWantRead:
      // The other side has begun a message of its own (a ticket, a change of keys) and not finished
      // it: nobody honest cuts these up, and waiting for the rest here would be its to prolong.
    case TlsSession::Step::kEnd:
    case TlsSession::Step::kFailed:
      break;
  }
  return fail(Errc::kIo, "connection lost");
}

rt::Co<Status> Wire::write(std::initializer_list<std::string_view> given) {
  std::array<std::string_view, 4> parts;
  if (given.size() > parts.size() || writing_) co_return fail(Errc::kInternal, "overlapping write");
  std::ranges::copy(given, parts.begin());
  if (cut_) co_return fail(*why_);
  if (write_failed_) co_return fail(Errc::kIo, "connection lost");

  std::size_t left = 0;
  for (const auto p : parts) left += p.size();
  if (tls_ && left <= kGather && parts[0].size() != left) {
    gathered_.clear();
    for (const auto p : parts) gathered_ += p;
    parts = {gathered_};
  }
  // What the socket does not take at once waits for it, each step bounded by write_time.
  writing_ = true;
  std::shared_ptr<Wire> self;
  for (std::span<std::string_view> rest(parts); left > 0;) {
    while (rest.front().empty()) rest = rest.subspan(1);
    auto sent = tls_ ? write_tls(rest.front()) : write_now(rest);
    if (sent && *sent == 0) {
      if (!self) self = shared_from_this();
      write_at_ = ticker_->after(write_time_);
      const auto [ec] = co_await socket_.async_wait(Socket::wait_write, kAwait);
      write_at_ = Ticker::kNever;
      write_expired_ = false;
      if (!ec && !cut_) continue;
      sent = fail(ec == asio::error::operation_aborted ? Error{Errc::kCancelled, "write cancelled"}
                                                       : Error{Errc::kIo, "connection lost"});
    }
    if (!sent) {
      writing_ = false;
      write_failed_ = true;
      co_return fail(cut_ ? *why_ : sent.error());
    }
    left -= *sent;
    for (auto& part : rest) {
      const std::size_t n = std::min(*sent, part.size());
      part.remove_prefix(n);
      *sent -= n;
    }
  }
  writing_ = false;
  co_return Status();
}

}  // namespace stint::net
