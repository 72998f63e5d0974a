// RFC 9449 and RFC 8705 at resources; what each refusal reports.
#include "stint/proof/gate.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <functional>

#include "stint/codec/base64url.h"
#include "stint/codec/json.h"
#include "stint/crypto/hot_keys.h"
#include "stint/crypto/system_entropy.h"
#include "stint/jose/client_assertion.h"
#include "stint/testkit/manual_clock.h"

namespace stint::proof {
namespace {

using namespace std::chrono_literals;
constexpr std::string_view kIssuer = "https://stint.test";
constexpr std::string_view kAudience = "https://gate.test/u/git";
constexpr std::string_view kUrl = "https://gate.test/u/git/a/b";

template <class T>
T must(Result<T> r) {
  if (!r) {
    ADD_FAILURE() << r.error().reason.text();
    std::abort();
  }
  return *std::move(r);
}

class GateTest : public testing::Test {
 protected:
  crypto::PrivateKey make_key(crypto::Alg alg = crypto::Alg::kES256) {
    return must(crypto::PrivateKey::generate(alg, entropy));
  }
  std::string fresh_id() { return TokenId::random(entropy).str(); }

  std::string token(jose::Confirmation cnf, std::string_view audience = kAudience) {
    const WallTime now = clock.wall();
    return must(jose::sign_access_token(
        {.iss = std::string(kIssuer),
         .sub = "alice",
         .aud = {std::string(audience)},
         .exp = now + 300s,
         .iat = now,
         .jti = TokenId::random(entropy),
         .client_id = "coder",
         .cnf = std::move(cnf),
         .act = {"agent:coder"},
         .task = {.id = task, .opened = now, .deadline = now + 600s, .reference = {}, .parent = {}},
         .authorization_details =
             R"([{"type":"stint_grant","upstream":"git","actions":["git.fetch"]}])",
         .scope = {},
         .acr = {},
         .auth_time = {}},
        "k", issuer_key));
  }
  std::string bound() { return token({.jkt = jose::thumbprint(key.public_key()), .x5t_s256 = {}}); }

  std::string proof(const crypto::PrivateKey& with, std::string_view access, std::string_view url,
                    std::string_view method = "GET", std::string_view nonce = {},
                    std::chrono::seconds shift = 0s) {
    const std::string jti = fresh_id();
    return must(jose::make_proof(with, {.method = method,
                                        .htu = url,
                                        .now = clock.wall() + shift,
                                        .jti = jti,
                                        .access_token = access,
                                        .nonce = nonce}));
  }
  http::RequestHead head(std::string authorization, std::string dpop) {
    http::RequestHead h{.method = "GET", .target = "/u/git/a/b", .headers = {}};
    if (!authorization.empty()) h.headers.add("Authorization", std::move(authorization));
    if (!dpop.empty()) h.headers.add("DPoP", std::move(dpop));
    return h;
  }
  Outcome<Checked> check(const http::RequestHead& h, const http::Peer& peer = {},
                         NonceRule rule = NonceRule::kNotRequired) {
    return gate.at_resource(h, peer, kUrl, verifier(), kAudience, rule, clock.wall());
  }
  jose::AccessTokenVerifier verifier() const {
    return {std::string(kIssuer), std::string(kIssuer), keys};
  }

  void refused(const Outcome<Checked>& got, std::string_view reason, std::string_view oauth,
               std::string_view signal) {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().error.reason.text(), reason);
    EXPECT_EQ(text(got.error().oauth), oauth);
    EXPECT_EQ(got.error().signal, signal);
  }

