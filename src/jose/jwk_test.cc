#include "stint/jose/jwk.h"

#include <gtest/gtest.h>

#include "jose_test_util.h"

namespace stint::jose {
namespace {

using namespace testing_util;

const std::string kEc = json::write(bare_json(test_key().public_key()));
const std::string kRsa = json::write(bare_json(test_key(crypto::Alg::kRS256).public_key()));
const std::string kEd = json::write(bare_json(test_key(crypto::Alg::kEdDSA).public_key()));

struct Row {
  const char* name;
  const std::string* base;
  const char *member, *value;  // JSON; "" removes
  std::string_view reason;
  const char* source;
};
const Row kRows[] = {
    {"ec", &kEc, "x-own", "1", "", "RFC 7517 s4: unknown members ignored"},
    {"rsa", &kRsa, "kid", "\"k\"", "", ""},
    {"okp", &kEd, "use", "\"sig\"", "", "RFC 8037 s2"},
    {"alg", &kRsa, "alg", "\"PS256\"", "", "RFC 7517 s4.4"},
    {"ops", &kEc, "key_ops", "[\"verify\"]", "", "RFC 7517 s4.3"},
    {"ec private", &kEc, "d", "\"AA\"", "jwk private member", "RFC 9449 s4.3"},
    {"rsa private", &kRsa, "d", "\"AA\"", "jwk private member", "RFC 9449 s4.3"},
    {"rsa factor", &kRsa, "p", "\"AA\"", "jwk private member", ""},
    {"rsa factors", &kRsa, "oth", "[]", "jwk private member", ""},
    {"symmetric", &kEc, "k", "\"AA\"", "jwk private member", "RFC 8725 s3.1"},
    {"no kty", &kEc, "kty", "", "json member missing", "RFC 7517 s4.1"},
    {"oct", &kEc, "kty", "\"oct\"", "jwk kty", ""},
    {"kty case", &kEc, "kty", "\"ec\"", "jwk kty", "RFC 7517 s4.1: case-sensitive"},
    {"kty type", &kEc, "kty", "1", "json member type", ""},
    {"p-384", &kEc, "crv", "\"P-384\"", "jwk crv", ""},
    {"x25519", &kEd, "crv", "\"X25519\"", "jwk crv", "RFC 8037 s3.1: no signatures"},
    {"ed448", &kEd, "crv", "\"Ed448\"", "jwk crv", ""},
    {"ec as okp", &kEc, "crv", "\"Ed25519\"", "jwk crv", ""},
    {"no y", &kEc, "y", "", "json member missing", ""},
    {"short x", &kEc, "x", "\"AAAA\"", "p-256 coordinate size", "RFC 7518 s6.2.1.2"},
    {"off the curve", &kEc, "y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", "p-256 point",
     "RFC 8725 s3.4"},
    {"padding", &kEd, "x", "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"", "base64url alphabet",
     "RFC 7515 s2"},
    {"small order", &kEd, "x", "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", "ed25519 point",
     "RFC 8725 s3.4"},
    {"short rsa", &kRsa, "n", "\"AQAB\"", "rsa modulus under 2048 bits", "RFC 7518 s3.3"},
    {"rsa e 1", &kRsa, "e", "\"AQ\"", "rsa exponent", ""},
    {"rsa e zero first", &kRsa, "e", "\"AAEAAQ\"", "rsa leading zero", "RFC 7518 s6.3.1.1"},
    {"no e", &kRsa, "e", "", "json member missing", ""},
    {"for encryption", &kRsa, "use", "\"enc\"", "jwk use", "RFC 7517 s4.2"},
    {"ops encrypt", &kEc, "key_ops", "[\"encrypt\"]", "jwk key_ops", "RFC 7517 s4.3"},
    {"ops empty", &kEc, "key_ops", "[]", "jwk key_ops", ""},
    {"ops type", &kEc, "key_ops", "\"verify\"", "json member type", ""},
    {"alg of other kind", &kEc, "alg", "\"RS256\"", "jwk alg mismatch", "RFC 8725 s3.1"},
    {"alg unknown", &kRsa, "alg", "\"RS512\"", "jwk alg", ""},
    {"alg none", &kEc, "alg", "\"none\"", "jwk alg", ""},
    {"alg hmac", &kRsa, "alg", "\"HS256\"", "jwk alg", "RFC 8725 s2.1"},
    {"alg Ed25519", &kEd, "alg", "\"Ed25519\"", "", "RFC 9864 s2.2"},
    {"alg Ed25519 on an ec key", &kEc, "alg", "\"Ed25519\"", "jwk alg mismatch", ""},
    {"kid empty", &kEc, "kid", "\"\"", "jwk kid", ""},
    {"kid type", &kEc, "kid", "7", "json member type", ""},
};

TEST(Jwk, Rows) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const auto got = parse_public_jwk(with(*row.base, row.member, row.value));
    EXPECT_EQ(reason(got), row.reason) << row.source;
  }
  EXPECT_EQ(reason(parse_public_jwk(kEc.substr(0, kEc.size() - 1) + R"(,"x":"AA"})")),
            "json duplicate key");
  EXPECT_EQ(reason(parse_public_jwk("[]")), "json not an object");
  EXPECT_EQ(reason(parse_public_jwk(std::string(17000, ' '))), "json too large");
}

