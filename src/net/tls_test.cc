#include "stint/net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net_testing.h"
#include "stint/codec/hex.h"
#include "stint/crypto/digest.h"
#include "stint/net/client.h"

namespace stint::net {
namespace {
using namespace std::chrono_literals;
using testing::eventually;
using ::testing::HasSubstr;
using testing::Rig;
using testing::Sock;

struct Identity {
  std::string cert_pem, key_pem, der;
  X509* cert = nullptr;
  EVP_PKEY* key = nullptr;
  std::shared_ptr<X509> cert_owner;
  std::shared_ptr<EVP_PKEY> key_owner;
};

std::string drained(BIO* bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(n));
  BIO_free(bio);
  return out;
}

// A fresh certificate; self-signed without an issuer.
Identity make(const char* name, const char* alt_names, const Identity* issuer, bool authority,
              long from = -60, long to = 3600) {
  Identity id;
  id.key = EVP_EC_gen("P-256");
  id.cert = X509_new();
  id.key_owner.reset(id.key, EVP_PKEY_free);
  id.cert_owner.reset(id.cert, X509_free);
  X509_set_version(id.cert, 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(id.cert), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(id.cert), from);
  X509_gmtime_adj(X509_getm_notAfter(id.cert), to);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(id.cert), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(id.cert, X509_get_subject_name(issuer ? issuer->cert : id.cert));
  X509_set_pubkey(id.cert, id.key);
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer ? issuer->cert : id.cert, id.cert, nullptr, nullptr, 0);
  const auto extend = [&](int nid, const char* value) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &ctx, nid, value);
    ASSERT_NE(e, nullptr);
    X509_add_ext(id.cert, e, -1);
    X509_EXTENSION_free(e);
  };
  extend(NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (alt_names) extend(NID_subject_alt_name, alt_names);
  EXPECT_NE(X509_sign(id.cert, issuer ? issuer->key : id.key, EVP_sha256()), 0);
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, id.cert);
  id.cert_pem = drained(out);
  out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, id.key, nullptr, nullptr, 0, nullptr, nullptr);
  id.key_pem = drained(out);
  out = BIO_new(BIO_s_mem());
  i2d_X509_bio(out, id.cert);
  id.der = drained(out);
  return id;
}

const Identity& test_ca() {
  static const Identity id = make("test ca", nullptr, nullptr, true);
  return id;
}
const Identity& test_server() {
  static const Identity id = make("test server", "IP:127.0.0.1,DNS:localhost", &test_ca(), false);
  return id;
}

// Serves "tls=… cert=<hex or ->" and a large body at /big.
rt::Co<void> tell(Exchange& ex) {
  std::string out = ex.peer().tls ? "tls " : "plain ";
  if (ex.head().target == "/big") {
    out.assign(3'000'000, 'b');
  } else if (ex.peer().certificate) {
    out.append(reinterpret_cast<const char*>(ex.peer().certificate->data()), 32);
  } else {
    out += '-';
  }
  const auto body = co_await ex.read_body(1 << 24);
  out += body.value_or("?");
  (void)co_await ex.respond({200, {}, std::move(out)});
}

struct TlsRig : Rig {
  explicit TlsRig(const Identity& id, ClientCertificate ask = ClientCertificate::kNotAsked,
                  ServerLimits limits = {})
      : Rig(tell, limits) {
    auto tls = TlsServer::from_pem(id.cert_pem, id.key_pem, ask);
    EXPECT_TRUE(tls) << tls.error().reason.text();
    const auto bound = server.listen_tcp("127.0.0.1", 0, *tls);
    EXPECT_TRUE(bound);
    tls_port = bound.value_or(0);
  }
  std::string url(std::string_view host, std::string_view path = "/") const {
    return "https://" + std::string(host) + ':' + std::to_string(tls_port) + std::string(path);
  }
  std::uint16_t tls_port = 0;
};

std::string ask(const std::string& url, const TlsClient& tls, std::string body = "") {
  SimpleRequest r{.url = url, .body = std::move(body)};
  if (!r.body.empty()) r.method = "POST";
  const auto got = simple_request(testing::real_clock(), r, tls, {.response_bytes = 1 << 25});
  return got ? got->body : std::string(got.error().reason.text());
}