  testkit::ManualClock clock;
  crypto::SystemEntropy entropy;
  Gate gate{entropy};
  crypto::PrivateKey issuer_key = make_key(), key = make_key(), thief = make_key();
  TaskId task = TaskId::random(entropy);
  std::shared_ptr<const jose::JwkSet> keys = std::make_shared<const jose::JwkSet>(
      must(jose::JwkSet::of({{issuer_key.public_key(), crypto::Alg::kES256, "k"}})));
};

TEST_F(GateTest, AHolderPassesAndTheTokenIsRemembered) {
  const std::string t = bound();
  for (int i = 0; i < 3; ++i) {
    const auto got = check(head("DPoP " + t, proof(key, t, kUrl)));
    ASSERT_TRUE(got.has_value()) << got.error().error.reason.text();
    EXPECT_EQ(got->task(), task);
    EXPECT_EQ(got->claims().client_id, "coder");
    ASSERT_EQ(got->grants()->size(), 1U);
    EXPECT_EQ(got->grants()->front().upstream, "git");
    EXPECT_FALSE(got->fresh());
  }
  EXPECT_EQ(gate.stats().tokens, 1U);
  EXPECT_EQ(gate.stats().proofs, 3U);
  gate.forget_tokens();
  EXPECT_EQ(gate.stats().tokens, 0U);
  // The scheme has no case, and htu is compared normalised (RFC 9449 3).
  EXPECT_TRUE(check(head("dpop " + t, proof(key, t, "HTTPS://GATE.test:443/u/git/a/%62?q=1"))));
}

TEST_F(GateTest, RememberedTokensStillExpire) {
  const std::string t = bound();
  ASSERT_TRUE(check(head("DPoP " + t, proof(key, t, kUrl))));
  clock.advance(300s);
  refused(check(head("DPoP " + t, proof(key, t, kUrl))), "token expired", "invalid_token", "");
}

TEST_F(GateTest, RememberedTokensStillHaveOneAudience) {
  const std::string t = bound();
  ASSERT_TRUE(check(head("DPoP " + t, proof(key, t, kUrl))));
  const auto got =
      gate.at_resource(head("DPoP " + t, proof(key, t, kUrl)), {}, kUrl, verifier(),
                       "https://gate.test/u/other", NonceRule::kNotRequired, clock.wall());
  refused(got, "token aud", "invalid_token", "wrong-audience");
  EXPECT_FALSE(got.error().hard);
  EXPECT_EQ(got.error().task, task);
}

TEST_F(GateTest, EveryRefusalSaysWhatItMeans) {
  const std::string t = bound();
  const std::string other = bound();
  const std::string assertion = must(
      jose::make_client_assertion(issuer_key, "k", "coder", kIssuer, "jti-1", clock.wall(), 60s));
  struct Row {
    const char* name;
    std::string authorization, dpop;
    std::string_view reason, oauth, signal;
    bool named = true;  // the refusal knows the task
  };
  const Row rows[] = {
      {"nothing", "", "", "no access token", "", "", false},
      {"only_a_proof", "", proof(key, t, kUrl), "no access token", "", "", false},
      {"basic", "Basic eDp5", "", "authorization is neither DPoP nor Bearer", "", "", false},
      {"scheme_alone", "DPoP", "", "authorization is neither DPoP nor Bearer", "", "", false},
      {"scheme_and_space", "DPoP  ", "", "authorization is neither DPoP nor Bearer", "", "", false},
      {"9449_7_bearer_without_proof", "Bearer " + t, "",
       "the token is bound to a key: send it as DPoP with a proof", "invalid_token",
       "proof-missing"},
      {"9449_7_bearer_with_proof", "Bearer " + t, proof(key, t, kUrl),
       "the token is bound to a key: send it as DPoP with a proof", "invalid_token", ""},
      {"no_proof", "DPoP " + t, "", "no DPoP proof", "invalid_dpop_proof", "proof-missing"},
      {"9449_4_other_key", "DPoP " + t, proof(thief, t, kUrl), "dpop key", "invalid_token",
       "key-mismatch"},
      {"9449_4_ath_of_another", "DPoP " + t, proof(key, other, kUrl), "dpop ath",
       "invalid_dpop_proof", "proof-mismatch"},
      {"9449_4_no_ath", "DPoP " + t, proof(key, "", kUrl), "dpop ath", "invalid_dpop_proof", ""},
      {"9449_3_htm", "DPoP " + t, proof(key, t, kUrl, "POST"), "dpop htm", "invalid_dpop_proof",
       "proof-mismatch"},
      {"9449_3_htu", "DPoP " + t, proof(key, t, "https://gate.test/u/git/a"), "dpop htu",
       "invalid_dpop_proof", "proof-mismatch"},
      {"9449_5_old", "DPoP " + t, proof(key, t, kUrl, "GET", {}, -61s), "dpop iat too old",
       "invalid_dpop_proof", "proof-stale"},
      {"9449_5_future", "DPoP " + t, proof(key, t, kUrl, "GET", {}, 31s), "dpop iat in the future",
       "invalid_dpop_proof", ""},
      {"8693_7_assertion_as_token", "DPoP " + assertion, proof(key, assertion, kUrl), "token typ",
       "invalid_token", "", false},
      {"nonsense", "DPoP abc", proof(key, "abc", kUrl), "jws parts", "invalid_token", "", false},
      {"too_large", "DPoP " + std::string(9000, 'a'), proof(key, t, kUrl), "token too large",
       "invalid_token", "", false},
      {"unbound_token", "DPoP " + token({}), proof(key, t, kUrl), "the token is bound to no key",
       "invalid_token", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto got = check(head(row.authorization, row.dpop));
    refused(got, row.reason, row.oauth, row.signal);
    EXPECT_EQ(got.error().task.has_value(), row.named);
    EXPECT_EQ(got.error().agent, row.named ? "coder" : "");
    http::Headers headers;
    gate.challenge(got.error(), clock.wall(), headers);
    std::string challenge = "DPoP realm=\"stint\"";
    if (!row.oauth.empty())
      challenge += ", error=\"" + std::string(row.oauth) + "\", error_description=\"" +
                   std::string(row.reason) + '"';
    EXPECT_EQ(headers.one("WWW-Authenticate"),
              challenge + R"(, algs="ES256 RS256 EdDSA PS256 Ed25519")");
    EXPECT_TRUE(headers.has("DPoP-Nonce"));
  }
  EXPECT_EQ(gate.stats().proofs, 0U);  // nothing that failed is remembered
}

// RFC 9449 7.1: `algs` is what proofs may be signed with: all of that, and nothing else.
TEST_F(GateTest, AChallengeListsTheAlgorithmsOfProofs) {
  http::Headers headers;
  gate.challenge({.error = {Errc::kUnauthenticated, "no access token"}}, clock.wall(), headers);
  const std::string challenge(*headers.one("WWW-Authenticate"));
  EXPECT_TRUE(challenge.ends_with(R"(, algs="ES256 RS256 EdDSA PS256 Ed25519")")) << challenge;
  for (const std::string_view name : jose::alg_names()) {
    SCOPED_TRACE(name);
    const auto holder =
        make_key(name == "Ed25519" ? crypto::Alg::kEdDSA : crypto::parse_alg(name).value());
    const std::string t = token({.jkt = jose::thumbprint(holder.public_key()), .x5t_s256 = {}});
    // The proof that we would make, under this name.
    const std::string made = proof(holder, t, kUrl);
    const auto dot = made.find('.'), last = made.rfind('.');
    json::Object head_of =
        must(json::parse_object(must(codec::decode_base64url(made.substr(0, dot)))));
    head_of["alg"] = name;
    const std::string signing =
        codec::encode_base64url(json::write(head_of)) + made.substr(dot, last - dot);
    const std::string renamed = signing + "." + codec::encode_base64url(must(holder.sign(signing)));
    const auto got = check(head("DPoP " + t, renamed));
    EXPECT_TRUE(got.has_value()) << got.error().error.reason.text();
  }
}

TEST_F(GateTest, HeadersThatComeTwiceAreRefused) {
  const std::string t = bound();
  auto two = head("DPoP " + t, proof(key, t, kUrl));
  two.headers.add("dpop", proof(key, t, kUrl));
  refused(check(two), "more than one DPoP proof", "invalid_dpop_proof", "");
  two = head("DPoP " + t, proof(key, t, kUrl));
  two.headers.add("Authorization", "DPoP " + t);
  refused(check(two), "more than one Authorization header", "invalid_request", "");
}

TEST_F(GateTest, ACapturedProofPassesNowhere) {
  const std::string t = bound();
  const auto h = head("DPoP " + t, proof(key, t, kUrl));
  ASSERT_TRUE(check(h));
  refused(check(h), "proof replayed", "invalid_dpop_proof", "proof-replayed");
  // Nor at an endpoint of another kind (one memory), were it for its URL.
  http::RequestHead at{.method = "GET", .target = "/", .headers = h.headers};
  const auto presenter = gate.at_token_endpoint(at, {}, kUrl, clock.wall());
  ASSERT_FALSE(presenter.has_value());
  EXPECT_EQ(text(presenter.error().oauth), "use_dpop_nonce");
}

TEST_F(GateTest, ANonceIsAskedForByRule) {
  const std::string t = bound();
  const auto without = check(head("DPoP " + t, proof(key, t, kUrl)), {}, NonceRule::kRequired);
  refused(without, "dpop nonce", "use_dpop_nonce", "");
  http::Headers headers;
  gate.challenge(without.error(), clock.wall(), headers);
  EXPECT_TRUE(headers.one("WWW-Authenticate")->contains("error=\"use_dpop_nonce\""));
  const std::string nonce(*headers.one("DPoP-Nonce"));
  const auto with =
      check(head("DPoP " + t, proof(key, t, kUrl, "GET", nonce)), {}, NonceRule::kRequired);
  ASSERT_TRUE(with.has_value());
  EXPECT_TRUE(with->fresh());
}

TEST_F(GateTest, ACertificateBoundTokenNeedsItsCertificate) {
  http::Peer peer{.ip = "192.0.2.1", .tls = true, .certificate = {}, .unix_credentials = {}};
  peer.certificate.emplace().fill(7);
  const std::string t =
      token({.jkt = {}, .x5t_s256 = codec::encode_base64url(crypto::view(*peer.certificate))});
  EXPECT_TRUE(check(head("Bearer " + t, ""), peer));
  EXPECT_TRUE(check(head("Bearer " + t, ""), peer));  // a connection, not a proof: again is fine
  constexpr std::string_view kOther = "the token is bound to another certificate";
  refused(check(head("Bearer " + t, "")), kOther, "invalid_token", "key-mismatch");
  auto thiefs = peer;
  thiefs.certificate->fill(8);
  refused(check(head("Bearer " + t, ""), thiefs), kOther, "invalid_token", "key-mismatch");
  refused(check(head("DPoP " + t, proof(key, t, kUrl)), peer),
          "the token is bound to a certificate: send it as Bearer", "invalid_request", "");
  // And a key-bound token is not satisfied by any certificate.
  refused(check(head("Bearer " + bound(), ""), peer),
          "the token is bound to a key: send it as DPoP with a proof", "invalid_token",
          "proof-missing");
}

TEST_F(GateTest, ThePresenterAtTheTokenEndpoint) {
  http::RequestHead h{.method = "POST", .target = "/oauth/token", .headers = {}};
  const std::string url = "https://stint.test/oauth/token";
  const auto none = gate.at_token_endpoint(h, {}, url, clock.wall());
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().error.reason.text(), "no DPoP proof and no client certificate");
  h.headers.add("DPoP", proof(key, "", url, "POST", gate.nonce(clock.wall())));
  const auto got = gate.at_token_endpoint(h, {}, url, clock.wall());
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->binding().thumbprint, jose::thumbprint(key.public_key()));
  EXPECT_EQ(gate.stats().proofs, 0U);  // not spent before the client is known
  EXPECT_TRUE(gate.spend(*got, clock.wall()));
  const auto again = gate.spend(*got, clock.wall());
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().signal, "proof-replayed");
}

