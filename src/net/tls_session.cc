#include "tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace stint::net {

// OpenSSL's own socket BIO reads by itself and writes with write(), which raises SIGPIPE.
struct TlsBio {
  static TlsSession& of(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* out, std::size_t size, std::size_t* taken) {
    TlsSession& s = of(bio);
    BIO_clear_retry_flags(bio);
    *taken = std::min(size, s.end_ - s.begin_);
    if (*taken == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(out, s.cipher_.data() + s.begin_, *taken);
    s.begin_ += *taken;
    if (s.begin_ == s.end_) s.begin_ = s.end_ = 0;
    return 1;
  }

  static int write(BIO* bio, const char* bytes, std::size_t size, std::size_t* taken) {
    BIO_clear_retry_flags(bio);
    *taken = 0;
    const auto n = ::send(of(bio).socket_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      *taken = static_cast<std::size_t>(n);
      return 1;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) BIO_set_retry_write(bio);
    return 0;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stint");
      if (m == nullptr || BIO_meth_set_read_ex(m, read) != 1 ||
          BIO_meth_set_write_ex(m, write) != 1 || BIO_meth_set_ctrl(m, control) != 1)
        return static_cast<BIO_METHOD*>(nullptr);
      return m;
    }();
    return made;
  }
};

Result<std::unique_ptr<TlsSession>> TlsSession::make(SSL_CTX* context, bool server, int socket) {
  std::unique_ptr<TlsSession> s(new TlsSession(socket));
  s->ssl_.reset(SSL_new(context));
  BIO* bio = TlsBio::method() ? BIO_new(TlsBio::method()) : nullptr;
  if (!s->ssl_ || bio == nullptr) {
    BIO_free(bio);
    ERR_clear_error();
    return fail(Errc::kInternal, "tls session");
  }
  BIO_set_data(bio, s.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(s->ssl_.get(), bio, bio);
  server ? SSL_set_accept_state(s->ssl_.get()) : SSL_set_connect_state(s->ssl_.get());
  return s;
}

TlsSession::Step TlsSession::step_of(int result) {
  if (result == 1) return Step::kDone;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Step::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Step::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Step::kEnd;
    default:
      ERR_clear_error();
      return Step::kFailed;
  }
}

// SSL_get_error() looks into the thread's queue of errors: nothing old may be left in it.
TlsSession::Step TlsSession::handshake() {
  ERR_clear_error();
  return step_of(SSL_do_handshake(ssl_.get()));
}

TlsSession::Moved TlsSession::read(std::span<char> out) {
  ERR_clear_error();
  Moved moved;
  moved.step = step_of(SSL_read_ex(ssl_.get(), out.data(), out.size(), &moved.bytes));
  return moved;
}

TlsSession::Moved TlsSession::write(std::string_view bytes) {
  ERR_clear_error();
  Moved moved;
  moved.step = step_of(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &moved.bytes));
  return moved;
}

TlsSession::Step TlsSession::close_notify() {
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  return result >= 0 ? Step::kDone : step_of(result);  // 0: sent; the peer's is not waited for
}

}  // namespace stint::net
