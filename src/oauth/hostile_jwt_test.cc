// Client assertions, proofs, ID tokens and access tokens that are none (RFC 7523, 9449, 8693, 9068,
// 8725).
#include "hostile_for_test.h"

namespace stint::oauth {
namespace {

TEST_F(HostileTest, ClientAssertions) {
  // Whether there is such a key, or such a signature, is not told apart.
  constexpr std::string_view kFailed = "client authentication failed";
  const Jwt good = apart(edge.assertion(edge.coder), edge.coder.key);
  std::vector<Row> rows = shapes(good, edge.helper.dpop);
  for (Row& row : rows)
    if (row.reason == "signature") row.reason = kFailed;
  for (Row& row : claims(good)) rows.push_back(std::move(row));
  const Row more[] = {
      {"8193_bytes", std::string(8193, 'a'), "jws too large"},
      {"8725_own_jwk",
       good.headed("jwk", json::write(jose::bare_json(edge.helper.dpop.public_key()))), kFailed},
      {"7523_5_alg_of_another_key", good.headed("alg", "\"RS256\""), kFailed},
      {"7523_5_unknown_kid", good.headed("kid", "\"nobody\""), kFailed},
      {"8725_typ_of_an_access_token", good.headed("typ", "\"at+jwt\""), "assertion typ"},
      {"7523_6_typ_of_a_grant", good.headed("typ", "\"oauth-id-jag+jwt\""), "assertion typ"},
      {"7523_1_sub_missing", good.claiming("sub", ""), "assertion sub"},
      {"7523_1_iss_missing", good.claiming("iss", ""), "assertion iss"},
      {"7523_4_exp_text", good.claiming("exp", "\"soon\""), "jwt time"},
      {"7523_4_exp_int64", good.claiming("exp", "9223372036854775807"), "jwt time"},
      {"7523_4_exp_huge", good.claiming("exp", "1e300"), "jwt time"},
      {"7523_4_jti_long", good.claiming("jti", "\"" + std::string(129, 'j') + "\""),
       "assertion jti"},
      {"7523_4_jti_number", good.claiming("jti", "7"), "jwt claim type"},
  };
  rows.insert(rows.end(), std::begin(more), std::end(more));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    for (Ask a : {credentials(edge.coder), about(edge.coder, "introspect", "x"),
                  about(edge.coder, "revoke", "x")}) {
      a.set("client_assertion", row.text);
      const Told told = send(a);
      expect_refused(told, 401, "invalid_client", row.reason);
      EXPECT_FALSE(told.headers.has("WWW-Authenticate"));  // the client used no header
    }
  }
  EXPECT_TRUE(edge.signals().empty());
}

TEST_F(HostileTest, Proofs) {
  const auto& key = edge.coder.dpop;
  const std::string point = json::write(jose::bare_json(key.public_key()));
  const Jwt good = apart(edge.proof(key, "POST", testkit::kTokenUrl), key);
  std::vector<Row> rows = shapes(good, edge.helper.dpop);
  for (Row& row : claims(good)) rows.push_back(std::move(row));
  const Row more[] = {
      {"8193_bytes", std::string(8193, 'a'), "jws too large"},
      {"two_in_one", good.whole() + ", " + good.whole(), "jws parts"},
      {"9449_2_typ_missing", good.headed("typ", ""), "dpop typ"},
      {"9449_2_alg_of_another_key", good.headed("alg", "\"EdDSA\""), "dpop alg"},
      {"9449_2_jwk_missing", good.headed("jwk", ""), "dpop jwk"},
      {"9449_2_jwk_private", good.headed("jwk", with(point, "d", "\"AA\"")), "jwk private member"},
      {"9449_2_jwk_symmetric", good.headed("jwk", R"({"kty":"oct","k":"AAAA"})"),
       "jwk private member"},
      {"jwk_of_another",
       good.headed("jwk", json::write(jose::bare_json(edge.helper.dpop.public_key()))),
       "signature"},
      {"jwk_without_kty", good.headed("jwk", with(point, "kty", "")), "json member missing"},
      {"jwk_other_curve", good.headed("jwk", with(point, "crv", "\"P-384\"")), "jwk crv"},
      {"jwk_cut", good.headed("jwk", with(point, "x", "\"AAAA\"")), "p-256 coordinate size"},
      {"jwk_off_the_curve",
       good.headed("jwk", with(point, "y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"")),
       "p-256 point"},
      {"jwk_padded",
       good.headed("jwk", with(point, "y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"")),
       "base64url alphabet"},
      {"jwk_ed25519_of_small_order",
       good.headed(
           "jwk",
           R"({"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})"),
       "ed25519 point"},
      {"jwk_small_rsa", good.headed("jwk", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"),
       "rsa modulus under 2048 bits"},
      {"jwk_for_encryption", good.headed("jwk", with(point, "use", "\"enc\"")), "jwk use"},
      {"jwk_no_object", good.headed("jwk", "\"key\""), "jws header member"},
      {"9449_3_htm_missing", good.claiming("htm", ""), "dpop htm"},
      {"9449_3_htm_lower_case", good.claiming("htm", "\"post\""), "dpop htm"},
      {"9449_3_htu_missing", good.claiming("htu", ""), "dpop htu"},
      {"9449_3_htu_relative", good.claiming("htu", "\"/oauth/token\""), "dpop htu"},
      {"9449_5_iat_missing", good.claiming("iat", ""), "dpop iat"},
      {"9449_5_iat_text", good.claiming("iat", "\"now\""), "dpop claims"},
      {"9449_5_iat_int64", good.claiming("iat", "9223372036854775807"), "dpop claims"},
      {"9449_5_jti_missing", good.claiming("jti", ""), "dpop jti"},
      {"9449_5_jti_long", good.claiming("jti", "\"" + std::string(129, 'j') + "\""), "dpop jti"},
      {"9449_6_nonce_number", good.claiming("nonce", "7"), "dpop claims"},
  };
  rows.insert(rows.end(), std::begin(more), std::end(more));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = credentials(edge.coder);
    a.headers.set("DPoP", row.text);
    const Told told = send(a);
    expect_refused(told, 400, "invalid_dpop_proof", row.reason);
    EXPECT_TRUE(told.headers.has("DPoP-Nonce"));
  }
  EXPECT_EQ(edge.gate.stats().proofs, 0U);
}

// The human's ID token (RFC 8693 section 2.1).
TEST_F(HostileTest, IdTokens) {
  const Jwt good = apart(edge.id_token(), edge.idp_key);
  std::vector<Row> rows = shapes(good, edge.helper.dpop);
  for (Row& row : claims(good)) rows.push_back(std::move(row));
  const std::string late = std::to_string(unix_seconds(edge.clock.wall()) + 61);
  const Row more[] = {
      {"16385_bytes", std::string(16385, 'a'), "jws too large"},
      {"8725_own_jwk",
       good.headed("jwk", json::write(jose::bare_json(edge.helper.dpop.public_key()))),
       "jws embedded key"},
      {"8725_alg_of_another_key", good.headed("alg", "\"RS256\""), "jws alg is not the key's"},
      {"typ_of_an_access_token", good.headed("typ", "\"at+jwt\""), "id token typ"},
      {"typ_of_a_logout", good.headed("typ", "\"logout+jwt\""), "id token typ"},
      {"8693_7_iss_missing", good.claiming("iss", ""), "id token iss"},
      {"8693_7_iss_with_a_slash", good.claiming("iss", "\"https://idp.test/\""),
       "id token issuer is not trusted"},
      {"aud_missing", good.claiming("aud", ""), "id token aud"},
      {"several_aud_without_azp", good.claiming("aud", "[\"stint\",\"other\"]"), "id token azp"},
      {"azp_of_another", good.claiming("azp", "\"other\""), "id token azp"},
      {"sub_missing", good.claiming("sub", ""), "id token sub"},
      {"exp_missing", good.claiming("exp", ""), "jwt exp"},
      {"iat_missing", good.claiming("iat", ""), "id token iat"},
      {"exp_int64", good.claiming("exp", "9223372036854775807"), "jwt time"},
      {"nbf_ahead", good.claiming("nbf", late), "jwt nbf"},
      {"groups_no_list", good.claiming("groups", "\"admins\""), "json member type"},
      {"may_act_without_sub", good.claiming("may_act", "{}"), "json member missing"},
  };
  rows.insert(rows.end(), std::begin(more), std::end(more));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Ask a = exchange(edge.helper);
    a.set("subject_token", row.text);
    expect_refused(send(a), 400, "invalid_request", row.reason);
  }
  EXPECT_TRUE(edge.signals().empty());
}

// A parent's access token; and the same at introspection and revocation, which tell nothing.
TEST_F(HostileTest, AccessTokens) {
  const std::string parent = edge.open(edge.coder).token->token;
  opened = 1;
  const auto ours = testkit::must_have(edge.keys->signing_key(crypto::Alg::kES256));
  const Jwt good = apart(parent, ours.key);
  std::vector<Row> rows = shapes(good, edge.helper.dpop);
  for (Row& row : claims(good)) rows.push_back(std::move(row));
  const Row more[] = {
      {"8193_bytes", std::string(8193, 'a'), "jws too large"},
      {"8725_own_jwk",
       good.headed("jwk", json::write(jose::bare_json(edge.helper.dpop.public_key()))),
       "jws embedded key"},
      {"8725_alg_of_another_key", good.headed("alg", "\"RS256\""), "jws alg is not the key's"},
      {"unknown_kid", good.headed("kid", "\"nobody\""), "jws unknown key"},
      {"9068_1_typ_jwt", good.headed("typ", "\"JWT\""), "token typ"},
      {"9068_2_no_iss", good.claiming("iss", ""), "token iss"},
      {"9068_2_no_exp", good.claiming("exp", ""), "token exp"},
      {"9068_2_no_jti", good.claiming("jti", ""), "token jti"},
      {"cnf_unknown", good.claiming("cnf", R"({"kid":"k"})"), "token claims"},
      {"exp_int64", good.claiming("exp", "9223372036854775807"), "jwt time"},
  };
  rows.insert(rows.end(), std::begin(more), std::end(more));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    expect_refused(send(delegation(edge.coder, row.text, edge.helper)), 400, "invalid_request",
                   row.reason);
    const Told told = send(about(edge.coder, "introspect", row.text));
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(told.body, R"({"active":false})");
    EXPECT_EQ(send(about(edge.coder, "revoke", row.text)).status, 200);
  }
  EXPECT_EQ(send(about(edge.coder, "introspect", parent)).json.at("active"), true);
  const std::string other_grants =
      good.claiming("authorization_details", R"([{"type":"payment_initiation"}])");
  expect_refused(send(delegation(edge.coder, other_grants, edge.helper)), 400, "invalid_request",
                 "grant type");
  EXPECT_TRUE(edge.signals().empty());
}

// What cannot be remembered is not let through, and is not the client's fault.
class FullMemory : public OAuthTest {
 protected:
  FullMemory() : OAuthTest({}, {.proofs = 8}) {}
};
TEST_F(FullMemory, OfProofsRefuses) {
  std::size_t passed = 0;
  Told told = send(credentials(edge.coder));
  for (; told.status == 200 && passed < 100; told = send(credentials(edge.coder))) ++passed;
  EXPECT_LE(passed, 8U);
  expect_refused(told, 503, "temporarily_unavailable", "replay cache full");
  EXPECT_TRUE(told.headers.has("Retry-After"));
  EXPECT_EQ(edge.count("task.opened"), passed);
  EXPECT_TRUE(edge.signals().empty());
}

}  // namespace
}  // namespace stint::oauth
