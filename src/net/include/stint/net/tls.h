#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/error.h"

namespace stint::net {

struct TlsServerState;  // OpenSSL behind them; private to net
struct TlsClientState;

// Whether a listener asks clients for a certificate. An offered one may be issued by anybody, also
// by itself: the handshake proves possession of its key and nothing else, and http::Peer carries
// its SHA-256. Who is trusted is decided above (RFC 8705).
enum class ClientCertificate : std::uint8_t { kNotAsked, kAsked };

// What a TLS listener presents. Immutable, shared by copies. TLS 1.2 and later, AEAD suites with
// forward secrecy, ALPN http/1.1, no renegotiation, no compression, no early data, no resumption
// (each handshake proves its key anew). Errors: kMalformed (not PEM, key does not belong to the
// certificate), kIo. Never throws.
class TlsServer {
 public:
  // `chain_pem`: leaf first. `key_pem`: unencrypted; not kept here, wiping it is the caller's.
  static Result<TlsServer> from_pem(std::string_view chain_pem, std::string_view key_pem,
                                    ClientCertificate ask);
  static Result<TlsServer> from_files(const std::string& chain_path, const std::string& key_path,
                                      ClientCertificate ask);
  const std::shared_ptr<TlsServerState>& state() const { return state_; }

 private:
  explicit TlsServer(std::shared_ptr<TlsServerState> state) : state_(std::move(state)) {}
  std::shared_ptr<TlsServerState> state_;
};

// How a client judges servers: chain to a root, host name or address, always. There is no switch
// that turns it off. Immutable, shared by copies.
class TlsClient {
 public:
  static Result<TlsClient> system_roots();
  static Result<TlsClient> with_roots_pem(std::string_view roots_pem);  // only these
  static Result<TlsClient> with_roots_file(const std::string& path);    // only these
  // The same, presenting a certificate when the server asks for one.
  Result<TlsClient> with_certificate(std::string_view chain_pem, std::string_view key_pem) const;
  const std::shared_ptr<TlsClientState>& state() const { return state_; }

 private:
  explicit TlsClient(std::shared_ptr<TlsClientState> state) : state_(std::move(state)) {}
  std::shared_ptr<TlsClientState> state_;
};

}  // namespace stint::net
