#include "stint/jose/jws.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "jose_test_util.h"
#include "stint/jose/jwt.h"

namespace stint::jose {
namespace {

using namespace testing_util;

const crypto::PrivateKey kKey = test_key();

struct Row {
  const char* name;
  std::string header;
  Errc code;
  std::string_view reason;  // empty: verifies
  const char* source;
};
const Row kRows[] = {
    {"plain", R"({"alg":"ES256"})", Errc{}, "", "RFC 7515 s4"},
    {"unknown member", R"({"alg":"ES256","x-own":1})", Errc{}, "", "RFC 7515 s4: ignored"},
    {"x5c", R"({"alg":"ES256","x5c":["AA"],"x5t":"AA"})", Errc{}, "", "ignored, never trusted"},
    {"none", R"({"alg":"none"})", Errc::kUnsupported, "jws alg", "RFC 8725 s3.1"},
    {"None", R"({"alg":"None"})", Errc::kUnsupported, "jws alg", "RFC 8725 s3.1"},
    {"nOnE", R"({"alg":"nOnE"})", Errc::kUnsupported, "jws alg", "RFC 8725 s3.1"},
    {"HS256", R"({"alg":"HS256"})", Errc::kUnsupported, "jws alg", "RFC 8725 s2.1"},
    {"ES384", R"({"alg":"ES384"})", Errc::kUnsupported, "jws alg", ""},
    {"no alg", R"({})", Errc::kMissing, "jws alg", "RFC 7515 s4.1.1"},
    {"alg type", R"({"alg":["ES256"]})", Errc::kMalformed, "jws header member", ""},
    {"alg empty", R"({"alg":""})", Errc::kMalformed, "jws header member", ""},
    {"alg twice", R"({"alg":"ES256","alg":"none"})", Errc::kMalformed, "json duplicate key",
     "RFC 7515 s4"},
    {"crit", R"({"alg":"ES256","crit":["exp"],"exp":1})", Errc::kUnsupported, "jws crit",
     "RFC 7515 s4.1.11"},
    {"crit empty", R"({"alg":"ES256","crit":[]})", Errc::kUnsupported, "jws crit", ""},
    {"b64", R"({"alg":"ES256","b64":false})", Errc::kUnsupported, "jws b64", "RFC 7797 s3"},
    {"b64 critical", R"({"alg":"ES256","b64":false,"crit":["b64"]})", Errc::kUnsupported,
     "jws crit", "RFC 7797 s6"},
    {"zip", R"({"alg":"ES256","zip":"DEF"})", Errc::kUnsupported, "jws zip", "RFC 8725 s3.6"},
    {"jku", R"({"alg":"ES256","jku":"https://evil.example/keys"})", Errc::kUnsupported,
     "jws key by reference", "RFC 8725 s3.10"},
    {"x5u", R"({"alg":"ES256","x5u":"https://evil.example/cert"})", Errc::kUnsupported,
     "jws key by reference", "RFC 8725 s3.10"},
    {"jwk type", R"({"alg":"ES256","jwk":"key"})", Errc::kMalformed, "jws header member", ""},
    {"kid type", R"({"alg":"ES256","kid":1})", Errc::kMalformed, "jws header member", ""},
    {"typ type", R"({"alg":"ES256","typ":{}})", Errc::kMalformed, "jws header member", ""},
    {"deep", R"({"alg":"ES256","a":[[[[[[[[[[]]]]]]]]]]})", Errc::kTooLarge, "json too deep", ""},
    {"not an object", R"(["ES256"])", Errc::kMalformed, "json not an object", ""},
    {"not json", "alg: ES256", Errc::kMalformed, "json syntax", ""},
    {"rs256 under an ec key", R"({"alg":"RS256"})", Errc::kWrongKey, "jws alg does not fit the key",
     "RFC 8725 s3.1"},
    {"ed25519 under an ec key", R"({"alg":"Ed25519"})", Errc::kWrongKey,
     "jws alg does not fit the key", "RFC 9864 s2.2"},
    {"ed448", R"({"alg":"Ed448"})", Errc::kUnsupported, "jws alg", "RFC 9864 s2.2"},
};

TEST(Jws, HeaderRows) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const auto jws = parse_compact(forge(row.header, "{}", kKey));
    auto got = jws ? verify(*jws, kKey.public_key(), all_algs()) : fail(jws.error());
    EXPECT_EQ(reason(got), row.reason) << row.source;
    if (!row.reason.empty() && !got.has_value()) EXPECT_EQ(got.error().code, row.code);
  }
}