TEST(Tls, VerifiesNameAndChain) {
  TlsRig rig(test_server());
  const auto trusting = *TlsClient::with_roots_pem(test_ca().cert_pem);
  EXPECT_EQ(ask(rig.url("127.0.0.1"), trusting), "tls -");
  EXPECT_EQ(ask(rig.url("localhost"), trusting), "tls -");
  // Another root, the system's roots: refused, and the server's handler saw nothing.
  const auto before = rig.server.stats().handled;
  const auto other = make("other ca", nullptr, nullptr, true);
  EXPECT_EQ(ask(rig.url("127.0.0.1"), *TlsClient::with_roots_pem(other.cert_pem)),
            "tls handshake failed");
  EXPECT_EQ(ask(rig.url("127.0.0.1"), *TlsClient::system_roots()), "tls handshake failed");
  EXPECT_EQ(rig.server.stats().handled, before);
}

TEST(Tls, RefusesWrongNamesAndTimes) {
  const auto trusting = *TlsClient::with_roots_pem(test_ca().cert_pem);
  const Identity bad[] = {
      make("127.0.0.1", nullptr, &test_ca(), false),          // only a common name
      make("x", "DNS:localhost", &test_ca(), false),          // a name, not this address
      make("x", "DNS:127.0.0.1", &test_ca(), false),          // an address spelt as a name
      make("x", "IP:127.0.0.1", &test_ca(), false, -60, -1),  // expired
      make("x", "IP:127.0.0.1", &test_ca(), false, 60, 120),  // not yet valid
      make("x", "IP:127.0.0.1", nullptr, false),              // self-signed
  };
  for (const auto& id : bad) {
    TlsRig rig(id);
    EXPECT_EQ(ask(rig.url("127.0.0.1"), trusting), "tls handshake failed");
    EXPECT_EQ(rig.server.stats().handled, 0U);
  }
  const auto wild = make("x", "DNS:loc*", &test_ca(), false);
  TlsRig rig(wild);
  EXPECT_EQ(ask(rig.url("localhost"), trusting), "tls handshake failed");
}

TEST(Tls, LargeBodiesBothWays) {
  TlsRig rig(test_server());
  const auto trusting = *TlsClient::with_roots_pem(test_ca().cert_pem);
  const std::string up(5'000'000, 'u');
  EXPECT_TRUE(ask(rig.url("127.0.0.1", "/big"), trusting, up) == std::string(3'000'000, 'b') + up);
}

TEST(Tls, ClientCertificateIsPossessionOnly) {
  TlsRig rig(test_server(), ClientCertificate::kAsked);
  const auto trusting = *TlsClient::with_roots_pem(test_ca().cert_pem);
  EXPECT_EQ(ask(rig.url("127.0.0.1"), trusting), "tls -");  // asked, not demanded
  for (const auto& id :
       {make("self", nullptr, nullptr, false), make("agent", nullptr, &test_ca(), false),
        make("expired", nullptr, nullptr, false, -60, -1)}) {
    const auto presenting = trusting.with_certificate(id.cert_pem, id.key_pem);
    ASSERT_TRUE(presenting) << presenting.error().reason.text();
    const auto print = crypto::cert_thumbprint(id.der);
    EXPECT_EQ(ask(rig.url("127.0.0.1"), *presenting), "tls " + std::string(crypto::view(print)));
  }
}

TEST(Tls, ACertificateThatIsNotAskedForIsNotSeen) {
  TlsRig rig(test_server());
  const auto id = make("self", nullptr, nullptr, false);
  const auto tls =
      TlsClient::with_roots_pem(test_ca().cert_pem)->with_certificate(id.cert_pem, id.key_pem);
  EXPECT_EQ(ask(rig.url("127.0.0.1"), *tls), "tls -");
}

TEST(Tls, KeysOfOtherCertificatesAreRefused) {
  const auto a = make("a", nullptr, nullptr, false), b = make("b", nullptr, nullptr, false);
  const auto no = ClientCertificate::kNotAsked;
  EXPECT_EQ(TlsServer::from_pem(a.cert_pem, b.key_pem, no).error().reason.text(),
            "private key is of another certificate");
  EXPECT_EQ(TlsServer::from_pem("x", a.key_pem, no).error().reason.text(),
            "certificate is not PEM");
  EXPECT_EQ(TlsServer::from_pem(a.cert_pem, "x", no).error().reason.text(),
            "private key is not unencrypted PEM");
  EXPECT_EQ(TlsServer::from_files("/nonexistent", "/nonexistent", no).error().code, Errc::kIo);
  EXPECT_EQ(TlsClient::with_roots_pem("").error().reason.text(), "no root certificate in the text");
  EXPECT_EQ(TlsClient::with_roots_pem("junk").error().reason.text(),
            "no root certificate in the text");
}