TEST_F(GateTest, AFullMemoryOfProofsRefuses) {
  Gate small(entropy, {.keys = 16, .proofs = 64, .tokens = 16});
  const std::string t = bound();
  std::size_t passed = 0, full = 0;
  for (int i = 0; i < 200; ++i) {
    const auto got = small.at_resource(head("DPoP " + t, proof(key, t, kUrl)), {}, kUrl, verifier(),
                                       kAudience, NonceRule::kNotRequired, clock.wall());
    if (got) {
      ++passed;
    } else {
      ASSERT_EQ(got.error().error.code, Errc::kLimit);
      EXPECT_EQ(got.error().signal, "");
      ++full;
    }
  }
  EXPECT_LE(passed, 64U);
  EXPECT_GT(full, 0U);
}

TEST_F(GateTest, TheAgeOfAProofIsASettingAndTheMemoryFollowsIt) {
  const std::string t = bound();
  const auto at = [&](Gate& g, const http::RequestHead& h) {
    return g.at_resource(h, {}, kUrl, verifier(), kAudience, NonceRule::kNotRequired, clock.wall());
  };
  const auto aged = [&](std::chrono::seconds age) {
    return head("DPoP " + t, proof(key, t, kUrl, "GET", {}, -age));
  };
  Gate strict(entropy, {.proof_age = 5s}), lax(entropy, {.proof_age = 200s});
  EXPECT_TRUE(at(strict, aged(5s)));
  refused(at(strict, aged(6s)), "dpop iat too old", "invalid_dpop_proof", "proof-stale");
  EXPECT_TRUE(at(lax, aged(200s)));
  refused(at(lax, aged(201s)), "dpop iat too old", "invalid_dpop_proof", "proof-stale");
  // Made ahead of our clock, it is good for the age and the leeway: known for all of that time.
  const auto ahead = head("DPoP " + t, proof(key, t, kUrl, "GET", {}, 30s));
  EXPECT_TRUE(at(lax, ahead));
  clock.advance(229s);
  refused(at(lax, ahead), "proof replayed", "invalid_dpop_proof", "proof-replayed");
  const auto endpoint = [&](Gate& g, std::chrono::seconds age) {
    http::RequestHead h{.method = "POST", .target = "/oauth/token", .headers = {}};
    h.headers.add("DPoP", proof(key, "", kUrl, "POST", g.nonce(clock.wall()), -age));
    return g.at_token_endpoint(h, {}, kUrl, clock.wall());
  };
  EXPECT_TRUE(endpoint(lax, 200s));
  EXPECT_TRUE(endpoint(strict, 5s));
  ASSERT_FALSE(endpoint(strict, 6s));
  EXPECT_EQ(endpoint(strict, 6s).error().error.reason.text(), "dpop iat too old");
}

