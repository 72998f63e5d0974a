// RFC 9449: every check of section 4.3 as rows with the exact refusal.
#include "stint/jose/dpop.h"

#include <gtest/gtest.h>

#include "jose_test_util.h"
#include "stint/codec/url.h"

namespace stint::jose {
namespace {

using namespace testing_util;

const crypto::PrivateKey kKey = test_key();
const std::string kJkt = thumbprint(kKey.public_key());
const std::string kToken = "the access token";
const crypto::Digest kDigest = crypto::sha256(kToken);
constexpr std::string_view kHtu = "https://stint.example/u/helpdesk/tickets/1";

const std::string kHeader =
    R"({"typ":"dpop+jwt","alg":"ES256","jwk":)" + json::write(bare_json(kKey.public_key())) + "}";
const std::string kPayload = R"({"jti":"j1","htm":"GET","htu":")" + std::string(kHtu) +
                             R"(","iat":1790000000,"ath":")" +
                             codec::encode_base64url(crypto::view(kDigest)) + "\"}";

DpopExpect expect() { return DpopExpect::with_token("GET", kHtu, kNow, kDigest, kJkt); }

struct Row {
  const char* name;
  bool in_header;
  const char *member, *value;  // JSON; "" removes
  Errc code;
  std::string_view reason;
  const char* source;
};
const Row kRows[] = {
    {"good", false, "x", "1", Errc{}, "", ""},
    {"typ as media type", true, "typ", "\"application/DPoP+JWT\"", Errc{}, "", "RFC 7515 s4.1.9"},
    {"kid ignored", true, "kid", "\"other\"", Errc{}, "", ""},
    {"no typ", true, "typ", "", Errc::kWrongType, "dpop typ", "9449 s4.3 (4)"},
    {"typ JWT", true, "typ", "\"JWT\"", Errc::kWrongType, "dpop typ", "9449 s4.3 (4)"},
    {"typ at+jwt", true, "typ", "\"at+jwt\"", Errc::kWrongType, "dpop typ", "RFC 8725 s3.11"},
    {"none", true, "alg", "\"none\"", Errc::kUnsupported, "jws alg", "9449 s4.3 (5)"},
    {"symmetric", true, "alg", "\"HS256\"", Errc::kUnsupported, "jws alg", "9449 s4.3 (5)"},
    {"alg of another kind", true, "alg", "\"EdDSA\"", Errc::kWrongKey, "dpop alg", ""},
    {"no jwk", true, "jwk", "", Errc::kMissing, "dpop jwk", "9449 s4.3 (3)"},
    {"jwk of a stranger", true, "jwk",
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
     Errc::kBadSignature, "signature", "9449 s4.3 (6)"},
    {"private jwk", true, "jwk",
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})",
     Errc::kWrongKey, "jwk private member", "9449 s4.3 (7)"},
    {"oct jwk", true, "jwk", R"({"kty":"oct"})", Errc::kUnsupported, "jwk kty", ""},
    {"crit", true, "crit", "[\"a\"]", Errc::kUnsupported, "jws crit", ""},
    {"no jti", false, "jti", "", Errc::kMissing, "dpop jti", "9449 s4.3 (3)"},
    {"jti empty", false, "jti", "\"\"", Errc::kMissing, "dpop jti", ""},
    {"jti type", false, "jti", "1", Errc::kMalformed, "dpop claims", ""},
    {"no htm", false, "htm", "", Errc::kMissing, "dpop htm", "9449 s4.3 (3)"},
    {"htm other", false, "htm", "\"POST\"", Errc::kWrongMethod, "dpop htm", "9449 s4.3 (8)"},
    {"htm case", false, "htm", "\"get\"", Errc::kWrongMethod, "dpop htm", "RFC 9110 s9.1"},
    {"no htu", false, "htu", "", Errc::kMissing, "dpop htu", "9449 s4.3 (3)"},
    {"htu host", false, "htu", "\"https://evil.example/u/helpdesk/tickets/1\"", Errc::kWrongTarget,
     "dpop htu", "9449 s4.3 (9)"},
    {"htu path", false, "htu", "\"https://stint.example/u/helpdesk/tickets/2\"", Errc::kWrongTarget,
     "dpop htu", "9449 s4.3 (9)"},
    {"htu path case", false, "htu", "\"https://stint.example/u/helpdesk/Tickets/1\"",
     Errc::kWrongTarget, "dpop htu", "9449 s4.3 (9)"},
    {"htu scheme", false, "htu", "\"http://stint.example/u/helpdesk/tickets/1\"",
     Errc::kWrongTarget, "dpop htu", ""},
    {"htu port", false, "htu", "\"https://stint.example:7444/u/helpdesk/tickets/1\"",
     Errc::kWrongTarget, "dpop htu", ""},
    {"htu relative", false, "htu", "\"/u/helpdesk/tickets/1\"", Errc::kWrongTarget, "dpop htu", ""},
    {"htu slash", false, "htu", "\"https://stint.example/u/helpdesk/tickets/1/\"",
     Errc::kWrongTarget, "dpop htu", ""},
    {"htu upper-case host, default port", false, "htu",
     "\"HTTPS://STINT.example:443/u/helpdesk/tickets/1\"", Errc{}, "", "OIDF FAPI2 DPoP"},
    {"htu dot segments", false, "htu", "\"https://stint.example/u/x/../helpdesk/tickets/%31\"",
     Errc{}, "", "RFC 3986 s6.2.2"},
    {"htu query and fragment", false, "htu", "\"https://stint.example/u/helpdesk/tickets/1?a=b#c\"",
     Errc{}, "", "9449 s4.3 (9): ignored"},
    {"no iat", false, "iat", "", Errc::kMissing, "dpop iat", "9449 s4.3 (3)"},
    {"iat type", false, "iat", "\"1790000000\"", Errc::kMalformed, "dpop claims", ""},
    {"iat negative", false, "iat", "-1", Errc::kMalformed, "dpop claims", ""},
    {"iat huge", false, "iat", "1e300", Errc::kMalformed, "dpop claims", ""},
    {"iat at the edge", false, "iat", "1789999940", Errc{}, "", "60 s"},
    {"iat too old", false, "iat", "1789999939", Errc::kExpired, "dpop iat too old",
     "9449 s4.3 (11)"},
    {"iat ahead, at the edge", false, "iat", "1790000030", Errc{}, "", "30 s"},
    {"iat in the future", false, "iat", "1790000031", Errc::kNotYetValid, "dpop iat in the future",
     "9449 s4.3 (11)"},
    {"no ath", false, "ath", "", Errc::kMissing, "dpop ath", "9449 s4.3 (12)"},
    {"ath of another token", false, "ath", "\"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo\"",
     Errc::kWrongKey, "dpop ath", "9449 s4.3 (12)"},
    {"ath empty", false, "ath", "\"\"", Errc::kMissing, "dpop ath", ""},
    {"ath type", false, "ath", "1", Errc::kMalformed, "dpop claims", ""},
};

