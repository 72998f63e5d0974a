// What stint.yaml says reaches the parts that it is about.
#include "service.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "../../src/keys/softhsm_for_test.h"
#include "root_key.h"
#include "stint/audit/event.h"
#include "stint/codec/json.h"
#include "stint/crypto/system_entropy.h"
#include "stint/jose/client_assertion.h"
#include "stint/jose/dpop.h"
#include "stint/jose/jwk.h"
#include "stint/keys/key_ring.h"
#include "stint/net/client.h"
#include "stint/store/store.h"
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
    const auto got = to_token_endpoint("grant_type=client_credentials", age);
    const auto body = must(json::parse_object(got.body));
    return std::to_string(got.status) + ' ' + std::string(must(json::string_at(body, "error"))) +
           ' ' + std::string(must(json::string_at(body, "error_description")).substr(0, 16));
  }

  // The stranger's key becomes that of an agent.
  void register_agent() {
    const json::Object trust{
        {"kind", "private_key_jwt"},
        {"jwks", must(jose::JwkSet::of({{key.public_key(), crypto::Alg::kES256, "k"}})).to_json()}};
    const json::Object group{{"kind", "group"},
                             {"body", json::Object{{"name", "g"}, {"description", ""}}}};
    const json::Object agent{{"kind", "agent"},
                             {"body", json::Object{{"name", "coder"},
                                                   {"owner", "g"},
                                                   {"description", ""},
                                                   {"status", "active"},
                                                   {"environment", ""},
                                                   {"labels", json::Array{}},
                                                   {"trust", json::Array{trust}}}}};
    const auto got =
        send({.method = "PUT",
              .url = service->addresses().issuer + "/v1/resources",
              .unix_socket = service->addresses().socket,
              .headers = {{"Content-Type", "application/json"}, {"If-Match", "*"}},
              .body = json::write(json::Object{{"resources", json::Array{group, agent}}})});
    ASSERT_EQ(got.status, 200U) << got.body;
  }
  std::string refresh_in_vain() {
    if (nonce.empty())
      nonce = to_token_endpoint("grant_type=client_credentials", 0s)
                  .headers.one("DPoP-Nonce")
                  .value_or("none");
    const std::string& issuer = service->addresses().issuer;
    const auto got = to_token_endpoint(
        "grant_type=refresh_token&refresh_token=x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth"
        "%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=" +
            must(jose::make_client_assertion(key, "k", "coder", issuer, std::to_string(++proofs),
                                             clock.wall(), 60s)),
        0s);
    return std::string(must(json::string_at(must(json::parse_object(got.body)), "error")));
  }
  // Goes down in order; what its log says then.
  std::vector<audit::AnyEvent> log_after_stop() {
    EXPECT_TRUE(service->stop());
    service.reset();
    const auto store = must(store::Store::open({.path = home.file("stint.db")}, clock));
    std::vector<audit::AnyEvent> out;
    for (const auto& e : must(store->events(0, 1000)))
      out.push_back(must(audit::parse(e.bytes)).event);
    store->stop();
    return out;
  }

  std::string get(const std::string& path) {
    return send({.url = service->addresses().issuer + path}).body;
  }
  // Returns the state directory, which nobody uses any more.
  std::string stop() {
    EXPECT_TRUE(service->stop());
    service.reset();
    return home.path();
  }

 private:
  http::Response send(net::SimpleRequest request) {
    return must(
        net::simple_request(clock, std::move(request), must(net::TlsClient::system_roots())));
  }
  http::Response to_token_endpoint(std::string body, std::chrono::seconds age) {
    const std::string url = service->addresses().issuer + "/oauth/token";
    const std::string proof = must(jose::make_proof(key, {.method = "POST",
                                                          .htu = url,
                                                          .now = clock.wall() - age,
                                                          .jti = std::to_string(++proofs),
                                                          .access_token = {},
                                                          .nonce = nonce}));
    return send(
        {.method = "POST",
         .url = url,
         .unix_socket = {},
         .headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"DPoP", proof}},
         .body = std::move(body)});
  }

  testkit::TempDir home;
  testkit::ManualClock clock;
  crypto::SystemEntropy entropy;
  crypto::PrivateKey key = must(crypto::PrivateKey::generate(crypto::Alg::kES256, entropy));
  std::unique_ptr<Service> service;
  int proofs = 0;
  std::string nonce;  // "": none in the proofs
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

// What was counted, in a while that is not over, is told before the service says that it stops.
TEST(Service, TellsWhatItCountedBeforeItStops) {
  Served served({});
  served.register_agent();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(served.refresh_in_vain(), "invalid_grant");
  const auto log = served.log_after_stop();
  ASSERT_GE(log.size(), 2U);
  const auto* told = std::get_if<audit::DecisionsRepeated>(&log[log.size() - 2]);
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(told->agent, "coder");
  EXPECT_EQ(told->reason, "not a handle");
  EXPECT_EQ(told->count, 2);
  EXPECT_TRUE(std::holds_alternative<audit::ServerStopped>(log.back()));
}

// --- root_key: source pkcs11 ---
class FromToken : public testing::Test {
 protected:
  void SetUp() override {
    keys::testing::make_softhsm_in(space.path());
    std::ofstream(pin_file) << keys::testing::kPin << "\n";
    ::chmod(pin_file.c_str(), 0600);
  }
  resource::Environment variables() const {
    return {{"STINT_ROOT_KEY__SOURCE", "pkcs11"},
            {"STINT_ROOT_KEY__URI", keys::testing::kUri},
            {"STINT_ROOT_KEY__MODULE", keys::testing::kModule},
            {"STINT_ROOT_KEY__PIN_FILE", pin_file}};
  }
  testkit::TempDir space;
  std::string pin_file = space.file("pin-test");
};

TEST_F(FromToken, AServiceComesUpAndComesUpAgain) {
  Served first(variables());
  EXPECT_NE(first.get("/oauth/jwks").find("ES256"), std::string::npos);
  const std::string home = first.stop();
  EXPECT_FALSE(std::ifstream(home + "/root.key").good()) << "no key lies on the disk";

  auto config = resource::parse_config({}, variables());
  ASSERT_TRUE(config.has_value());
  testkit::ManualClock clock;
  crypto::SystemEntropy entropy;
  auto store = must(store::Store::open({.path = home + "/stint.db"}, clock));
  const auto root = take_root_key(config->root_key, home, *store, entropy);
  ASSERT_TRUE(root.has_value()) << root.error().reason;
  EXPECT_TRUE(keys::KeyRing::open(*store, *root, "127.0.0.1", entropy, clock.wall()).has_value());
}

TEST_F(FromToken, WhatIsWrongIsSaidAndEndsWithOne) {
  std::ofstream(pin_file, std::ios::trunc) << "wrong-test-pin";
  auto config = resource::parse_config({}, variables());
  ASSERT_TRUE(config.has_value());
  const testkit::TempDir home;
  testkit::ManualClock clock;
  crypto::SystemEntropy entropy;
  auto store = must(store::Store::open({.path = home.file("stint.db")}, clock));
  const auto root = take_root_key(config->root_key, home.path(), *store, entropy);
  ASSERT_FALSE(root.has_value());
  EXPECT_EQ(root.error().title, "cannot take the root key");
  EXPECT_EQ(root.error().reason, "the PKCS#11 PIN is wrong");
  EXPECT_EQ(root.error().exit, Exit::kRefused);
}

}  // namespace
}  // namespace stint::cli