TEST(Tls, SilentHandshakesAreCut) {
  ServerLimits limits;
  limits.handshake = 50ms;
  TlsRig rig(test_server(), ClientCertificate::kNotAsked, limits);
  auto mute = Sock::tcp(rig.tls_port);
  EXPECT_EQ(mute.all(), "");
  auto plain = Sock::tcp(rig.tls_port);
  plain.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(plain.all(), ::testing::Not(HasSubstr("HTTP")));
  EXPECT_EQ(rig.server.stats().handled, 0U);
  EXPECT_TRUE(eventually([&] { return rig.server.stats().connections == 0; }));
}

// A client with protocol limits and ALPN of its own; returns the version, "" when refused.
std::string shake(std::uint16_t port, int max_version, std::string_view alpn) {
  SSL_CTX* ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(ctx, 0);
  SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(ctx, max_version);
  if (!alpn.empty())
    SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(alpn.data()),
                            static_cast<unsigned>(alpn.size()));
  Sock sock = Sock::tcp(port);
  SSL* ssl = SSL_new(ctx);
  SSL_set_fd(ssl, sock.fd());
  std::string out;
  if (SSL_connect(ssl) == 1) {
    const unsigned char* chosen = nullptr;
    unsigned n = 0;
    SSL_get0_alpn_selected(ssl, &chosen, &n);
    out = std::string(SSL_get_version(ssl)) + ' ' +
          std::string(reinterpret_cast<const char*>(chosen), n);
  }
  SSL_free(ssl);
  SSL_CTX_free(ctx);
  return out;
}

TEST(Tls, VersionsAndProtocols) {
  TlsRig rig(test_server());
  EXPECT_EQ(shake(rig.tls_port, TLS1_3_VERSION, "\x08http/1.1"), "TLSv1.3 http/1.1");
  EXPECT_EQ(shake(rig.tls_port, TLS1_2_VERSION, "\x02h2\x08http/1.1"), "TLSv1.2 http/1.1");
  EXPECT_EQ(shake(rig.tls_port, TLS1_3_VERSION, ""), "TLSv1.3 ");
  EXPECT_EQ(shake(rig.tls_port, TLS1_1_VERSION, ""), "");
  EXPECT_EQ(shake(rig.tls_port, TLS1_3_VERSION, "\x02h2"), "");
}

// HKDF-Expand-Label (RFC 8446 section 7.1) with SHA-256.
std::string expand_label(const std::string& secret, std::string label, std::size_t size) {
  std::string out(size, '\0'), prefix = "tls13 ", digest = "SHA256", mode = "EXPAND_ONLY",
                               key = secret;
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "TLS13-KDF", nullptr);
  EVP_KDF_CTX* ctx = EVP_KDF_CTX_new(kdf);
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string("digest", digest.data(), 0),
      OSSL_PARAM_construct_utf8_string("mode", mode.data(), 0),
      OSSL_PARAM_construct_octet_string("key", key.data(), key.size()),
      OSSL_PARAM_construct_octet_string("prefix", prefix.data(), prefix.size()),
      OSSL_PARAM_construct_octet_string("label", label.data(), label.size()),
      OSSL_PARAM_construct_end()};
  EXPECT_EQ(EVP_KDF_derive(ctx, reinterpret_cast<unsigned char*>(out.data()), size, params), 1);
  EVP_KDF_CTX_free(ctx);
  EVP_KDF_free(kdf);
  return out;
}

// A TLS 1.3 record (RFC 8446 section 5.2) under a traffic secret, by AES-128-GCM.
std::string sealed_record(const std::string& secret, std::string_view content, char type,
                          std::uint64_t sequence) {
  const auto u = [](std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); };
  std::string key = expand_label(secret, "key", 16), iv = expand_label(secret, "iv", 12);
  for (std::size_t i = 0; i < 8; ++i)
    iv[11 - i] = static_cast<char>(iv[11 - i] ^ static_cast<char>(sequence >> (8 * i) & 0xff));
  std::string plain(content);
  plain += type;
  const std::size_t size = plain.size() + 16;
  std::string head{'\x17', '\x03', '\x03', static_cast<char>(size >> 8), static_cast<char>(size)};
  std::string sealed(plain.size(), '\0'), tag(16, '\0');
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  int n = 0;
  EXPECT_EQ(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), nullptr, u(key), u(iv)), 1);
  EXPECT_EQ(EVP_EncryptUpdate(ctx, nullptr, &n, u(head), static_cast<int>(head.size())), 1);
  EXPECT_EQ(EVP_EncryptUpdate(ctx, u(sealed), &n, u(plain), static_cast<int>(plain.size())), 1);
  EXPECT_EQ(EVP_EncryptFinal_ex(ctx, u(sealed) + n, &n), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, u(tag)), 1);
  EVP_CIPHER_CTX_free(ctx);
  return head + sealed + tag;
}