// Without a cache, with an empty one, and with one that already knows the good header.
TEST(Dpop, Rows) {
  KeyCache warm;
  ASSERT_TRUE(verify_proof(forge(kHeader, kPayload, kKey), expect(), &warm).has_value());
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const std::string proof = row.in_header
                                  ? forge(with(kHeader, row.member, row.value), kPayload, kKey)
                                  : forge(kHeader, with(kPayload, row.member, row.value), kKey);
    KeyCache cold;
    for (KeyCache* cache : {static_cast<KeyCache*>(nullptr), &cold, &warm}) {
      const auto got = verify_proof(proof, expect(), cache);
      EXPECT_EQ(reason(got), row.reason) << row.source;
      if (!got.has_value()) EXPECT_EQ(got.error().code, row.code);
    }
    const bool signed_well = row.reason.empty() || !row.in_header;
    EXPECT_EQ(cold.size(), signed_well ? 1u : 0u);  // only proven keys take a place
  }
}

TEST(Dpop, FormIsCheckedFirst) {
  EXPECT_EQ(reason(verify_proof("", expect(), nullptr)), "jws parts");
  EXPECT_EQ(reason(verify_proof("a.b", expect(), nullptr)), "jws parts");
  EXPECT_EQ(reason(verify_proof(std::string(8193, 'a'), expect(), nullptr)), "jws too large");
  const std::string long_jti = "\"" + std::string(129, 'j') + "\"";
  EXPECT_EQ(reason(verify_proof(forge(kHeader, with(kPayload, "jti", long_jti), kKey), expect(),
                                nullptr)),
            "dpop jti");
  EXPECT_EQ(reason(verify_proof(forge(kHeader, "[]", kKey), expect(), nullptr)),
            "json not an object");
  EXPECT_EQ(reason(verify_proof(
                forge(kHeader, kPayload.substr(0, kPayload.size() - 1) + R"(,"jti":"j2"})", kKey),
                expect(), nullptr)),
            "json duplicate key");
}

