#include "stint/codec/zlib.h"

#include <gtest/gtest.h>

#include "stint/codec/hex.h"

namespace stint::codec {
namespace {

struct Row {
  const char* name;
  std::string bytes, reason;
};

TEST(Zlib, ComesBack) {
  for (const std::size_t n : {0U, 1U, 100U, 65'536U, 1'000'000U}) {
    std::string plain;
    for (std::size_t i = 0; i < n; ++i) plain += static_cast<char>(i * i >> 7);
    const auto packed = zlib_deflate(plain);
    EXPECT_EQ(zlib_inflate(packed, n).value(), plain);
    if (n == 0) continue;
    const auto less = zlib_inflate(packed, n - 1);
    ASSERT_FALSE(less);
    EXPECT_EQ(less.error().reason.text(), "zlib over the limit");
  }
}

TEST(Zlib, ReadsWhatOthersWrote) {  // python3: zlib.compress(b"stint", 9)
  EXPECT_EQ(zlib_inflate(decode_hex("78da2b2ec9cc2b0100069f0233").value(), 5).value(), "stint");
}

TEST(Zlib, RefusesWhatIsNone) {
  const std::string good = zlib_deflate("stint stint stint");
  std::string checksum = good, raw = good.substr(2, good.size() - 6);
  checksum.back() = static_cast<char>(checksum.back() ^ 1);
  // CMF and FLG with FDICT set, and the id of a dictionary that nobody has.
  const std::string dictionary = std::string("\x78\xbb\0\0\0\1", 6) + raw;
  for (const Row& row :
       {Row{"empty", "", "zlib data"}, Row{"text", "not zlib", "zlib data"},
        Row{"raw_deflate", raw, "zlib data"}, Row{"checksum", checksum, "zlib data"},
        Row{"cut", good.substr(0, good.size() - 1), "zlib data"},
        Row{"dictionary", dictionary, "zlib data"},
        Row{"gzip", std::string("\x1f\x8b\x08\0", 4) + raw, "zlib data"},
        Row{"trailing", good + "x", "zlib trailing bytes"},
        Row{"two", good + good, "zlib trailing bytes"}}) {
    SCOPED_TRACE(row.name);
    const auto got = zlib_inflate(row.bytes, 1000);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().reason.text(), row.reason);
  }
}

TEST(Zlib, ABombIsBounded) {
  const std::string bomb = zlib_deflate(std::string(50'000'000, '\0'));
  EXPECT_LT(bomb.size(), 60'000U);
  const auto got = zlib_inflate(bomb, 4096);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::kTooLarge);
}

}  // namespace
}  // namespace stint::codec