// A peer that decides by itself how its records are cut and what travels together.
class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : sock_(Sock::tcp(port)), out_(BIO_new(BIO_s_mem())) {
    // Its first flight is made before there is a socket to wait at for an answer.
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), out_);
    SSL_set_connect_state(ssl_.get());
    SSL_set_ciphersuites(ssl_.get(), "TLS_AES_128_GCM_SHA256");
    SSL_set_app_data(ssl_.get(), this);
    SSL_CTX_set_keylog_callback(context_.get(), [](const SSL* ssl, const char* line) {
      constexpr std::string_view kLabel = "CLIENT_TRAFFIC_SECRET_0 ";
      const std::string_view text(line);
      if (!text.starts_with(kLabel)) return;
      const auto secret = codec::decode_hex(text.substr(text.rfind(' ') + 1));
      static_cast<RawPeer*>(SSL_get_app_data(ssl))->secret_ = secret.value_or("");
    });
    EXPECT_LE(SSL_do_handshake(ssl_.get()), 0);
    flush(1 << 16);
    SSL_set0_rbio(ssl_.get(), BIO_new_socket(sock_.fd(), BIO_NOCLOSE));
    EXPECT_EQ(SSL_do_handshake(ssl_.get()), 1);
    flush(1 << 16);
  }
  SSL* ssl() { return ssl_.get(); }
  // Puts a record of its own making behind the `written` that OpenSSL has made: what no honest
  // client says. TLS_AES_128_GCM_SHA256 alone.
  void forge(std::string_view handshake_bytes, std::uint64_t written) {
    const std::string record = sealed_record(secret_, handshake_bytes, '\x16', written);
    ASSERT_EQ(BIO_write(out_, record.data(), static_cast<int>(record.size())),
              static_cast<int>(record.size()));
  }
  // Nothing leaves before flush().
  void write(std::string_view text) {
    ASSERT_EQ(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())),
              static_cast<int>(text.size()));
  }
  void flush(std::size_t step) {
    char* data = nullptr;
    const auto size = static_cast<std::size_t>(BIO_get_mem_data(out_, &data));
    const std::string all(data, size);
    (void)BIO_reset(out_);
    for (std::size_t at = 0; at < all.size(); at += step) sock_.send(all.substr(at, step));
  }
  std::string read_until(std::string_view end) {
    std::string got;
    char piece[4096];
    while (!got.ends_with(end)) {
      const int n = SSL_read(ssl_.get(), piece, sizeof piece);
      if (n <= 0) break;
      got.append(piece, static_cast<std::size_t>(n));
    }
    return got;
  }

 private:
  struct Free {
    void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
    void operator()(SSL* p) const { SSL_free(p); }
  };
  Sock sock_;
  std::unique_ptr<SSL_CTX, Free> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, Free> ssl_{SSL_new(context_.get())};
  BIO* out_;  // the session's
  std::string secret_;
};

constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

TEST(Tls, RecordsMayBeCutAnywhere) {
  TlsRig rig(test_server());
  RawPeer peer(rig.tls_port);
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{100}}) {
    peer.write(kPost.substr(0, 30));  // two records, so that they are cut across too
    peer.write(kPost.substr(30));
    peer.flush(step);
    EXPECT_THAT(peer.read_until("hello"), HasSubstr("200 OK"));
  }
}

TEST(Tls, ManyRecordsInOneFlight) {
  TlsRig rig(test_server());
  RawPeer peer(rig.tls_port);
  peer.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
  for (int i = 0; i < 300; ++i) peer.write(std::string(1000, 'z'));
  peer.write(kPost);  // and the next request right behind it
  peer.flush(1 << 20);
  const std::string got = peer.read_until("tls -hello");
  EXPECT_EQ(std::ranges::count(got, 'z'), 300'000);
  EXPECT_EQ(rig.server.stats().handled, 2U);
}

TEST(Tls, KeysMayChange) {
  TlsRig rig(test_server());
  RawPeer peer(rig.tls_port);
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    peer.write(kPost);
    peer.flush(3);
    EXPECT_THAT(peer.read_until("hello"), HasSubstr("200 OK"));
  }
}

