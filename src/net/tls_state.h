#pragma once

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "stint/net/tls.h"

namespace stint::net {

struct TlsServerState {
  boost::asio::ssl::context context{boost::asio::ssl::context::tls_server};
  ClientCertificate ask = ClientCertificate::kNotAsked;
};

struct TlsClientState {
  boost::asio::ssl::context context{boost::asio::ssl::context::tls_client};
  std::string roots_pem;  // empty: the system's
};

// A handshake's facts, read after it. `ssl` is the connection's SSL*.
std::optional<std::array<std::uint8_t, 32>> peer_certificate(SSL* ssl);
// Name or address that the server must prove; sends SNI for names. Before the handshake.
Status expect_host(SSL* ssl, const std::string& host);

}  // namespace stint::net
