#include "stint/codec/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <string>

namespace stint::codec {
namespace {

struct Case {
  const char* name;
  std::string_view bytes;
  bool ok;
};
constexpr Case kCases[] = {
    {"empty", "", true},
    {"ascii", "plain text of more than eight bytes", true},
    {"two", "\xc3\xa9", true},
    {"three", "\xe2\x82\xac", true},
    {"four", "\xf0\x9f\x98\x80", true},
    {"last", "\xf4\x8f\xbf\xbf", true},
    {"before_surrogates", "\xed\x9f\xbf", true},
    {"after_surrogates", "\xee\x80\x80", true},
    {"overlong_nul", "\xc0\x80", false},
    {"overlong_slash", "\xc0\xaf", false},
    {"overlong_three", "\xe0\x9f\xbf", false},
    {"overlong_four", "\xf0\x8f\xbf\xbf", false},
    {"surrogate", "\xed\xa0\x80", false},
    {"above", "\xf4\x90\x80\x80", false},
    {"f5", "\xf5\x80\x80\x80", false},
    {"lone_tail", "\x80", false},
    {"cut_two", "\xc3", false},
    {"cut_three", "\xe2\x82", false},
    {"cut_four", "\xf0\x9f\x98", false},
    {"bad_after_ascii", "eight bytes\xff", false},
};
TEST(Utf8, Cases) {
  for (const Case& c : kCases) EXPECT_EQ(is_utf8(c.bytes), c.ok) << c.name;
}

// Slow and obvious: decode by length, then ask about the number.
bool model(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const auto lead = static_cast<unsigned char>(s[i]);
    const std::size_t n = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (n == 0 || i + n > s.size()) return false;
    std::uint32_t point = n == 1 ? lead : lead & (0xffU >> (n + 1));
    for (std::size_t k = 1; k < n; ++k) {
      const auto tail = static_cast<unsigned char>(s[i + k]);
      if (tail >> 6 != 2) return false;
      point = point << 6 | (tail & 63U);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    i += n;
  }
  return true;
}

TEST(Utf8, EveryThreeBytesAgreeWithTheModel) {
  for (std::uint32_t v = 0xc00000; v <= 0xffffff; ++v) {
    const char text[] = {static_cast<char>(v >> 16), static_cast<char>(v >> 8),
                         static_cast<char>(v)};
    const std::string_view s(text, 3);
    ASSERT_EQ(is_utf8(s), model(s)) << std::hex << v;
  }
}
RC_GTEST_PROP(Utf8, AgreesWithTheModel, (const std::string& bytes)) {
  RC_ASSERT(is_utf8(bytes) == model(bytes));
}

}  // namespace
}  // namespace stint::codec