// A whole message of a client's own making is taken: the forging works. KeyUpdate, not requested
// (RFC 8446 section 4.6.3).
TEST(Tls, AForgedRecordIsReadAsAnyOther) {
  TlsRig rig(test_server());
  RawPeer peer(rig.tls_port);
  peer.write(kPost);
  peer.forge(std::string_view("\x18\x00\x00\x01\x00", 5), 1);
  peer.flush(1 << 16);
  EXPECT_THAT(peer.read_until("hello"), HasSubstr("200 OK"));
}

// It would hold every write until its other half comes, which is the client's to decide.
TEST(Tls, HalfAMessageOfTheProtocolEndsTheConnection) {
  TlsRig rig(test_server());
  RawPeer peer(rig.tls_port);
  peer.write(kPost);
  peer.forge(std::string_view("\x18\x00\x00\x01", 4), 1);  // KeyUpdate without its body
  peer.flush(1 << 16);
  EXPECT_EQ(peer.read_until("hello"), "");
  EXPECT_EQ(rig.server.stats().handled, 1U);
  EXPECT_TRUE(eventually([&] { return rig.server.stats().connections == 0; }));
  RawPeer other(rig.tls_port);
  other.write(kPost);
  other.flush(1 << 16);
  EXPECT_THAT(other.read_until("hello"), HasSubstr("200 OK"));
}

TEST(Tls, WhoSaysGoodbyeWithItsRequestIsAnswered) {
  TlsRig rig(test_server());
  RawPeer peer(rig.tls_port);
  peer.write(kPost);
  SSL_shutdown(peer.ssl());
  peer.flush(1 << 16);
  // Our side of the stream is still open (RFC 8446 section 6.1).
  SSL_set_shutdown(peer.ssl(), 0);
  EXPECT_THAT(peer.read_until("hello"), HasSubstr("200 OK"));
}

rt::Co<void> pooled(std::uint16_t port, TlsClient tls, Client::Stats* stats) {
  Client client(co_await rt::this_executor(), testing::real_clock(), std::move(tls));
  for (int i = 0; i < 3; ++i) {
    auto ex = co_await client.open({Origin::Kind::kHttps, "127.0.0.1", port},
                                   {"GET", "/", {}, http::Version::k11}, {},
                                   rt::Deadline::in(testing::real_clock(), 5s));
    EXPECT_TRUE(ex);
    EXPECT_TRUE(co_await ex->head());
    EXPECT_EQ((co_await ex->read_body(100)).value_or("?"), "tls -");
  }
  *stats = client.stats();
}

TEST(Tls, ConnectionsArePooled) {
  TlsRig rig(test_server());
  Client::Stats stats;
  rt::block_on(pooled(rig.tls_port, *TlsClient::with_roots_pem(test_ca().cert_pem), &stats));
  EXPECT_EQ(stats.connected, 1U);
  EXPECT_EQ(stats.reused, 2U);
}

// An end without close_notify is a truncation, where only the end says that the body is whole.
TEST(Tls, TruncatedStreamsAreNotWhole) {
  testing::FakeUpstream up([](Sock& sock, int n) {
    SSL_CTX* ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(ctx, test_server().cert);
    SSL_CTX_use_PrivateKey(ctx, test_server().key);
    SSL* ssl = SSL_new(ctx);
    SSL_set_fd(ssl, sock.fd());
    if (SSL_accept(ssl) == 1) {
      char in[4096];
      SSL_read(ssl, in, sizeof in);
      constexpr std::string_view kReply = "HTTP/1.1 200 OK\r\n\r\nhalf";
      SSL_write(ssl, kReply.data(), static_cast<int>(kReply.size()));
      if (n == 1) SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
  });
  const auto trusting = *TlsClient::with_roots_pem(test_ca().cert_pem);
  const std::string url = "https://127.0.0.1:" + std::to_string(up.port()) + "/";
  EXPECT_EQ(ask(url, trusting), "connection lost");
  EXPECT_EQ(ask(url, trusting), "half");
}

}  // namespace
}  // namespace stint::net