TEST(Jws, Ed25519HasTwoNames) {  // RFC 8037, RFC 9864
  const crypto::PrivateKey key = test_key(crypto::Alg::kEdDSA);
  for (const char* header : {R"({"alg":"EdDSA"})", R"({"alg":"Ed25519"})"}) {
    const auto jws = parse_compact(forge(header, "{}", key));
    ASSERT_TRUE(jws.has_value()) << header;
    EXPECT_EQ(jws->header().alg, crypto::Alg::kEdDSA);
    EXPECT_TRUE(verify(*jws, key.public_key(), all_algs()).has_value()) << header;
  }
}

// What metadata and challenges list is what is read, no more and no less.
TEST(Jws, AlgNamesAreThoseThatVerify) {
  std::vector<std::string> verified;
  for (const char* name :
       {"ES256", "ES256K", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
        "EdDSA", "Ed25519", "Ed448", "ML-DSA-44", "HS256", "HS384", "HS512", "none", "es256"}) {
    bool any = false;
    for (const crypto::Alg alg : all_algs()) {
      const crypto::PrivateKey key = test_key(alg);
      const auto jws = parse_compact(forge(std::string(R"({"alg":")") + name + "\"}", "{}", key));
      any = any || (jws && verify(*jws, key.public_key(), all_algs()).has_value());
    }
    if (any) verified.emplace_back(name);
  }
  std::vector<std::string> listed(alg_names().begin(), alg_names().end());
  std::ranges::sort(verified);
  std::ranges::sort(listed);
  EXPECT_EQ(listed, verified);
}

TEST(Jws, FormRows) {
  const std::string good = forge(R"({"alg":"ES256"})", "payload", kKey);
  const std::size_t dot = good.find('.'), last = good.rfind('.');
  struct Form {
    std::string text;
    std::string_view reason;
  };
  const Form forms[] = {
      {"", "jws parts"},
      {"..", "json incomplete"},
      {"a", "jws parts"},
      {good.substr(0, last), "jws parts"},
      {good + ".", "jws parts"},
      {good + ".AAAA.AAAA", "jws parts"},  // a JWE has five parts
      {R"({"payload":"AA","signatures":[]})", "jws parts"},
      {" " + good, "base64url alphabet"},
      {good + "\n", "base64url alphabet"},
      {good + "=", "base64url alphabet"},
      {good.substr(0, dot) + "+" + good.substr(dot), "base64url alphabet"},
      {std::string(8 * 1024 + 1, 'A'), "jws too large"},
      {std::string(4 * 1024 + 1, 'A') + ".AA.AA", "jws header too large"},
  };
  for (const Form& form : forms) {
    const auto got = parse_compact(form.text);
    ASSERT_FALSE(got.has_value());
    // A character may first be seen as a wrong length.
    const bool length = form.reason == "base64url alphabet" && reason(got) == "base64url length";
    EXPECT_TRUE(length || reason(got) == form.reason) << form.text << ": " << reason(got);
  }
}

TEST(Jws, OneSpellingOnly) {
  const std::string good = forge(R"({"alg":"ES256"})", "payload", kKey);
  // The last character of a 64-byte signature carries four unused bits.
  std::string other = good;
  other.back() = other.back() == 'A' ? 'B' : static_cast<char>(other.back() + 1);
  const auto got = parse_compact(other);
  if (got) {
    EXPECT_EQ(reason(verify(*got, kKey.public_key(), all_algs())), "signature");
  } else {
    EXPECT_EQ(reason(got), "base64url trailing bits");
  }
}

TEST(Jws, TypIsComparedAsAMediaType) {
  struct Typ {
    const char *header, *want;
  };
  for (const Typ& t : {Typ{R"({"alg":"ES256","typ":"at+jwt"})", "at+jwt"},
                       {R"({"alg":"ES256","typ":"AT+JWT"})", "at+jwt"},
                       {R"({"alg":"ES256","typ":"application/at+jwt"})", "at+jwt"},
                       {R"({"alg":"ES256","typ":"application/a/b"})", "application/a/b"},
                       {R"({"alg":"ES256"})", ""}})
    EXPECT_EQ(parse_compact(forge(t.header, "{}", kKey))->header().typ, t.want);
}

