#include "stint/codec/form.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>

#include "stint/codec/nearest.h"
#include "stint/codec/utf8.h"

namespace stint::codec {
namespace {

TEST(Form, Reads) {
  const Form f = *parse_form(
      "grant_type=refresh_token&scope=&x=a%20b+c%26&resource=1&resource=2&bare&e=%C3%A9&q=a=b");
  EXPECT_EQ(f.parameters().size(), 8U);
  EXPECT_EQ(*f.require("grant_type"), "refresh_token");
  EXPECT_EQ(*f.optional("x"), "a b c&");
  EXPECT_EQ(*f.optional("scope"), std::nullopt);  // RFC 6749 s3.1
  EXPECT_EQ(*f.optional("bare"), std::nullopt);
  EXPECT_EQ(*f.optional("absent"), std::nullopt);
  EXPECT_EQ(*f.optional("e"), "\xc3\xa9");
  EXPECT_EQ(*f.optional("q"), "a=b");
  EXPECT_EQ(f.all("resource"), (std::vector<std::string_view>{"1", "2"}));
  EXPECT_EQ(f.optional("resource").error().reason.text(), "form parameter repeated");
  EXPECT_EQ(f.require("scope").error().reason.text(), "form parameter missing");
  EXPECT_EQ(f.require("scope").error().code, Errc::kMissing);
  EXPECT_EQ(f.no_repeats().error().reason.text(), "form parameter repeated");
  constexpr std::array<std::string_view, 1> kMayRepeat{"resource"};
  EXPECT_TRUE(f.no_repeats(kMayRepeat).has_value());
  EXPECT_TRUE(parse_form("")->empty());
}

TEST(Form, RepeatedEmptyIsStillRepeated) {
  EXPECT_EQ(parse_form("a=&a=1")->optional("a").error().reason.text(), "form parameter repeated");
  EXPECT_EQ(parse_form("a=&%61=")->no_repeats().error().reason.text(), "form parameter repeated");
}

struct Refusal {
  const char* text;
  std::string_view reason;
};
constexpr Refusal kRefusals[] = {
    {"a=1&", "form empty parameter"},
    {"&a=1", "form empty parameter"},
    {"a=1&&b=2", "form empty parameter"},
    {"=1", "form empty parameter"},
    {"a=%", "form escape"},
    {"a=%4", "form escape"},
    {"%zz=1", "form escape"},
    {"a=b c", "form characters"},
    {"a=b\n", "form characters"},
    {"a=\xc3\xa9", "form characters"},
    {"a=%FF", "form utf-8"},
    {"a=%ED%A0%80", "form utf-8"},
};
TEST(Form, Refuses) {
  for (const Refusal& r : kRefusals) {
    const auto got = parse_form(r.text);
    ASSERT_FALSE(got.has_value()) << r.text;
    EXPECT_EQ(got.error().code, Errc::kMalformed) << r.text;
    EXPECT_EQ(got.error().reason.text(), r.reason) << r.text;
  }
}
TEST(Form, Limits) {
  EXPECT_TRUE(parse_form("a=1&b=2", {.bytes = 7, .parameters = 2}).has_value());
  const auto large = parse_form("a=1&b=22", {.bytes = 7, .parameters = 2});
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().code, Errc::kTooLarge);
  EXPECT_EQ(large.error().reason.text(), "form too large");
  const auto many = parse_form("a=1&b=2", {.bytes = 7, .parameters = 1});
  ASSERT_FALSE(many.has_value());
  EXPECT_EQ(many.error().code, Errc::kTooLarge);
  EXPECT_EQ(many.error().reason.text(), "form too many parameters");
}

RC_GTEST_PROP(Form, RoundTrips, (const std::vector<std::pair<std::string, std::string>>& pairs)) {
  Form f;
  for (const auto& [name, value] : pairs)
    if (!name.empty() && is_utf8(name) && is_utf8(value)) f.add(name, value);
  const auto got = parse_form(f.str(), {.bytes = 1 << 20, .parameters = 1000});
  RC_ASSERT(got.has_value());
  RC_ASSERT(*got == f);
}

TEST(Nearest, Cases) {
  constexpr std::array<std::string_view, 6> kKnown{"upstream", "credential", "actions",
                                                   "action",   "kind",       "url"};
  EXPECT_EQ(nearest("upsteam", kKnown), "upstream");       // deletion
  EXPECT_EQ(nearest("credentail", kKnown), "credential");  // transposition
  EXPECT_EQ(nearest("kinds", kKnown), "kind");             // insertion
  EXPECT_EQ(nearest("actoins", kKnown), "actions");
  EXPECT_EQ(nearest("Kind", kKnown), "kind");
  EXPECT_EQ(nearest("uri", kKnown), "url");
  EXPECT_EQ(nearest("action", kKnown), "action");
  EXPECT_EQ(nearest("xyz", kKnown), "");
  EXPECT_EQ(nearest("kxxd", kKnown), "");
  EXPECT_EQ(nearest("", kKnown), "");
  EXPECT_EQ(nearest(std::string(65, 'a'), kKnown), "");
  EXPECT_EQ(nearest("a", {}), "");
}

}  // namespace
}  // namespace stint::codec
