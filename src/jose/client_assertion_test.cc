// RFC 7523 as updated by rfc7523bis: each rule a row with the exact refusal.
#include "stint/jose/client_assertion.h"

#include <gtest/gtest.h>

#include "jose_test_util.h"

namespace stint::jose {
namespace {

using namespace testing_util;

const crypto::PrivateKey kKey = test_key();
constexpr std::string_view kIssuer = "https://stint.example";
const std::string kHeader = R"({"alg":"ES256","kid":"k1"})";
const std::string kPayload =
    R"({"iss":"triage-bot","sub":"triage-bot","aud":"https://stint.example","jti":"j1","iat":1790000000,"exp":1790000060})";

Result<ClientAssertion> check(const std::string& compact, const JwkSet& keys,
                              std::string_view audience = kIssuer) {
  const auto parsed = UnverifiedAssertion::parse(compact);
  if (!parsed) return std::unexpected(parsed.error());
  return verify_client_assertion(*parsed, keys, audience, kNow);
}

struct Row {
  const char* name;
  bool in_header;
  const char *member, *value;
  Errc code;
  std::string_view reason;
  const char* source;
};
constexpr const char* kThumb = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";  // RFC 9449 s6.1
const std::string kJkt = R"({"jkt":")" + std::string(kThumb) + R"("})";
const std::string kX5t = R"({"x5t#S256":")" + std::string(kThumb) + R"("})";
const std::string kBoth =
    R"({"jkt":")" + std::string(kThumb) + R"(","x5t#S256":")" + kThumb + R"("})";
const std::string kShort = R"({"jkt":")" + std::string(42, 'a') + R"("})";
const std::string kLong = R"({"x5t#S256":")" + std::string(44, 'a') + R"("})";
const std::string kPadded = R"({"jkt":")" + std::string(42, 'a') + R"(="})";
const std::string kLongJti = "\"" + std::string(129, 'j') + "\"";
const Row kRows[] = {
    {"good", false, "x", "1", Errc{}, "", ""},
    {"typ JWT", true, "typ", "\"JWT\"", Errc{}, "", "7523bis"},
    {"typ of its own", true, "typ", "\"client-authentication+jwt\"", Errc{}, "", "7523bis (3)"},
    {"typ of a grant", true, "typ", "\"oauth-id-jag+jwt\"", Errc::kWrongType, "assertion typ",
     "7523bis (6)"},
    {"typ of a token", true, "typ", "\"at+jwt\"", Errc::kWrongType, "assertion typ",
     "RFC 8725 s3.11"},
    {"typ of a proof", true, "typ", "\"dpop+jwt\"", Errc::kWrongType, "assertion typ",
     "RFC 8725 s3.11"},
    {"none", true, "alg", "\"none\"", Errc::kUnsupported, "jws alg", "7523bis (5)"},
    {"hmac with the public key", true, "alg", "\"HS256\"", Errc::kUnsupported, "jws alg",
     "7523bis (5)"},
    {"alg not the key's", true, "alg", "\"EdDSA\"", Errc::kWrongKey, "jws alg is not the key's",
     "7523bis (5)"},
    {"kid of nobody", true, "kid", "\"k2\"", Errc::kWrongKey, "jws unknown key", ""},
    {"without kid", true, "kid", "", Errc{}, "", "one key fits"},
    {"brings its own key", true, "jwk", "{}", Errc::kWrongKey, "jws embedded key",
     "RFC 8725 s3.10"},
    {"no sub", false, "sub", "", Errc::kMissing, "assertion sub", "7523bis (1)"},
    {"no iss", false, "iss", "", Errc::kMissing, "assertion iss", "7523bis (1)"},
    {"iss is not sub", false, "iss", "\"https://idp.example\"", Errc::kWrongIssuer, "assertion iss",
     "7523bis (1), (6)"},
    {"no aud", false, "aud", "", Errc::kMissing, "assertion aud", "7523bis (2)"},
    {"aud token endpoint", false, "aud", "\"https://stint.example/oauth/token\"",
     Errc::kWrongAudience, "assertion aud", "OIDF PARTokenEndpointAsAudienceFails"},
    {"aud PAR endpoint", false, "aud", "\"https://stint.example/oauth/par\"", Errc::kWrongAudience,
     "assertion aud", "OIDF PAREndpointAsAudienceFails"},
    {"aud trailing slash", false, "aud", "\"https://stint.example/\"", Errc::kWrongAudience,
     "assertion aud", "simple string comparison"},
    {"aud array of one", false, "aud", "[\"https://stint.example\"]", Errc::kWrongAudience,
     "assertion aud array", "7523bis (2)"},
    {"aud array", false, "aud", "[\"https://stint.example\",\"https://other.example\"]",
     Errc::kWrongAudience, "assertion aud array", "OIDF PAREndpointAsArrayAudienceFails"},
    {"no jti", false, "jti", "", Errc::kMissing, "assertion jti", "7523bis (4)"},
    {"jti long", false, "jti", kLongJti.c_str(), Errc::kTooLarge, "assertion jti", "128 bytes"},
    {"no exp", false, "exp", "", Errc::kMissing, "jwt exp", "7523bis (4)"},
    {"expired, within leeway", false, "exp", "1789999971", Errc{}, "", "30 s"},
    {"expired", false, "exp", "1789999970", Errc::kExpired, "jwt expired", "7523bis (4)"},
    {"exp at the edge", false, "exp", "1790000330", Errc{}, "", "300 s + 30 s"},
    {"exp too far", false, "exp", "1790000331", Errc::kNotYetValid, "assertion exp too far",
     "7523bis (4)"},
    {"nbf ahead", false, "nbf", "1790000031", Errc::kNotYetValid, "jwt nbf", "RFC 7523 s3 (5)"},
    {"iat ahead", false, "iat", "1790000031", Errc::kNotYetValid, "jwt iat", "RFC 7523 s3 (6)"},
    {"exp type", false, "exp", "\"soon\"", Errc::kMalformed, "jwt time", ""},
    {"cnf of a key", false, "cnf", kJkt.c_str(), Errc{}, "", "RFC 7800 s3.1"},
    {"cnf of a certificate", false, "cnf", kX5t.c_str(), Errc{}, "", "RFC 8705 s3.1"},
    {"cnf short", false, "cnf", kShort.c_str(), Errc::kMalformed, "assertion cnf",
     "RFC 9449 s6.1: a SHA-256"},
    {"cnf long", false, "cnf", kLong.c_str(), Errc::kMalformed, "assertion cnf",
     "RFC 8705 s3.1: a SHA-256"},
    {"cnf padded", false, "cnf", kPadded.c_str(), Errc::kMalformed, "assertion cnf",
     "RFC 9449 s6.1: base64url"},
    {"cnf empty", false, "cnf", "{}", Errc::kMalformed, "assertion cnf", "RFC 7800 s3.1"},
    {"cnf of two keys", false, "cnf", kBoth.c_str(), Errc::kMalformed, "assertion cnf",
     "RFC 7800 s3.1"},
    {"cnf of another kind", false, "cnf", R"({"jwk":{}})", Errc::kMalformed, "assertion cnf",
     "not passed over"},
    {"cnf no object", false, "cnf", "\"k\"", Errc::kMalformed, "assertion cnf", "RFC 7800 s3.1"},
};

TEST(ClientAssertion, Rows) {
  const JwkSet keys = set_of(kKey, "k1");
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const std::string compact = row.in_header
                                    ? forge(with(kHeader, row.member, row.value), kPayload, kKey)
                                    : forge(kHeader, with(kPayload, row.member, row.value), kKey);
    const auto got = check(compact, keys);
    EXPECT_EQ(reason(got), row.reason) << row.source;
    if (!got.has_value()) EXPECT_EQ(got.error().code, row.code);
  }
}

TEST(ClientAssertion, SaysWhoAndWhatToRemember) {
  const auto got = check(forge(kHeader, kPayload, kKey), set_of(kKey, "k1"));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->client_id, "triage-bot");
  EXPECT_EQ(got->jti, "j1");
  EXPECT_EQ(got->kid, "k1");
  EXPECT_EQ(got->exp, from_unix_seconds(1790000060));
  EXPECT_EQ(got->cnf, Confirmation());
}

