#include "stint/net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <fstream>
#include <iterator>

#include "stint/crypto/digest.h"
#include "tls_state.h"

namespace stint::net {
namespace {

constexpr std::size_t kMaxPem = 1024 * 1024;
// With forward secrecy and AEAD, for TLS 1.2; TLS 1.3 has no other.
constexpr const char* kSuites = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <class T>
using Own = std::unique_ptr<T, Free>;

Own<BIO> reader(std::string_view text) {
  return Own<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// No passphrase is ever asked for: OpenSSL's default would read the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

Status common(SSL_CTX* ctx) {
  if (ctx == nullptr) return fail(Errc::kInternal, "tls context");
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
  SSL_CTX_set_max_early_data(ctx, 0);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_cipher_list(ctx, kSuites) != 1) return fail(Errc::kInternal, "tls suites");
  return {};
}

Status use_identity(SSL_CTX* ctx, std::string_view chain_pem, std::string_view key_pem) {
  ERR_clear_error();
  if (chain_pem.size() > kMaxPem || key_pem.size() > kMaxPem)
    return fail(Errc::kTooLarge, "certificate or key over 1 MiB");
  auto chain = reader(chain_pem);
  Own<X509> leaf(PEM_read_bio_X509_AUX(chain.get(), nullptr, no_passphrase, nullptr));
  if (!leaf || SSL_CTX_use_certificate(ctx, leaf.get()) != 1)
    return fail(Errc::kMalformed, "certificate is not PEM");
  SSL_CTX_clear_chain_certs(ctx);
  for (;;) {
    Own<X509> next(PEM_read_bio_X509(chain.get(), nullptr, no_passphrase, nullptr));
    if (!next) break;
    if (SSL_CTX_add1_chain_cert(ctx, next.get()) != 1)
      return fail(Errc::kMalformed, "certificate chain");
  }
  ERR_clear_error();  // the end of the PEM text is an error to OpenSSL
  auto key_text = reader(key_pem);
  Own<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
  if (!key) return fail(Errc::kMalformed, "private key is not unencrypted PEM");
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    ERR_clear_error();
    return fail(Errc::kMalformed, "private key is of another certificate");
  }
  return {};
}

Status use_roots(SSL_CTX* ctx, std::string_view pem) {
  ERR_clear_error();
  if (pem.size() > kMaxPem) return fail(Errc::kTooLarge, "roots over 1 MiB");
  auto text = reader(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  int n = 0;
  for (;;) {
    Own<X509> root(PEM_read_bio_X509(text.get(), nullptr, no_passphrase, nullptr));
    if (!root) break;
    X509_STORE_add_cert(store, root.get());
    ++n;
  }
  ERR_clear_error();
  if (n == 0) return fail(Errc::kMalformed, "no root certificate in the text");
  // A root that is not self-signed is one too, when the operator says so.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

int choose_http11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                  unsigned int in_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2: no protocol in common
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Possession is proved by the handshake; who issued it is judged above.
int any_issuer(int, X509_STORE_CTX*) { return 1; }

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::kIo, "certificate or key file cannot be read");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.size() > kMaxPem) return fail(Errc::kTooLarge, "certificate or key over 1 MiB");
  return text;
}

Result<std::shared_ptr<TlsClientState>> new_client(std::string roots) {
  auto state = std::make_shared<TlsClientState>();
  SSL_CTX* ctx = state->context.get();
  STINT_TRY(common(ctx));
  if (roots.empty()) {
    if (SSL_CTX_set_default_verify_paths(ctx) != 1) return fail(Errc::kIo, "system roots");
  } else {
    STINT_TRY(use_roots(ctx, roots));
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  if (SSL_CTX_set_alpn_protos(ctx, kOurs, sizeof kOurs - 1) != 0)
    return fail(Errc::kInternal, "tls alpn");
  state->roots_pem = std::move(roots);
  return state;
}

}  // namespace

Result<TlsServer> TlsServer::from_pem(std::string_view chain_pem, std::string_view key_pem,
                                      ClientCertificate ask) {
  auto state = std::make_shared<TlsServerState>();
  state->ask = ask;
  SSL_CTX* ctx = state->context.get();
  STINT_TRY(common(ctx));
  STINT_TRY(use_identity(ctx, chain_pem, key_pem));
  SSL_CTX_set_alpn_select_cb(ctx, choose_http11, nullptr);
  // No resumption at all: each handshake proves its key anew, and no ticket key has to rotate.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  if (ask == ClientCertificate::kAsked) SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_issuer);
  return TlsServer(std::move(state));
}

Result<TlsServer> TlsServer::from_files(const std::string& chain_path, const std::string& key_path,
                                        ClientCertificate ask) {
  const auto chain = STINT_TRY(read_file(chain_path));
  auto key = STINT_TRY(read_file(key_path));
  auto server = from_pem(chain, key, ask);
  OPENSSL_cleanse(key.data(), key.size());
  return server;
}

Result<TlsClient> TlsClient::system_roots() { return TlsClient(STINT_TRY(new_client(""))); }

Result<TlsClient> TlsClient::with_roots_pem(std::string_view roots_pem) {
  if (roots_pem.empty()) return fail(Errc::kMalformed, "no root certificate in the text");
  return TlsClient(STINT_TRY(new_client(std::string(roots_pem))));
}

Result<TlsClient> TlsClient::with_roots_file(const std::string& path) {
  return with_roots_pem(STINT_TRY(read_file(path)));
}

Result<TlsClient> TlsClient::with_certificate(std::string_view chain_pem,
                                              std::string_view key_pem) const {
  auto state = STINT_TRY(new_client(state_->roots_pem));
  STINT_TRY(use_identity(state->context.get(), chain_pem, key_pem));
  return TlsClient(std::move(state));
}

std::optional<std::array<std::uint8_t, 32>> peer_certificate(SSL* handle) {
  const Own<X509> cert(SSL_get1_peer_certificate(handle));
  if (!cert) return std::nullopt;
  unsigned char* der = nullptr;
  const int size = i2d_X509(cert.get(), &der);
  if (size <= 0) return std::nullopt;
  const auto print = crypto::cert_thumbprint(
      std::string_view(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return print;
}

Status expect_host(SSL* handle, const std::string& host) {
  boost::system::error_code ec;
  (void)boost::asio::ip::make_address(host, ec);
  X509_VERIFY_PARAM* param = SSL_get0_param(handle);
  if (!ec) {
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) != 1)
      return fail(Errc::kMalformed, "server address");
    return {};
  }
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (host.empty() || X509_VERIFY_PARAM_set1_host(param, host.data(), host.size()) != 1 ||
      SSL_set_tlsext_host_name(handle, host.c_str()) != 1)
    return fail(Errc::kMalformed, "server name");
  return {};
}

}  // namespace stint::net
