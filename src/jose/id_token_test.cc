#include "stint/jose/id_token.h"

#include <gtest/gtest.h>

#include "jose_test_util.h"

namespace stint::jose {
namespace {

using namespace testing_util;

const crypto::PrivateKey& rsa() {
  static const crypto::PrivateKey key = test_key(crypto::Alg::kRS256);
  return key;
}
const std::string kHeader = R"({"alg":"RS256","kid":"k1","typ":"JWT"})";
const std::string kPayload =
    R"({"iss":"https://idp.example","sub":"u-1","aud":"stint","iat":1790000000,"exp":1790000300,
        "email":"ada@example.com","email_verified":true,"groups":["ops","dev"],"name":"Ada",
        "auth_time":1789999000,"acr":"mfa","amr":["hwk"],"nonce":"n"})";

IdTokenIssuer issuer() { return {"https://idp.example", set_of(rsa(), "k1"), {"stint", "cli"}}; }

struct Row {
  const char* name;
  bool in_header;
  const char *member, *value;
  Errc code;
  std::string_view reason;
};
const Row kRows[] = {
    {"good", false, "x", "1", Errc{}, ""},
    {"no typ", true, "typ", "", Errc{}, ""},
    {"an access token", true, "typ", "\"at+jwt\"", Errc::kWrongType, "id token typ"},
    {"a logout token", true, "typ", "\"logout+jwt\"", Errc::kWrongType, "id token typ"},
    {"a proof", true, "typ", "\"dpop+jwt\"", Errc::kWrongType, "id token typ"},
    {"none", true, "alg", "\"none\"", Errc::kUnsupported, "jws alg"},
    {"hmac", true, "alg", "\"HS256\"", Errc::kUnsupported, "jws alg"},
    {"alg not the key's", true, "alg", "\"PS256\"", Errc::kWrongKey, "jws alg is not the key's"},
    {"kid of nobody", true, "kid", "\"k2\"", Errc::kWrongKey, "jws unknown key"},
    {"certificate thumbprint", true, "x5t", "\"AA\"", Errc{}, ""},
    {"no iss", false, "iss", "", Errc::kMissing, "id token iss"},
    {"iss with a slash", false, "iss", "\"https://idp.example/\"", Errc::kWrongIssuer,
     "id token iss"},
    {"iss in upper case", false, "iss", "\"https://IDP.example\"", Errc::kWrongIssuer,
     "id token iss"},
    {"no sub", false, "sub", "", Errc::kMissing, "id token sub"},
    {"no aud", false, "aud", "", Errc::kMissing, "id token aud"},
    {"aud of another", false, "aud", "\"other\"", Errc::kWrongAudience, "id token aud"},
    {"aud array of one", false, "aud", "[\"stint\"]", Errc{}, ""},
    {"several aud, no azp", false, "aud", "[\"stint\",\"other\"]", Errc::kWrongAudience,
     "id token azp"},
    {"azp of another", false, "azp", "\"other\"", Errc::kWrongAudience, "id token azp"},
    {"azp ours", false, "azp", "\"cli\"", Errc{}, ""},
    {"no exp", false, "exp", "", Errc::kMissing, "jwt exp"},
    {"expired within leeway", false, "exp", "1789999941", Errc{}, ""},
    {"expired", false, "exp", "1789999940", Errc::kExpired, "jwt expired"},
    {"no iat", false, "iat", "", Errc::kMissing, "id token iat"},
    {"iat ahead", false, "iat", "1790000061", Errc::kNotYetValid, "jwt iat"},
    {"nbf ahead", false, "nbf", "1790000061", Errc::kNotYetValid, "jwt nbf"},
    {"groups not a list", false, "groups", "\"ops\"", Errc::kMalformed, "json member type"},
    {"auth_time type", false, "auth_time", "\"1\"", Errc::kMalformed, "json member type"},
    {"auth_time huge", false, "auth_time", "9223372036854775807", Errc::kMalformed, "jwt time"},
};

TEST(IdToken, Rows) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const std::string compact = row.in_header
                                    ? forge(with(kHeader, row.member, row.value), kPayload, rsa())
                                    : forge(kHeader, with(kPayload, row.member, row.value), rsa());
    const auto got = verify_id_token(compact, issuer(), kNow);
    EXPECT_EQ(reason(got), row.reason);
    if (!got.has_value()) EXPECT_EQ(got.error().code, row.code);
  }
}

TEST(IdToken, SaysWhatTheIssuerSays) {
  const auto got = verify_id_token(forge(kHeader, kPayload, rsa()), issuer(), kNow);
  ASSERT_TRUE(got.has_value()) << reason(got);
  EXPECT_EQ(got->iss, "https://idp.example");
  EXPECT_EQ(got->sub, "u-1");
  EXPECT_EQ(got->email, "ada@example.com");
  EXPECT_EQ(got->groups, (std::vector<std::string>{"ops", "dev"}));
  EXPECT_EQ(got->amr, std::vector<std::string>{"hwk"});
  EXPECT_EQ(got->acr, "mfa");
  EXPECT_EQ(got->nonce, "n");
  EXPECT_EQ(got->auth_time, from_unix_seconds(1789999000));
  const auto both = with(with(kPayload, "aud", "[\"stint\",\"other\"]"), "azp", "\"stint\"");
  EXPECT_TRUE(verify_id_token(forge(kHeader, both, rsa()), issuer(), kNow).has_value());
}

TEST(IdToken, AnAddressThatNobodyVerifiedIsNone) {
  for (const char* value : {"", "false", "\"true\"", "1", "null"}) {
    const auto got = verify_id_token(forge(kHeader, with(kPayload, "email_verified", value), rsa()),
                                     issuer(), kNow);
    ASSERT_TRUE(got.has_value()) << reason(got);
    EXPECT_EQ(got->email, std::nullopt);
  }
}

TEST(IdToken, TheClaimedIssuerOnlyFindsTheKeys) {
  const std::string compact = forge(kHeader, kPayload, rsa());
  EXPECT_EQ(UnverifiedIdToken::parse(compact)->claimed_issuer(), "https://idp.example");
  IdTokenIssuer other = issuer();
  other.keys = set_of(test_key(crypto::Alg::kPS256, 2), "k1");
  EXPECT_EQ(reason(verify_id_token(compact, other, kNow)), "jws alg is not the key's");
  other = issuer();
  other.issuer = "";
  EXPECT_EQ(reason(verify_id_token(compact, other, kNow)), "id token iss");
  other = issuer();
  other.audiences.clear();
  EXPECT_EQ(reason(verify_id_token(compact, other, kNow)), "id token aud");
}

}  // namespace
}  // namespace stint::jose
