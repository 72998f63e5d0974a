#include "stint/codec/secret_text.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "stint/codec/base62.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint::codec {
namespace {

TEST(Crc32, Vectors) {
  EXPECT_EQ(crc32(""), 0U);
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);  // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(crc32("The quick brown fox jumps over the lazy dog"), 0x414fa339U);
}

TEST(Base62, FixedWidth) {
  EXPECT_EQ(encode_base62(0, 6), "000000");
  EXPECT_EQ(encode_base62(61, 1), "z");
  EXPECT_EQ(encode_base62(62, 2), "10");
  EXPECT_EQ(encode_base62(0xffffffffU, 6), "4gfFC3");
  EXPECT_EQ(encode_base62(0xffffffffffffffffU, 11), "LygHa16AHYF");
  EXPECT_DEATH(encode_base62(62, 1), "");
  EXPECT_TRUE(is_base62("azAZ09"));
  EXPECT_FALSE(is_base62("a-b"));
}

TEST(SecretText, FormAndKind) {
  testkit::SeededEntropy entropy(7);
  const std::string text = make_secret_text("hdl", entropy);
  EXPECT_EQ(text.size(), 6U + 3 + 1 + 32 + 6);
  EXPECT_TRUE(text.starts_with("stint_hdl_"));
  EXPECT_EQ(text.substr(42), encode_base62(crc32(text.substr(0, 42)), 6));
  EXPECT_EQ(secret_kind(text), "hdl");
  EXPECT_TRUE(is_secret_text("hdl", text));
  EXPECT_FALSE(is_secret_text("key", text));
  EXPECT_NE(make_secret_text("hdl", entropy), text);
}

TEST(SecretText, AnyChangedCharacterIsSeen) {
  testkit::SeededEntropy entropy;
  const std::string text = make_secret_text("key", entropy);
  std::size_t tried = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    for (const char c : std::string(kBase62) + "_-") {
      if (c == text[i]) continue;
      std::string changed = text;
      changed[i] = c;
      EXPECT_EQ(secret_kind(changed), std::nullopt) << i << c;
      ++tried;
    }
  EXPECT_GT(tried, 3000U);
  EXPECT_EQ(secret_kind(text.substr(1)), std::nullopt);
  EXPECT_EQ(secret_kind(text + "0"), std::nullopt);
  EXPECT_EQ(secret_kind(""), std::nullopt);
  EXPECT_EQ(secret_kind("stint_"), std::nullopt);
}

TEST(SecretText, BadKindEndsTheProcess) {
  testkit::SeededEntropy entropy;
  EXPECT_DEATH(make_secret_text("", entropy), "");
  EXPECT_DEATH(make_secret_text("a_b", entropy), "");
  EXPECT_DEATH(make_secret_text("seventeencharacte", entropy), "");
}

// Chi-squared over 62 digits: a plain byte % 62 gives about 560 here, a fair draw about 61 +- 11.
TEST(SecretText, DigitsAreUnbiased) {
  testkit::SeededEntropy entropy(42);
  std::array<double, 62> seen{};
  constexpr int kTexts = 3000;
  for (int i = 0; i < kTexts; ++i)
    for (const char c : make_secret_text("x", entropy).substr(8, 32)) seen[kBase62.find(c)] += 1;
  const double expected = kTexts * 32 / 62.0;
  double chi = 0;
  for (const double n : seen) chi += (n - expected) * (n - expected) / expected;
  EXPECT_LT(chi, 130);
}

}  // namespace
}  // namespace stint::codec
