#include "stint/codec/base64.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "stint/codec/base64url.h"
#include "stint/codec/hex.h"

namespace stint::codec {
namespace {

using std::literals::operator""sv;

struct Vector {
  const char* name;
  std::string_view text, bytes, reason;  // reason empty: text decodes to bytes and back
  const char* source;
};
using Decode = Result<std::string> (*)(std::string_view);

template <class Encode>
void check(const Vector& v, Decode decode, Encode encode) {
  SCOPED_TRACE(testing::Message() << v.name << ", " << v.source);
  const auto got = decode(v.text);
  if (!v.reason.empty()) {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code, Errc::kMalformed);
    EXPECT_EQ(got.error().reason.text(), v.reason);
    return;
  }
  ASSERT_TRUE(got.has_value()) << got.error().reason.text();
  EXPECT_EQ(*got, v.bytes);
  EXPECT_EQ(encode(v.bytes), v.text);
}

constexpr Vector kUrlVectors[] = {
    {"empty", "", "", "", "RFC 4648 s10"},
    {"f", "Zg", "f", "", "RFC 4648 s10"},
    {"fo", "Zm8", "fo", "", "RFC 4648 s10"},
    {"foo", "Zm9v", "foo", "", "RFC 4648 s10"},
    {"foob", "Zm9vYg", "foob", "", "RFC 4648 s10"},
    {"fooba", "Zm9vYmE", "fooba", "", "RFC 4648 s10"},
    {"foobar", "Zm9vYmFy", "foobar", "", "RFC 4648 s10"},
    {"rfc7515", "A-z_4ME", "\x03\xec\xff\xe0\xc1", "", "RFC 7515 appendix C"},
    {"nul_byte", "AA", "\0"sv, "", "own: not a C string"},
    {"all_ones", "____", "\xff\xff\xff", "", "own: last digit"},
    {"one_character", "Z", "", "base64url length", "RFC 4648 s4"},
    {"five_characters", "Zm9vY", "", "base64url length", "RFC 4648 s4"},
    {"padding", "Zg==", "", "base64url alphabet", "RFC 7515 s2"},
    {"half_padding", "Zm8=", "", "base64url alphabet", "RFC 7515 s2"},
    {"odd_padding", "Zm9vYg===", "", "base64url alphabet", "RFC 7515 s2"},
    {"standard_plus", "A+z_", "", "base64url alphabet", "RFC 4648 s5"},
    {"standard_slash", "A-z/", "", "base64url alphabet", "RFC 4648 s5"},
    {"line_break", "Zm9v\nZg", "", "base64url alphabet", "RFC 4648 s3.3"},
    {"space", "Zm 9", "", "base64url alphabet", "RFC 4648 s3.3"},
    {"nul_in_text", "Zm\0v"sv, "", "base64url alphabet", "own: not a C string"},
    {"high_bit", "Zm9\xf6", "", "base64url alphabet", "own: char is signed"},
    {"trailing_bits_2", "Zh", "", "base64url trailing bits", "RFC 4648 s3.5"},
    {"trailing_bits_3", "Zm9", "", "base64url trailing bits", "RFC 4648 s3.5"},
};
constexpr Vector kStandardVectors[] = {
    {"empty", "", "", "", "RFC 4648 s10"},
    {"f", "Zg==", "f", "", "RFC 4648 s10"},
    {"fo", "Zm8=", "fo", "", "RFC 4648 s10"},
    {"foo", "Zm9v", "foo", "", "RFC 4648 s10"},
    {"foobar", "Zm9vYmFy", "foobar", "", "RFC 4648 s10"},
    {"plus_slash", "A+z/4ME=", "\x03\xec\xff\xe0\xc1", "", "own: alphabet"},
    {"no_padding", "Zg", "", "base64 length", "RFC 4648 s3.2"},
    {"short_padding", "Zg=", "", "base64 length", "RFC 4648 s3.2"},
    {"three_pads", "Z===", "", "base64 padding", "RFC 4648 s4"},
    {"four_pads", "====", "", "base64 padding", "RFC 4648 s4"},
    {"pad_inside", "Zg==Zg==", "", "base64 alphabet", "RFC 4648 s3.3"},
    {"url_digit", "A-z/", "", "base64 alphabet", "RFC 4648 s4"},
    {"trailing_bits", "Zh==", "", "base64 trailing bits", "RFC 4648 s3.5"},
    {"trailing_bits_1", "Zm9=", "", "base64 trailing bits", "RFC 4648 s3.5"},
};
constexpr Vector kHexVectors[] = {
    {"empty", "", "", "", "RFC 4648 s8"},
    {"foobar", "666f6f626172", "foobar", "", "RFC 4648 s10, in lower case"},
    {"high", "00ff", "\0\xff"sv, "", "own"},
    {"odd", "666", "", "hex length", "own"},
    {"upper", "6F", "", "hex alphabet", "own: one spelling"},
    {"letter", "6g", "", "hex alphabet", "own"},
    {"sign", "-1", "", "hex alphabet", "own: strtol's laxity"},
};

TEST(Base64Url, Vectors) {
  for (const Vector& v : kUrlVectors)
    check(v, decode_base64url, [](std::string_view b) { return encode_base64url(b); });
}
TEST(Base64, Vectors) {
  for (const Vector& v : kStandardVectors)
    check(v, decode_base64, [](std::string_view b) { return encode_base64(b); });
}
TEST(Hex, Vectors) {
  for (const Vector& v : kHexVectors)
    check(v, decode_hex, [](std::string_view b) { return encode_hex(b); });
}

TEST(Base64, SpanIsTheSameAsText) {
  const std::array<std::uint8_t, 3> bytes{0x66, 0x6f, 0x6f};
  EXPECT_EQ(encode_base64url(bytes), "Zm9v");
  EXPECT_EQ(encode_base64(bytes), "Zm9v");
  EXPECT_EQ(encode_hex(bytes), "666f6f");
}

RC_GTEST_PROP(Base64, RoundTrips, (const std::string& bytes)) {
  RC_ASSERT(*decode_base64url(encode_base64url(bytes)) == bytes);
  RC_ASSERT(*decode_base64(encode_base64(bytes)) == bytes);
  RC_ASSERT(*decode_hex(encode_hex(bytes)) == bytes);
}

// Of all texts of up to three characters each value has exactly one: 1 + 256 + 65,536 are decoded.
TEST(Base64Url, EachShortValueHasOneSpelling) {
  std::size_t decoded = 0;
  const auto count = [&](const std::string& text) {
    const auto bytes = decode_base64url(text);
    if (!bytes) return;
    ++decoded;
    ASSERT_EQ(encode_base64url(*bytes), text);
  };
  for (int a = 0; a < 128; ++a)
    for (int b = 0; b < 128; ++b) {
      count({static_cast<char>(a), static_cast<char>(b)});
      for (int c = 0; c < 128; ++c)
        count({static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)});
    }
  EXPECT_EQ(decoded, 256U + 65'536U);
}

}  // namespace
}  // namespace stint::codec