TEST(Dpop, TheKeyIsTheOneTheTokenIsBoundTo) {
  const crypto::PrivateKey thief = test_key(crypto::Alg::kES256, 2);
  const auto proof = make_proof(
      thief,
      {.method = "GET", .htu = kHtu, .now = kNow, .jti = "j", .access_token = kToken, .nonce = ""});
  EXPECT_EQ(reason(verify_proof(*proof, expect(), nullptr)), "dpop key");
  // A token that is bound to nothing is not bound to whoever comes.
  EXPECT_EQ(
      reason(verify_proof(*proof, DpopExpect::with_token("GET", kHtu, kNow, kDigest, ""), nullptr)),
      "dpop key");
  EXPECT_EQ(reason(verify_proof(
                *proof, DpopExpect::without_token("GET", kHtu, kNow).require_key(kJkt), nullptr)),
            "dpop key");
  EXPECT_EQ(verify_proof(*proof, DpopExpect::without_token("GET", kHtu, kNow), nullptr)->jkt,
            thumbprint(thief.public_key()));
}

TEST(Dpop, NonceIsRequiredWhenAsked) {
  testkit::SeededEntropy entropy;
  const DpopNonces nonces(entropy), others(entropy);
  const auto proof = [&](std::string_view nonce) {
    return *make_proof(kKey, {.method = "GET",
                              .htu = kHtu,
                              .now = kNow,
                              .jti = "j",
                              .access_token = kToken,
                              .nonce = nonce});
  };
  DpopExpect ours = expect();
  ours.require_nonce(nonces);
  const auto missing = verify_proof(proof(""), ours, nullptr);
  EXPECT_EQ(reason(missing), "dpop nonce");
  EXPECT_EQ(missing.error().code, Errc::kNonceRequired);
  EXPECT_EQ(reason(verify_proof(proof(others.current(kNow)), ours, nullptr)), "dpop nonce");
  const auto good = verify_proof(proof(nonces.current(kNow)), ours, nullptr);
  ASSERT_TRUE(good.has_value()) << reason(good);
  EXPECT_FALSE(good->stale_nonce);
  const auto late =
      verify_proof(proof(nonces.current(kNow - std::chrono::seconds(120))), ours, nullptr);
  ASSERT_TRUE(late.has_value()) << reason(late);
  EXPECT_TRUE(late->stale_nonce);
  EXPECT_EQ(
      reason(verify_proof(proof(nonces.current(kNow - std::chrono::seconds(240))), ours, nullptr)),
      "dpop nonce");
}

TEST(Dpop, EveryAlgorithmMakesAndVerifies) {
  for (const auto alg :
       {crypto::Alg::kES256, crypto::Alg::kRS256, crypto::Alg::kPS256, crypto::Alg::kEdDSA}) {
    const crypto::PrivateKey key = test_key(alg);
    const auto proof = make_proof(key, {.method = "POST",
                                        .htu = "https://stint.example/oauth/token",
                                        .now = kNow,
                                        .jti = "j",
                                        .access_token = "",
                                        .nonce = ""});
    ASSERT_TRUE(proof.has_value());
    const auto got = verify_proof(
        *proof, DpopExpect::without_token("POST", "https://stint.example/oauth/token", kNow),
        nullptr);
    ASSERT_TRUE(got.has_value()) << crypto::text(alg) << ": " << reason(got);
    EXPECT_EQ(got->jkt, thumbprint(key.public_key()));
    EXPECT_EQ(got->key, key.public_key());
  }
  // The jwk's own "alg" binds: an RS256 key signs no PS256 proof.
  const crypto::PrivateKey ps = test_key(crypto::Alg::kPS256);
  const std::string jwk = with(json::write(bare_json(ps.public_key())), "alg", "\"RS256\"");
  EXPECT_EQ(reason(verify_proof(
                forge(R"({"typ":"dpop+jwt","alg":"PS256","jwk":)" + jwk + "}", kPayload, ps),
                expect(), nullptr)),
            "dpop alg");
}

}  // namespace
}  // namespace stint::jose
