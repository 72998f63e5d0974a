#include "stint/http/target.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace stint::http {
namespace {

using namespace std::literals;

struct Row {
  const char* name;
  std::string target;
  std::string_view reason;  // empty: accepted
  Errc code = Errc::kMalformed;
};

const Row kRows[] = {
    {"root", "/", ""},
    {"plain", "/tickets/7", ""},
    {"escape_of_unreserved", "/%74ickets", ""},
    {"space", "/a%20b", ""},
    {"utf8", "/caf%C3%A9", ""},
    {"trailing_slash", "/a/", ""},
    {"query", "/a?b=%2F%25&c", ""},
    {"empty_query", "/a?", ""},
    {"question_mark_in_query", "/a?b?c", ""},
    {"three_dots", "/...", ""},
    {"hidden_file", "/.git", ""},
    {"empty", "", "target empty"},
    {"absolute_form", "http://h/a", "target not in origin-form", Errc::kWrongTarget},
    {"authority_form", "h:443", "target not in origin-form", Errc::kWrongTarget},
    {"asterisk_form", "*", "target not in origin-form", Errc::kWrongTarget},
    {"query_only", "?a=b", "target not in origin-form", Errc::kWrongTarget},
    {"fragment", "/a#b", "target fragment", Errc::kWrongTarget},
    {"fragment_in_query", "/a?b#c", "target fragment", Errc::kWrongTarget},
    {"double_slash", "//a", "target empty segment", Errc::kWrongTarget},
    {"double_slash_inside", "/a//b", "target empty segment", Errc::kWrongTarget},
    {"double_slash_at_end", "/a//", "target empty segment", Errc::kWrongTarget},
    {"dot", "/./a", "target dot segment", Errc::kWrongTarget},
    {"dot_dot", "/a/../b", "target dot segment", Errc::kWrongTarget},
    {"dot_dot_last", "/a/..", "target dot segment", Errc::kWrongTarget},
    {"encoded_dot", "/a/%2e%2E/b", "target dot segment", Errc::kWrongTarget},
    {"half_encoded_dot", "/a/.%2e", "target dot segment", Errc::kWrongTarget},
    {"segment_parameter", "/tickets/export;x", "target path parameters", Errc::kWrongTarget},
    {"segment_parameter_escaped", "/tickets/export%3bx", "target path parameters",
     Errc::kWrongTarget},
    {"dot_dot_parameter", "/a/..;x/b", "target dot segment", Errc::kWrongTarget},
    {"dot_dot_encoded_parameter", "/a/..%3bx/b", "target dot segment", Errc::kWrongTarget},
    {"encoded_slash", "/a%2fb", "target encoded slash", Errc::kWrongTarget},
    {"encoded_backslash", "/a%5Cb", "target encoded slash", Errc::kWrongTarget},
    {"double_encoding", "/a%252fb", "target encoded percent", Errc::kWrongTarget},
    {"encoded_nul", "/a%00", "target encoded control character", Errc::kWrongTarget},
    {"encoded_crlf", "/a%0d%0ab", "target encoded control character", Errc::kWrongTarget},
    {"encoded_delete", "/a%7f", "target encoded control character", Errc::kWrongTarget},
    {"backslash", "/a\\b", "target backslash", Errc::kWrongTarget},
    {"backslash_in_query", "/a?b\\c", "target backslash", Errc::kWrongTarget},
    {"overlong_slash", "/a%c0%afb", "target not utf-8", Errc::kWrongTarget},
    {"latin1", "/caf%E9", "target not utf-8", Errc::kWrongTarget},
    {"short_escape", "/a%2", "target escape"},
    {"bad_escape", "/a%zz", "target escape"},
    {"bad_escape_in_query", "/a?b=%4", "target escape"},
    {"raw_space", "/a b", "target control character"},
    {"raw_nul", "/a\0b"s, "target control character"},
    {"raw_lf", "/a\nb", "target control character"},
    {"raw_utf8", "/caf\xc3\xa9", "target not ascii"},
    {"too_large", "/" + std::string(kMaxTargetBytes, 'a'), "target too large", Errc::kTooLarge},
};

class TargetRows : public testing::TestWithParam<Row> {};
TEST_P(TargetRows, IsJudged) {
  const Row& row = GetParam();
  const auto got = parse_target(row.target);
  if (!row.reason.empty()) {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
    EXPECT_EQ(got.error().code, row.code);
    return;
  }
  ASSERT_TRUE(got.has_value()) << got.error().reason.text();
  EXPECT_EQ(got->text(), row.target);  // what was judged is what is forwarded
}
INSTANTIATE_TEST_SUITE_P(All, TargetRows, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Target, SegmentsAreDecodedOnce) {
  const auto got = parse_target("/a%20b/%74/?x=1");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->segments, (std::vector<std::string>{"a b", "t", ""}));
  EXPECT_EQ(got->path, "/a%20b/%74/");
  EXPECT_EQ(got->query, "x=1");
}

TEST(Target, SegmentLimit) {
  std::string most, over;
  for (std::size_t i = 0; i < kMaxSegments; ++i) most += "/a";
  over = most + "/a";
  EXPECT_TRUE(parse_target(most));
  const auto got = parse_target(over);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason.text(), "target too many segments");
}

TEST(Query, DecodesAndKeepsRepetition) {
  const auto got = parse_query("a=1&a=2&b+c=%26&d&&e=");
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, (std::vector<QueryParameter>{
                      {"a", "1"}, {"a", "2"}, {"b c", "&"}, {"d", ""}, {"e", ""}}));
}

TEST(Query, Limits) {
  std::string many;
  for (std::size_t i = 0; i <= kMaxQueryParameters; ++i) many += "&a";
  const auto got = parse_query(many);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason.text(), "query parameter count");
  EXPECT_EQ(parse_query("a=%g0").error().reason.text(), "query escape");
}

// Any segments, escaped in any way that is allowed, come back as they were.
RC_GTEST_PROP(Target, DecodingUndoesEscaping, ()) {
  const std::string allowed =
      "abcXYZ019 !\"#$&'()*+,-.:<=>?@[]^_`{|}~";  // all that is printable but / \\ % ;
  const auto texts = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::elementOf(allowed)))));
  std::string target;
  for (const std::string& text : texts) {
    RC_PRE(text != "." && text != "..");
    target += '/';
    for (const char c : text) {
      const bool must = std::string_view(" #?").find(c) != std::string_view::npos;
      if (must || *rc::gen::inRange(0, 3) == 0) {
        constexpr char kHex[] = "0123456789abcdef";
        target += '%';
        target += kHex[static_cast<unsigned char>(c) >> 4];
        target += kHex[static_cast<unsigned char>(c) & 15];
      } else {
        target += c;
      }
    }
  }
  RC_PRE(target.size() <= kMaxTargetBytes);
  const auto got = parse_target(target);
  RC_ASSERT(got.has_value());
  RC_ASSERT(got->segments == texts);
  RC_ASSERT(got->path == target);
}

}  // namespace
}  // namespace stint::http
