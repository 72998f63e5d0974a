#include "address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stint::gateway {
namespace {

using namespace std::chrono_literals;

struct Case {
  const char* name;
  std::string_view raw, upstream, target, reason;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr Case kCases[] = {
    {"plain", "/u/desk/tickets/7", "desk", "/tickets/7", ""},
    {"root", "/u/desk/", "desk", "/", ""},
    {"query", "/u/desk/t?a=/u/x/&b", "desk", "/t?a=/u/x/&b", ""},
    {"empty_query", "/u/desk/t?", "desk", "/t?", ""},
    {"escapes_stay", "/u/desk/a%20b", "desk", "/a%20b", ""},
    {"nested", "/u/desk/u/other/x", "desk", "/u/other/x", ""},
    {"no_rest", "/u/desk", "", "", "no such path"},
    {"no_rest_query", "/u/desk?x=/", "", "", "no such path"},
    {"elsewhere", "/v1/tasks", "", "", "no such path"},
    {"upper_prefix", "/U/desk/x", "", "", "no such path"},
    {"escaped_prefix", "/%75/desk/x", "", "", "no such path"},
    {"escaped_name", "/u/d%65sk/x", "", "", "no such path"},
    {"no_name", "/u//x", "", "", "target empty segment"},
    {"absolute", "http://h/u/desk/x", "", "", "target not in origin-form"},
    {"dots", "/u/desk/../other/x", "", "", "target dot segment"},
    {"dots_escaped", "/u/desk/%2e%2E/other/x", "", "", "target dot segment"},
    {"slash_escaped", "/u/desk/a%2fb", "", "", "target encoded slash"},
    {"percent_escaped", "/u/desk/a%252e", "", "", "target encoded percent"},
    {"backslash", "/u/desk/a\\b", "", "", "target backslash"},
};
class ParseAddress : public testing::TestWithParam<Case> {};
TEST_P(ParseAddress, GivesOneMeaningOrNone) {
  const Case& c = GetParam();
  const auto got = parse_address(c.raw);
  if (!c.reason.empty()) {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), c.reason);
    return;
  }
  ASSERT_TRUE(got.has_value()) << got.error().reason.text();
  EXPECT_EQ(got->upstream, c.upstream);
  EXPECT_EQ(got->target.text(), c.target);
  EXPECT_EQ(forwarded("/base", got->target), "/base" + std::string(c.target));
  EXPECT_EQ(forwarded("/", got->target), c.target);
}
INSTANTIATE_TEST_SUITE_P(All, ParseAddress, testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(WantedWait, ReadsThePreferenceAndNothingElse) {
  const auto wait = [](std::string value) { return wanted_wait({{"Prefer", value}}, 55s); };
  EXPECT_EQ(wait("wait=7"), 7s);
  EXPECT_EQ(wait("respond-async, wait=7"), 7s);
  EXPECT_EQ(wait("wait=700"), 55s);
  EXPECT_EQ(wait("wait=-1"), 0s);
  EXPECT_EQ(wait("wait=7s"), 0s);
  EXPECT_EQ(wait("wait=99999999999"), 0s);
  EXPECT_EQ(wait("await=7"), 0s);
  EXPECT_EQ(wanted_wait({}, 55s), 0s);
}

TEST(OfferedCredential, IsTheTokenOrTheBasicPassword) {
  const auto of = [](std::string value) {
    return offered_credential(
        {.method = "GET", .target = "/", .headers = {{"Authorization", value}}});
  };
  EXPECT_EQ(of("Bearer abc"), "abc");
  EXPECT_EQ(of("dpop abc"), "abc");
  EXPECT_EQ(of("Basic dXNlcjpwYTpzcw=="), "pa:ss");
  EXPECT_EQ(of("Basic !!"), std::nullopt);
  EXPECT_EQ(of("Basic dXNlcg=="), std::nullopt);
  EXPECT_EQ(of("Digest x"), std::nullopt);
}

}  // namespace
}  // namespace stint::gateway