TEST_F(GateTest, TheMemoryOfTokensIsBounded) {
  Gate small(entropy, {.keys = 16, .proofs = 10'000, .tokens = 32});
  for (int i = 0; i < 200; ++i) {
    const std::string t = bound();
    ASSERT_TRUE(small.at_resource(head("DPoP " + t, proof(key, t, kUrl)), {}, kUrl, verifier(),
                                  kAudience, NonceRule::kNotRequired, clock.wall()));
  }
  EXPECT_LE(small.stats().tokens, 32U);
}

TEST_F(GateTest, AKeyThatIsUsedMuchIsHandedOnOnce) {
  if (!crypto::HotKeys::available()) GTEST_SKIP() << "built without tables";
  std::size_t hot = 0;
  gate.on_hot_key([&](const crypto::PublicKey&) { ++hot; });
  const std::string t = bound();
  for (std::uint64_t i = 0; i < crypto::HotKeys::kWorthIt + 10; ++i)
    ASSERT_TRUE(check(head("DPoP " + t, proof(key, t, kUrl))));
  EXPECT_EQ(hot, 1U);
}

TEST(OfferedToken, IsWhatStandsBehindTheScheme) {
  http::RequestHead h{.method = "GET", .target = "/", .headers = {}};
  EXPECT_EQ(offered_token(h), std::nullopt);
  h.headers.set("Authorization", "bearer abc");
  EXPECT_EQ(offered_token(h), "abc");
  h.headers.set("Authorization", "Basic abc");
  EXPECT_EQ(offered_token(h), std::nullopt);
}

}  // namespace
}  // namespace stint::proof
