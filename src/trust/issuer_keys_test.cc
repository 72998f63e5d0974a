// Where the keys of an issuer come from, and how often they are asked for.
#include "stint/trust/issuer_keys.h"

#include <gtest/gtest.h>

#include <map>

#include "stint/crypto/system_entropy.h"
#include "stint/rt/runtime.h"
#include "stint/testkit/manual_clock.h"

namespace stint::trust {
namespace {

using namespace std::chrono_literals;

struct Web {
  std::map<std::string, http::Response> pages;
  std::vector<std::string> asked;
  bool down = false;
};

rt::Co<Result<http::Response>> get(Web* web, std::string url) {
  web->asked.push_back(url);
  co_await rt::sleep_for(1ms);  // so that others come while it is under way
  if (web->down) co_return fail(Errc::kUnavailable, "cannot be reached");
  const auto at = web->pages.find(url);
  if (at == web->pages.end()) co_return http::Response{.status = 404, .headers = {}, .body = {}};
  co_return at->second;
}

rt::Co<void> ask_into(IssuerKeys* keys, resource::Issuer issuer, int* good) {
  if (co_await keys->keys_of(issuer)) ++*good;
}
rt::Co<void> many(IssuerKeys* keys, resource::Issuer issuer, int n, int* good) {
  const auto executor = co_await rt::this_executor();
  for (int i = 0; i < n; ++i) rt::spawn(executor, ask_into(keys, issuer, good));
  while (*good < n) co_await rt::sleep_for(1ms);
}

class IssuerKeysTest : public testing::Test {
 protected:
  IssuerKeysTest() { serve("k1"); }
  void page(std::string url, std::string body, unsigned status = 200) {
    web.pages[std::move(url)] = {.status = status, .headers = {}, .body = std::move(body)};
  }
  void serve(const std::string& kid) {
    const auto key = crypto::PrivateKey::generate(crypto::Alg::kES256, entropy);
    page("https://idp.test/.well-known/openid-configuration",
         R"({"issuer":"https://idp.test","jwks_uri":"https://keys.idp.test/jwks"})");
    page("https://keys.idp.test/jwks",
         jose::JwkSet::of({{key->public_key(), crypto::Alg::kES256, kid}})->to_json());
  }
  Result<std::shared_ptr<const jose::JwkSet>> ask(Want want = Want::kAny) {
    return rt::block_on(keys.keys_of(issuer, want));
  }
  void refused(std::string_view reason) {
    const auto got = ask();
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), reason);
    clock.advance(31s);
  }

  crypto::SystemEntropy entropy;
  testkit::ManualClock clock;
  Web web;
  IssuerKeys keys{clock, [this](std::string url) { return get(&web, std::move(url)); }};
  resource::Issuer issuer{.name = "idp", .url = "https://idp.test", .audiences = {"stint"}};
};

TEST_F(IssuerKeysTest, FindsAndKeepsThem) {
  const auto first = ask();
  ASSERT_TRUE(first.has_value()) << first.error().reason.text();
  EXPECT_TRUE((*first)->has_kid("k1"));
  EXPECT_EQ(web.asked,
            (std::vector<std::string>{"https://idp.test/.well-known/openid-configuration",
                                      "https://keys.idp.test/jwks"}));
  clock.advance(599s);
  EXPECT_EQ(*ask(), *first);
  EXPECT_EQ(web.asked.size(), 2U);
  clock.advance(1s);
  ASSERT_TRUE(ask());
  EXPECT_EQ(web.asked.size(), 4U);
}

TEST_F(IssuerKeysTest, AnUnknownKeyRefreshesAtMostEvery30Seconds) {
  ASSERT_TRUE(ask());
  serve("k2");
  EXPECT_FALSE((*ask(Want::kNewer))->has_kid("k2"));  // just asked
  EXPECT_EQ(web.asked.size(), 2U);
  clock.advance(30s);
  EXPECT_TRUE((*ask(Want::kNewer))->has_kid("k2"));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(ask(Want::kNewer));
  EXPECT_EQ(web.asked.size(), 4U);
}

TEST_F(IssuerKeysTest, ManyAskersShareOneFetch) {
  int good = 0;
  rt::block_on(many(&keys, issuer, 50, &good));
  EXPECT_EQ(good, 50);
  EXPECT_EQ(web.asked.size(), 2U);
}

TEST_F(IssuerKeysTest, AnIssuerThatIsDownIsBelievedForAWhileAndAskedSeldom) {
  ASSERT_TRUE(ask());
  web.down = true;
  clock.advance(601s);
  EXPECT_TRUE(ask());
  EXPECT_EQ(web.asked.size(), 3U);
  EXPECT_TRUE(ask());
  EXPECT_EQ(web.asked.size(), 3U);
  clock.advance(3600s);
  const auto gone = ask();
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, Errc::kUnavailable);
}

TEST_F(IssuerKeysTest, RefusesWhatItCannotTrust) {
  const std::string config = "https://idp.test/.well-known/openid-configuration";
  page(config, R"({"issuer":"https://evil.test","jwks_uri":"https://keys.idp.test/jwks"})");
  refused("issuer metadata names another issuer");
  page(config, R"({"issuer":"https://idp.test/","jwks_uri":"https://keys.idp.test/jwks"})");
  refused("issuer metadata names another issuer");  // byte for byte
  page(config, R"({"issuer":"https://idp.test","jwks_uri":"http://keys.idp.test/jwks"})");
  refused("issuer keys need https");
  page(config, R"({"issuer":"https://idp.test","jwks_uri":"http://127.0.0.1/jwks"})");
  refused("issuer keys need https");  // only for an issuer that is there itself
  page(config, R"({"issuer":"https://idp.test"})");
  refused("json member missing");
  page(config, R"({"issuer":"https://idp.test","issuer":"https://idp.test"})");
  refused("json duplicate key");
  page(config, "", 302);
  refused("issuer answered with an error");  // no redirect is followed
  page(config, std::string(256 * 1024 + 1, ' '));
  refused("issuer document too large");
  serve("k1");
  page("https://keys.idp.test/jwks", R"({"keys":"none"})");
  refused("json member type");
  issuer.url = "http://idp.test";
  refused("issuer keys need https");
  serve("k1");
  issuer.url = "https://idp.test";
  EXPECT_TRUE(ask());
}

TEST_F(IssuerKeysTest, LoopbackMayBePlain) {
  const auto key = crypto::PrivateKey::generate(crypto::Alg::kES256, entropy);
  page("http://127.0.0.1:9/.well-known/openid-configuration",
       R"({"issuer":"http://127.0.0.1:9/","jwks_uri":"http://127.0.0.1:9/jwks"})");
  page("http://127.0.0.1:9/jwks",
       jose::JwkSet::of({{key->public_key(), crypto::Alg::kES256, "k"}})->to_json());
  issuer.url = "http://127.0.0.1:9/";
  EXPECT_TRUE(ask());
}

TEST_F(IssuerKeysTest, DeclaredKeysAreNotFetched) {
  const auto key = crypto::PrivateKey::generate(crypto::Alg::kES256, entropy);
  issuer.jwks = jose::JwkSet::of({{key->public_key(), crypto::Alg::kES256, "own"}})->to_json();
  const auto got = ask(Want::kNewer);
  ASSERT_TRUE(got.has_value());
  EXPECT_TRUE((*got)->has_kid("own"));
  EXPECT_TRUE(web.asked.empty());
}

}  // namespace
}  // namespace stint::trust
