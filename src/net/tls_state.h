#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "stint/net/tls.h"

namespace stint::net {

struct FreeTlsContext {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTlsContext>;

struct TlsServerState {
  TlsContext context{SSL_CTX_new(TLS_server_method())};
  ClientCertificate ask = ClientCertificate::kNotAsked;
};

struct TlsClientState {
  TlsContext context{SSL_CTX_new(TLS_client_method())};
  std::string roots_pem;  // empty: the system's
};

// A handshake's facts, read after it. `ssl` is the connection's SSL*.
std::optional<std::array<std::uint8_t, 32>> peer_certificate(SSL* ssl);
// Name or address that the server must prove; sends SNI for names. Before the handshake.
Status expect_host(SSL* ssl, const std::string& host);

}  // namespace stint::net