TEST(Jwk, RoundTripsAndKeepsItsThumbprint) {
  for (const auto alg :
       {crypto::Alg::kES256, crypto::Alg::kRS256, crypto::Alg::kPS256, crypto::Alg::kEdDSA}) {
    const Jwk jwk{test_key(alg).public_key(), alg, "key 1"};
    const auto again = parse_public_jwk(to_json(jwk));
    ASSERT_TRUE(again.has_value()) << reason(again);
    EXPECT_EQ(again->key, jwk.key);
    EXPECT_EQ(again->alg, alg);
    EXPECT_EQ(again->kid, "key 1");
    EXPECT_EQ(thumbprint(again->key), thumbprint(jwk.key));
    EXPECT_EQ(thumbprint(jwk.key).size(), 43u);
  }
}

TEST(Jwk, PrivateOnesBelongToTheirPublicPart) {
  const auto d = R"("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")";
  EXPECT_EQ(reason(parse_private_jwk(kEd)), "jwk d");
  EXPECT_EQ(reason(parse_private_jwk(with(kEd, "d", d))), "jwk pair");
  EXPECT_EQ(reason(parse_private_jwk(with(kEc, "d", d))), "jwk pair");
  EXPECT_EQ(reason(parse_private_jwk(with(kRsa, "d", d))), "jwk private rsa: use PKCS#8");
}

std::string set_text(std::initializer_list<std::string> keys) {
  std::string out = "{\"keys\":[";
  for (const auto& key : keys) out += (out.back() == '[' ? "" : ",") + key;
  return out + "]}";
}

TEST(JwkSet, RegisteredSetsAreStrictIssuersSetsAreFiltered) {
  const std::string a = with(kEc, "kid", "\"a\""), b = with(kRsa, "kid", "\"b\"");
  const auto good = JwkSet::parse(set_text({a, b}));
  ASSERT_TRUE(good.has_value()) << reason(good);
  EXPECT_EQ(good->keys().size(), 2u);
  const std::pair<std::string, std::string_view> rows[] = {
      {with(kEc, "crv", "\"P-521\""), "jwk crv"},
      {with(kEc, "use", "\"enc\""), "jwk use"},
      {with(kRsa, "alg", "\"RS512\""), "jwk alg"}};
  for (const auto& [odd, why] : rows) {
    EXPECT_EQ(reason(JwkSet::parse(set_text({a, odd}))), why);
    const auto filtered = JwkSet::parse_of_issuer(set_text({a, odd}));
    ASSERT_TRUE(filtered.has_value()) << reason(filtered);
    EXPECT_EQ(filtered->keys().size(), 1u);
  }
  EXPECT_EQ(reason(JwkSet::parse_of_issuer(set_text({a, with(kEc, "d", "\"AA\"")}))),
            "jwk private member");
  EXPECT_EQ(reason(JwkSet::parse_of_issuer(set_text({a, with(kEc, "y", "\"AA\"")}))),
            "p-256 coordinate size");
  EXPECT_EQ(reason(JwkSet::parse(set_text({a, a}))), "jwks duplicate kid");
  EXPECT_EQ(reason(JwkSet::parse(set_text({a, "1"}))), "json member type");
  EXPECT_EQ(reason(JwkSet::parse("{}")), "jwks keys");
  std::string many = "{\"keys\":[";
  for (int i = 0; i < 65; ++i) many += (i ? ",{}" : "{}");
  EXPECT_EQ(reason(JwkSet::parse(many + "]}")), "jwks keys");
}

TEST(JwkSet, FindsByKidAndAlgAndNeverGuesses) {
  const auto set = *JwkSet::parse(
      set_text({with(kEc, "kid", "\"a\""), with(kRsa, "kid", "\"b\""),
                with(json::write(bare_json(test_key(crypto::Alg::kES256, 2).public_key())), "kid",
                     "\"c\"")}));
  EXPECT_EQ(set.find("a", crypto::Alg::kES256)->kid, "a");
  EXPECT_EQ(set.find("c", crypto::Alg::kES256)->kid, "c");
  EXPECT_EQ(set.find("a", crypto::Alg::kRS256), nullptr);
  EXPECT_EQ(set.find("d", crypto::Alg::kES256), nullptr);
  EXPECT_EQ(set.find("", crypto::Alg::kRS256)->kid, "b");
  EXPECT_EQ(set.find("", crypto::Alg::kES256), nullptr);  // two of them
  EXPECT_EQ(JwkSet().find("", crypto::Alg::kES256), nullptr);
  const auto again = JwkSet::parse(set.to_json());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->to_json(), set.to_json());
}

}  // namespace
}  // namespace stint::jose
