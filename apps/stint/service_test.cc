// What stint.yaml says reaches the parts that it is about.
#include "service.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "stint/codec/json.h"
#include "stint/crypto/system_entropy.h"
#include "stint/jose/dpop.h"
#include "stint/net/client.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/temp_dir.h"

namespace stint::cli {
namespace {

using namespace std::chrono_literals;

template <class T>
T must(Result<T> r) {
  if (!r) std::abort();  // the test cannot go on; a debugger shows r.error()
  return *std::move(r);
}

// A service as `stint serve` opens it with this variable, on free ports, and one stranger's key.
class Served {
 public:
  explicit Served(const resource::Environment& variables) {
    auto config = resource::parse_config(
        resource::File{"stint.yaml",
                       "listen: {control: \"127.0.0.1:0\", gateway: \"127.0.0.1:0\", "
                       "operations: \"127.0.0.1:0\"}\n"},
        variables);
    if (!config) std::abort();
    auto opened = Service::open({.config = *std::move(config), .home = home.path(), .version = "t"},
                                clock, entropy);
    if (!opened || !(*opened)->start()) std::abort();
    service = *std::move(opened);
  }

  // What the token endpoint says to a proof that was made so long ago.
  std::string to_a_proof_aged(std::chrono::seconds age) {
    const std::string url = service->addresses().issuer + "/oauth/token";
    const std::string proof = must(jose::make_proof(key, {.method = "POST",
                                                          .htu = url,
                                                          .now = clock.wall() - age,
                                                          .jti = std::to_string(++proofs),
                                                          .access_token = {},
                                                          .nonce = {}}));
    const auto got = must(net::simple_request(
        clock,
        {.method = "POST",
         .url = url,
         .unix_socket = {},
         .headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"DPoP", proof}},
         .body = "grant_type=client_credentials"},
        must(net::TlsClient::system_roots())));
    const auto body = must(json::parse_object(got.body));
    return std::to_string(got.status) + ' ' + std::string(must(json::string_at(body, "error"))) +
           ' ' + std::string(must(json::string_at(body, "error_description")).substr(0, 16));
  }

 private:
  testkit::TempDir home;
  testkit::ManualClock clock;
  crypto::SystemEntropy entropy;
  crypto::PrivateKey key = must(crypto::PrivateKey::generate(crypto::Alg::kES256, entropy));
  std::unique_ptr<Service> service;
  int proofs = 0;
};

// The nonce is looked at after the age: whoever is asked for one was young enough.
constexpr const char* kTooOld = "400 invalid_dpop_proof dpop iat too old";
constexpr const char* kYoungEnough = "400 use_dpop_nonce dpop nonce: repe";

TEST(Service, ProofsGrowAsOldAsTheConfigurationSays) {
  Served by_default({});
  EXPECT_EQ(by_default.to_a_proof_aged(60s), kYoungEnough);
  EXPECT_EQ(by_default.to_a_proof_aged(61s), kTooOld);
  Served strict({{"STINT_TOKENS__DPOP_MAX_AGE", "5s"}});
  EXPECT_EQ(strict.to_a_proof_aged(5s), kYoungEnough);
  EXPECT_EQ(strict.to_a_proof_aged(7s), kTooOld);
  Served lax({{"STINT_TOKENS__DPOP_MAX_AGE", "300s"}});
  EXPECT_EQ(lax.to_a_proof_aged(299s), kYoungEnough);
  EXPECT_EQ(lax.to_a_proof_aged(302s), kTooOld);
}

}  // namespace
}  // namespace stint::cli