// Whoever forgot what was used before a moment may ask whether this can have been.
TEST(ClientAssertion, SaysSinceWhenItIsOfUse) {
  const auto since = [](const char* iat, const char* exp) {
    const auto payload = with(with(kPayload, "iat", iat), "exp", exp);
    return check(forge(kHeader, payload, kKey), set_of(kKey, "k1"))->usable_from;
  };
  EXPECT_EQ(since("1790000000", "1790000060"), from_unix_seconds(1789999970)) << "by its iat";
  EXPECT_EQ(since("1789999000", "1790000060"), from_unix_seconds(1789999730)) << "by its exp";
  EXPECT_EQ(since("", "1790000060"), from_unix_seconds(1789999730)) << "without an iat";
}

TEST(ClientAssertion, MayNameTheKeyOfItsInstance) {
  const auto named = [](const std::string& cnf) {
    return check(forge(kHeader, with(kPayload, "cnf", cnf.c_str()), kKey), set_of(kKey, "k1"))->cnf;
  };
  EXPECT_EQ(named(kJkt), (Confirmation{.jkt = kThumb, .x5t_s256 = ""}));
  EXPECT_EQ(named(kX5t), (Confirmation{.jkt = "", .x5t_s256 = kThumb}));
}

TEST(ClientAssertion, AnotherKeyAnotherIssuerNoKeys) {
  const std::string good = forge(kHeader, kPayload, kKey);
  EXPECT_EQ(reason(check(good, set_of(test_key(crypto::Alg::kES256, 2), "k1"))), "signature");
  EXPECT_EQ(reason(check(good, set_of(kKey, "k1"), "https://other.example")), "assertion aud");
  EXPECT_EQ(reason(check(good, set_of(kKey, "k1"), "")), "assertion aud");
  EXPECT_EQ(reason(check(good, JwkSet())), "jws unknown key");
}

TEST(ClientAssertion, OursVerifies) {
  for (const auto alg : {crypto::Alg::kES256, crypto::Alg::kRS256, crypto::Alg::kEdDSA}) {
    const crypto::PrivateKey key = test_key(alg);
    const auto made = make_client_assertion(key, "k1", "triage-bot", kIssuer, "j", kNow,
                                            std::chrono::seconds(60));
    ASSERT_TRUE(made.has_value());
    const auto got = check(*made, set_of(key, "k1"));
    ASSERT_TRUE(got.has_value()) << reason(got);
    EXPECT_EQ(got->client_id, "triage-bot");
  }
}

}  // namespace
}  // namespace stint::jose
