#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "stint/base/error.h"

namespace stint::net {

// TLS over a socket, without waiting: what came from the socket is fed in, what goes out is sent at
// once. Its user waits for the socket when a step says so, and repeats the step.
//
// Threads:  one at a time.
// Limits:   16 KiB of ciphertext are held, beside what OpenSSL needs for one record each way.
// Errors:   kFailed is final: the stream is broken, truncated or forged. kEnd is its orderly end.
class TlsSession {
 public:
  enum class Step : std::uint8_t { kDone, kWantRead, kWantWrite, kEnd, kFailed };
  struct Moved {
    Step step = Step::kFailed;
    std::size_t bytes = 0;
  };

  // `socket` is not owned and outlives the session's use. kInternal when OpenSSL has no memory.
  static Result<std::unique_ptr<TlsSession>> make(SSL_CTX* context, bool server, int socket);
  TlsSession(const TlsSession&) = delete;

  SSL* handle() { return ssl_.get(); }
  Step handshake();
  Moved read(std::span<char> out);
  // Takes at most one record's worth. After kWantWrite the same bytes have to be offered again.
  Moved write(std::string_view bytes);
  Step close_notify();

  // Where ciphertext goes that came from the socket; empty until what is there was read.
  std::span<char> space() { return std::span(cipher_).subspan(end_); }
  void fed(std::size_t n) { end_ += n; }
  // The socket is closed, its number perhaps another's: from here on nothing is sent.
  void detach() { socket_ = -1; }
  // Whether read() may have something without the socket.
  bool pending() const { return begin_ < end_ || SSL_has_pending(ssl_.get()) == 1; }

 private:
  friend struct TlsBio;
  explicit TlsSession(int socket) : socket_(socket) {}
  Step step_of(int result);

  struct Free {
    void operator()(SSL* p) const { SSL_free(p); }
  };
  int socket_;
  std::size_t begin_ = 0, end_ = 0;
  std::array<char, std::size_t{16} * 1024> cipher_;
  std::unique_ptr<SSL, Free> ssl_;  // goes first: its BIO points at us
};

}  // namespace stint::net