TEST(Jws, KeysComeFromTheSetAlone) {
  const JwkSet set = set_of(kKey, "a");
  const auto check = [&set](const std::string& compact) {
    const auto jws = parse_compact(compact);
    EXPECT_TRUE(jws.has_value()) << reason(jws);
    return std::string(reason(verify(*jws, set, all_algs())));
  };
  EXPECT_EQ(check(forge(R"({"alg":"ES256","kid":"a"})", "{}", kKey)), "");
  EXPECT_EQ(check(forge(R"({"alg":"ES256"})", "{}", kKey)), "");
  EXPECT_EQ(check(forge(R"({"alg":"ES256","kid":"b"})", "{}", kKey)), "jws unknown key");
  EXPECT_EQ(check(forge(R"({"alg":"EdDSA","kid":"a"})", "{}", kKey)), "jws alg is not the key's");
  EXPECT_EQ(check(forge(R"({"alg":"EdDSA"})", "{}", kKey)), "jws unknown key");
  const crypto::PrivateKey other = test_key(crypto::Alg::kES256, 2);
  EXPECT_EQ(check(forge(R"({"alg":"ES256","kid":"a"})", "{}", other)), "signature");
  EXPECT_EQ(check(*sign({.typ = "", .kid = "a", .embed_public_key = true}, "{}", other)),
            "jws embedded key");
  const crypto::Alg only[] = {crypto::Alg::kEdDSA};
  EXPECT_EQ(
      reason(verify(*parse_compact(forge(R"({"alg":"ES256","kid":"a"})", "{}", kKey)), set, only)),
      "jws alg not allowed");
}

RC_GTEST_PROP(Jws, SignThenVerifyGivesThePayload, (const std::string& payload)) {
  for (const auto alg : {crypto::Alg::kES256, crypto::Alg::kEdDSA}) {
    const crypto::PrivateKey key = test_key(alg);
    const auto compact = sign({.typ = "test+jwt", .kid = "k"}, payload, key);
    RC_ASSERT(compact.has_value());
    const auto jws = parse_compact(*compact);
    RC_ASSERT(jws.has_value());
    const auto good = verify(*jws, key.public_key(), all_algs());
    RC_ASSERT(good.has_value());
    RC_ASSERT(good->payload() == payload);
    RC_ASSERT(good->header().typ == "test+jwt");
  }
}

TEST(Jwt, ClaimRows) {
  struct Claim {
    const char *text, *reason;
  };
  for (const Claim& row : {
           Claim{R"({"iss":"a","aud":["b","c"],"exp":1.5,"iat":0})", ""},
           {R"({"aud":"b"})", ""},
           {R"({"aud":[]})", ""},
           {R"({"aud":1})", "jwt claim type"},
           {R"({"aud":[1]})", "jwt claim type"},
           {R"({"aud":""})", "jwt claim type"},
           {R"({"aud":null})", "jwt claim type"},
           {R"({"iss":1})", "jwt claim type"},
           {R"({"sub":""})", "jwt claim type"},
           {R"({"jti":["a"]})", "jwt claim type"},
           {R"({"exp":"1790000000"})", "jwt time"},
           {R"({"exp":-1})", "jwt time"},
           {R"({"exp":253402300800})", "jwt time"},
           {R"({"exp":9223372036854775807})", "jwt time"},
           {R"({"exp":1e300})", "jwt time"},
           {R"({"nbf":true})", "jwt time"},
           {R"({"exp":9223372036854775808})", "json integer range"},
           {R"({"exp":1,"exp":2})", "json duplicate key"},
           {R"(["a"])", "json not an object"},
       })
    EXPECT_EQ(reason(parse_claims(row.text)), row.reason) << row.text;
  EXPECT_EQ(parse_claims(R"({"exp":1.5})")->exp, from_unix_millis(1500));
}

TEST(Jwt, TimesHaveStatedLeeways) {
  const Leeway leeway{std::chrono::seconds(5), std::chrono::seconds(3)};
  const auto at = [&](std::int64_t exp, std::int64_t nbf, std::int64_t iat) {
    Claims c;
    c.exp = from_unix_seconds(exp);
    c.nbf = from_unix_seconds(nbf);
    c.iat = from_unix_seconds(iat);
    return std::string(reason(check_times(c, from_unix_seconds(1000), leeway)));
  };
  EXPECT_EQ(at(996, 1003, 1003), "");
  EXPECT_EQ(at(995, 0, 0), "jwt expired");  // on or after (RFC 7519 section 4.1.4)
  EXPECT_EQ(at(2000, 1004, 0), "jwt nbf");
  EXPECT_EQ(at(2000, 0, 1004), "jwt iat");
  EXPECT_EQ(reason(check_times(Claims{}, from_unix_seconds(1000), leeway)), "jwt exp");
}

}  // namespace
}  // namespace stint::jose
