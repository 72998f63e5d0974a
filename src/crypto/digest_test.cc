#include "stint/crypto/digest.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "stint/crypto/system_entropy.h"
#include "vectors_test_util.h"

namespace stint::crypto {
namespace {

using vectors::unhex;

TEST(Sha256, Vectors) {
  struct Row {
    std::string_view text, hex;
  };
  constexpr Row kRows[] = {
      // FIPS 180-4 examples
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
  for (const Row& row : kRows) EXPECT_EQ(view(sha256(row.text)), unhex(row.hex));
  EXPECT_EQ(cert_thumbprint("abc"), sha256("abc"));
}

RC_GTEST_PROP(Sha256, PiecesEqualTheWhole, (const std::vector<std::string>& pieces)) {
  Sha256 h;
  std::string whole;
  for (const auto& piece : pieces) {
    h.update(piece);
    whole += piece;
  }
  RC_ASSERT(h.finish() == sha256(whole));
  h.update(whole);  // ready for the next message
  RC_ASSERT(h.finish() == sha256(whole));
}

// The definition (RFC 2104), slow and obvious.
RC_GTEST_PROP(Hmac, EqualsItsDefinition, (const std::string& key, const std::string& message)) {
  std::string k = key.size() > 64 ? std::string(view(sha256(key))) : key;
  k.resize(64, '\0');
  std::string inner = k, outer = k;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  const Digest want = sha256(outer + std::string(view(sha256(inner + message))));
  RC_ASSERT(hmac_sha256(key, message) == want);
}

TEST(Hmac, EmptyKeyIsAKeyOfItsOwn) {
  const Digest empty = hmac_sha256("", "m");
  static_cast<void>(hmac_sha256("another key", "m"));
  EXPECT_EQ(hmac_sha256({}, "m"), empty);  // not the key of the call before
  EXPECT_NE(hmac_sha256("another key", "m"), empty);
}

TEST(Hkdf, Rfc5869) {
  struct Row {
    std::string ikm, salt, info, okm;
  };
  const Row rows[] = {
      {unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), unhex("000102030405060708090a0b0c"),
       unhex("f0f1f2f3f4f5f6f7f8f9"),
       unhex(
           "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")},
      {unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), "", "",
       unhex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c"
             "8")}};
  for (const Row& row : rows) {
    const auto got = hkdf_sha256(row.ikm, row.salt, row.info, row.okm.size());
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(*got, row.okm);
  }
  EXPECT_EQ(hkdf_sha256("k", "", "", 0).error().code, Errc::kMalformed);
  EXPECT_EQ(hkdf_sha256("k", "", "", 255 * 32 + 1).error().code, Errc::kTooLarge);
  EXPECT_EQ(hkdf_sha256("k", "", "", 255 * 32)->size(), 255u * 32);
}

TEST(Equal, ComparesContentAndLength) {
  EXPECT_TRUE(equal("", ""));
  EXPECT_TRUE(equal("ab", "ab"));
  EXPECT_FALSE(equal("ab", "ac"));
  EXPECT_FALSE(equal("ab", "abc"));
}

TEST(SystemEntropy, FillsEverything) {
  SystemEntropy entropy;
  std::array<std::byte, 4096> bytes{};
  entropy.fill(bytes);
  std::array<int, 256> seen{};
  for (const std::byte b : bytes) ++seen[std::to_integer<std::size_t>(b)];
  for (const int n : seen) EXPECT_LT(n, 100);  // 16 expected; 100 does not happen
  entropy.fill({});
}

}  // namespace
}  // namespace stint::crypto
