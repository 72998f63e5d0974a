#include "body_decoder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace stint::net {
namespace {
using http::Framing;
using Kind = Framing::Kind;
using namespace std::literals;

struct Out {
  std::string body, rest;
  std::string_view error;
  bool done = false;
};

// Feeds `in` in pieces of `step` bytes and takes the body in pieces of `room`.
Out run(Framing framing, std::string_view in, std::size_t step, std::size_t room,
        std::size_t overhead = 1000) {
  BodyDecoder decoder(framing, overhead);
  Out out;
  while (!decoder.done() && !in.empty()) {
    std::string_view now = in.substr(0, step);
    const auto got = decoder.decode(now, room);
    if (!got) {
      out.error = got.error().reason.text();
      return out;
    }
    EXPECT_LE(got->data.size(), room);
    out.body += got->data;
    in.remove_prefix(got->consumed);
  }
  out.rest = in;
  out.done = decoder.done();
  return out;
}

struct Row {
  const char* name;
  std::string_view in, body, rest, error;
  bool done;
};
constexpr Row kRows[] = {
    {"two_chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nNEXT", "abcde", "NEXT", "", true},
    {"upper_hex", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "", "", true},
    {"leading_zeros", "0003\r\nabc\r\n000\r\n\r\n", "abc", "", "", true},
    {"extension", "3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n", "abc", "", "", true},
    {"trailers", "0\r\nA: b\r\nC-D:\r\n\r\n", "", "", "", true},
    {"cut_short", "5\r\nabc", "abc", "", "", false},
    {"no_size", "\r\nabc", "", "", "chunk size missing", false},
    {"not_hex", "3g\r\n", "", "", "chunk size not hex", false},
    {"space_after_size", "3 \r\nabc", "", "", "chunk size not hex", false},
    {"space_before_size", " 3\r\nabc", "", "", "chunk size missing", false},
    {"0x", "0x3\r\nabc", "", "", "chunk size not hex", false},
    {"minus", "-3\r\nabc", "", "", "chunk size missing", false},
    {"16_digits", "0000000000000003\r\nabc", "", "", "chunk size over the limit", false},
    {"overflow", "ffffffffffffffff\r\n", "", "", "chunk size over the limit", false},
    {"lf_after_size", "3\nabc\r\n0\r\n\r\n", "", "", "chunk size not hex", false},
    {"cr_alone", "3\rabc", "", "", "chunk size line ending", false},
    {"lf_in_extension", "3;a\nabc\r\n", "", "", "chunk extension characters", false},
    {"data_too_long", "3\r\nabcd\r\n0\r\n\r\n", "abc", "", "chunk data longer than its size",
     false},
    {"lf_after_data", "3\r\nabc\n0\r\n\r\n", "abc", "", "chunk data longer than its size", false},
    {"cr_then_junk", "3\r\nabc\rX", "abc", "", "chunk data line ending", false},
    {"trailer_name", "0\r\nA B: c\r\n\r\n", "", "", "trailer name", false},
    {"trailer_folded", "0\r\nA: b\r\n c\r\n\r\n", "", "", "trailer name", false},
    {"trailer_nul", "0\r\nA: \0\r\n\r\n"sv, "", "", "trailer value characters", false},
    {"trailer_lf", "0\r\nA: b\n\r\n", "", "", "trailer value characters", false},
    {"trailer_cr", "0\r\nA: b\rc", "", "", "trailer line ending", false},
    {"last_cr", "0\r\n\rX", "", "", "last line ending", false},
    {"last_lf", "0\r\n\n", "", "", "trailer name", false},
};

TEST(BodyDecoder, ChunkTable) {
  std::size_t ran = 0;
  for (const Row& row : kRows) {
    for (const std::size_t step : {1UL, 2UL, 7UL, 1000UL}) {
      for (const std::size_t room : {1UL, 3UL, 1000UL}) {
        SCOPED_TRACE(row.name);
        const Out out = run({Kind::kChunked, 0}, row.in, step, room);
        EXPECT_EQ(out.error, row.error);
        if (row.error.empty()) EXPECT_EQ(out.body, row.body);
        EXPECT_EQ(out.done, row.done);
        if (row.done) EXPECT_EQ(out.rest, row.rest);
        ++ran;
      }
    }
  }
  EXPECT_EQ(ran, 27U * 12U);
}

TEST(BodyDecoder, OverheadIsBounded) {
  const std::string extension = "1;" + std::string(20, 'x') + "\r\na\r\n0\r\n\r\n";
  EXPECT_EQ(run({Kind::kChunked, 0}, extension, 1000, 1000, 21).error, "");
  EXPECT_EQ(run({Kind::kChunked, 0}, extension, 1000, 1000, 20).error,
            "chunk overhead over the limit");
  const std::string trailer = "0\r\n" + std::string(30, 'x') + ": y\r\n\r\n";
  EXPECT_EQ(run({Kind::kChunked, 0}, trailer, 1000, 1000, 20).error,
            "chunk overhead over the limit");
}

TEST(BodyDecoder, LengthNoneAndUntilClose) {
  EXPECT_EQ(run({Kind::kLength, 3}, "abcdef", 1, 1).rest, "def");
  EXPECT_TRUE(BodyDecoder({Kind::kNone, 0}, 0).done());
  EXPECT_TRUE(BodyDecoder({Kind::kLength, 0}, 0).done());
  BodyDecoder open({Kind::kUntilClose, 0}, 0);
  EXPECT_EQ(open.decode("abc")->data, "abc");
  EXPECT_FALSE(open.done());
  EXPECT_TRUE(open.at_end());
  EXPECT_TRUE(open.done());
  BodyDecoder cut({Kind::kLength, 5}, 0);
  EXPECT_EQ(cut.decode("abc")->data, "abc");
  EXPECT_EQ(cut.at_end().error().reason.text(), "body truncated");
  BodyDecoder chunks({Kind::kChunked, 0}, 0);
  EXPECT_EQ(chunks.at_end().error().reason.text(), "body truncated");
}

TEST(BodyDecoder, StaysBroken) {
  BodyDecoder decoder({Kind::kChunked, 0}, 0);
  EXPECT_FALSE(decoder.decode("x"));
  EXPECT_EQ(decoder.decode("3\r\nabc\r\n0\r\n\r\n").error().reason.text(), "body broken before");
}

RC_GTEST_PROP(BodyDecoder, CutsDoNotMatter,
              (const std::vector<std::string>& chunks, std::uint8_t step, std::uint8_t room)) {
  std::string wire, body;
  for (const auto& chunk : chunks) {
    if (chunk.empty()) continue;
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
    wire += size + chunk + "\r\n";
    body += chunk;
  }
  wire += "0\r\n\r\nrest";
  const Out out = run({Kind::kChunked, 0}, wire, step + 1U, room + 1U);
  RC_ASSERT(out.error.empty());
  RC_ASSERT(out.done);
  RC_ASSERT(out.body == body);
  RC_ASSERT(out.rest == "rest");
}

}  // namespace
}  // namespace stint::net
