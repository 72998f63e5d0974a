#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "../jose/jose_test_util.h"
#include "gateway_for_test.h"
#include "stint/jose/access_token.h"

// What strangers offer in the place of a token or of its proof: each with the exact refusal, the
// exact challenge, no decision, and an upstream that saw nothing.
namespace stint::gateway::testing {

using jose::testing_util::forge;
using jose::testing_util::with;

inline constexpr std::string_view kTicket = "/u/desk/tickets/7";

// JSON of lists in lists.
inline std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

class Hostile : public GatewayTest {
 public:
  void SetUp() override {
    GatewayTest::SetUp();
    ours = testkit::must_have(edge->keys->signing_key(crypto::Alg::kES256));
    good = desk->token->token;
    const auto jws = testkit::must_have(jose::parse_compact(good));
    payload = jws.payload();
    header = R"({"typ":"at+jwt","alg":"ES256","kid":")" + ours->kid + "\"}";
  }
  // A token that only we could have signed, with one member changed; "" takes it away.
  std::string headed(std::string_view member, std::string_view value) const {
    return forge(with(header, member, value), payload, ours->key);
  }
  std::string claiming(std::string_view member, std::string_view value) const {
    return forge(header, with(payload, member, value), ours->key);
  }
  std::string in(std::string text, std::string_view from, std::string_view to) const {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
  }

  // A proof for the good token, with one member changed.
  json::Object proof_claims() {
    return {{"jti", edge->fresh_id()},
            {"htm", "GET"},
            {"htu", std::string(testkit::kGateway) + std::string(kTicket)},
            {"iat", unix_seconds(edge->clock.wall())},
            {"ath", codec::encode_base64url(crypto::view(crypto::sha256(good)))},
            {"nonce", edge->gate.nonce(edge->clock.wall())}};
  }
  std::string proof_header(const crypto::PrivateKey& key) const {
    return R"({"typ":"dpop+jwt","alg":"ES256","jwk":)" +
           json::write(jose::bare_json(key.public_key())) + "}";
  }
  std::string proof_headed(std::string_view member, std::string_view value) {
    return forge(with(proof_header(key()), member, value), json::write(proof_claims()), key());
  }
  std::string proof_claiming(std::string_view member, std::string_view value) {
    return forge(proof_header(key()), with(json::write(proof_claims()), member, value), key());
  }

  // Sends it, and says how that went.
  void refused(const Ask& ask, std::string_view token, std::string_view error,
               std::string_view reason, std::string_view signal) {
    const Answer got = send(ask, token);
    EXPECT_EQ(got.status, 401U) << got.body;
    EXPECT_EQ(got.reason(), reason);
    EXPECT_EQ(got.header("Content-Type"), "application/problem+json");
    std::string challenge = "DPoP realm=\"stint\"";
    if (!error.empty())
      challenge += ", error=\"" + std::string(error) + "\", error_description=\"" +
                   std::string(reason) + '"';
    EXPECT_EQ(got.header("WWW-Authenticate"),
              challenge + R"(, algs="ES256 RS256 EdDSA PS256 Ed25519")");
    EXPECT_NE(got.header("DPoP-Nonce"), "");
    EXPECT_EQ(upstream.calls(), 0);
    // The same signal about one task is written once a second, and here time stands still.
    if (!signal.empty()) signals.insert(std::string(signal));
    const auto seen = edge->signals();
    EXPECT_EQ(std::set(seen.begin(), seen.end()), signals);
  }
  void TearDown() override {
    EXPECT_EQ(decisions(), 0U);
    EXPECT_EQ(edge->count("credential.released"), 0U);
    EXPECT_EQ(send({}).status, 200U);  // after all of it the good one is as good as before
    GatewayTest::TearDown();
  }

  std::optional<keys::SigningKey> ours;
  std::string good, header, payload;
  std::set<std::string> signals;
};

}  // namespace stint::gateway::testing
