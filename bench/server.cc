// The server of P3 and P5: one event loop with TLS 1.3, clients' certificates asked for.
//
//   GET /u/plain/tickets/N    authorizes (token, binding, live task, policy, record): 204
//   GET /u/vendor/tickets/N   the gateway as it is: authorizes, injects, forwards, records
//
// Prints the port and a token for each kind of binding, then serves until its input closes; prints
// what it permitted and recorded.
#include "stint/net/server.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "lib/measure.h"
#include "lib/world.h"
#include "stint/codec/base64.h"
#include "stint/codec/base64url.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/hot_keys.h"
#include "stint/gateway/gateway.h"
#include "stint/jose/jwk.h"
#include "stint/net/tls.h"
#include "stint/opening/opener.h"
#include "stint/rt/runtime.h"
#include "stint/trust/issuer_keys.h"

namespace stint::bench {
namespace {

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// SHA-256 of the first certificate of a PEM file (RFC 8705 section 3.1).
std::string thumbprint_of(const std::string& path) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  const std::string pem = read_all(path);
  const auto begin = pem.find(kBegin), end = pem.find("-----END");
  if (begin == std::string::npos || end == std::string::npos) no_figure("no certificate");
  std::string text = pem.substr(begin + kBegin.size(), end - begin - kBegin.size());
  std::erase(text, '\n');
  return codec::encode_base64url(
      crypto::view(crypto::sha256(must(codec::decode_base64(text), "certificate"))));
}

rt::Co<Result<http::Response>> no_network(std::string) {
  co_return fail(Errc::kUnavailable, "no network here");
}

class Handler {
 public:
  Handler(World& world, proof::Gate& gate, gateway::Gateway& gateway)
      : gate_(gate), authorize_(world, gate), clock_(world.clock), gateway_(gateway) {}

  rt::Co<void> operator()(net::Exchange& ex) {
    const std::string& target = ex.head().target;
    constexpr std::string_view kPlain = "/u/plain";
    if (!target.starts_with(kPlain)) {
      co_await gateway_.handle(ex);
      co_return;
    }
    const std::string htu = std::string(kGateway) + target;
    const auto verdict = co_await authorize_(ex.head(), ex.peer(), "plain", htu,
                                             std::string_view(target).substr(kPlain.size()));
    if (verdict && verdict->permit) {
      ++permitted;
      [[maybe_unused]] const auto sent =
          co_await ex.respond_raw("HTTP/1.1 204 No Content\r\nServer: stint\r\n\r\n");
      co_return;
    }
    http::Response refused{.status = 401};
    refused.headers.set("DPoP-Nonce", gate_.nonce(clock_.wall()));
    [[maybe_unused]] const auto sent = co_await ex.respond(std::move(refused));
  }
  std::uint64_t permitted = 0;  // one loop, one thread

 private:
  proof::Gate& gate_;
  Authorizer authorize_;
  const Clock& clock_;
  gateway::Gateway& gateway_;
};

int run(int argc, char** argv) {
  const std::string certificates = option(argc, argv, "certificates", ".");
  const Scratch scratch(option(argc, argv, "dir", "build/bench"));
  World world({.directory = scratch.path(),
               .vendor_url = "http://127.0.0.1:" + option(argc, argv, "upstream", "1")});
  rt::Runtime runtime(1);
  proof::Gate gate(world.entropy);
  crypto::HotKeys tables;
  if (option(argc, argv, "tables", "no") == "yes")
    gate.on_hot_key([&](const crypto::PublicKey& key) { must(tables.build(key), "table"); });
  trust::IssuerKeys issuers(world.clock, no_network);
  opening::Opener opener(*world.authority, issuers, world.entropy);
  gateway::Gateway gateway({*world.authority, gate, opener, runtime, world.clock});
  Handler handler(world, gate, gateway);
  net::Server server(runtime, world.clock, [&](net::Exchange& ex) { return handler(ex); });
  const auto tls = must(
      net::TlsServer::from_files(certificates + "/server-test.pem",
                                 certificates + "/server-test.key", net::ClientCertificate::kAsked),
      "certificate");
  const auto port = must(server.listen_tcp("127.0.0.1", 0, tls), "listen");
  runtime.start();

  const domain::Binding by_certificate{domain::Binding::Kind::kCertificate,
                                       thumbprint_of(certificates + "/client-test.pem")};
  const auto dpop_key = must(
      crypto::PrivateKey::from_pem(read_all(certificates + "/dpop-test.key"), crypto::Alg::kES256),
      "key");
  const domain::Binding by_proof{domain::Binding::Kind::kDpop,
                                 jose::thumbprint(dpop_key.public_key())};
  std::printf("port %u\n", port);
  for (const char* upstream : {"plain", "vendor"}) {
    std::printf("token certificate-%s %s\n", upstream,
                world.session(by_certificate, upstream).token.c_str());
    std::printf("token dpop-%s %s\n", upstream, world.session(by_proof, upstream).token.c_str());
  }
  std::printf("ready\n");
  std::fflush(stdout);

  // A line asks for the counts; the end of the input ends the server.
  for (std::string line; std::getline(std::cin, line);) {
    const store::Seq events = world.flush();
    std::printf("permitted %lu forwarded %lu events %lu\n", handler.permitted,
                gateway.stats().permitted.load(), events);
    std::fflush(stdout);
  }
  server.stop();
  runtime.stop();
  return 0;
}

}  // namespace
}  // namespace stint::bench

int main(int argc, char** argv) { return stint::bench::run(argc, argv); }
