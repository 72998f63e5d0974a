#include "stint/codec/json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <limits>

namespace stint::json {
namespace {

using std::literals::operator""sv;

struct Refusal {
  const char* name;
  std::string_view text;
  Errc code;
  std::string_view reason;
};
constexpr Refusal kRefusals[] = {
    {"empty", "", Errc::kMalformed, "json incomplete"},
    {"space", " ", Errc::kMalformed, "json incomplete"},
    {"cut_object", R"({"a":1)", Errc::kMalformed, "json incomplete"},
    {"cut_string", R"("a)", Errc::kMalformed, "json incomplete"},
    {"cut_number", "-", Errc::kMalformed, "json incomplete"},
    {"trailing_value", "{} {}", Errc::kMalformed, "json trailing data"},
    {"trailing_nul", "{}\0"sv, Errc::kMalformed, "json trailing data"},
    {"trailing_digit", "01", Errc::kMalformed, "json trailing data"},
    {"duplicate", R"({"a":1,"a":1})", Errc::kMalformed, "json duplicate key"},
    {"duplicate_far", R"({"a":1,"b":{"a":2},"a":3})", Errc::kMalformed, "json duplicate key"},
    {"duplicate_inner", R"([{"b":{"a":2,"c":[],"a":3}}])", Errc::kMalformed, "json duplicate key"},
    {"duplicate_escaped", R"({"a":1,"\u0061":2})", Errc::kMalformed, "json duplicate key"},
    {"duplicate_empty", R"({"":1,"":2})", Errc::kMalformed, "json duplicate key"},
    {"int64_above", "9223372036854775808", Errc::kMalformed, "json integer range"},
    {"int64_below", "-9223372036854775809", Errc::kMalformed, "json integer range"},
    {"uint64_above", "18446744073709551616", Errc::kMalformed, "json integer range"},
    {"huge_integer", "[100000000000000000000000000000]", Errc::kMalformed, "json integer range"},
    {"infinite", "1e999", Errc::kMalformed, "json number range"},
    {"huge_exponent", "1e99999999999", Errc::kMalformed, "json number range"},
    {"vanishing", "1e-999", Errc::kMalformed, "json number range"},
    {"bad_utf8", "\"\xff\"", Errc::kMalformed, "json utf-8"},
    {"raw_surrogate", "\"\xed\xa0\x80\"", Errc::kMalformed, "json utf-8"},
    {"lone_high", R"("\ud800")", Errc::kMalformed, "json syntax"},
    {"lone_low", R"("\udc00")", Errc::kMalformed, "json surrogate"},
    {"two_high", R"("\ud800\ud800")", Errc::kMalformed, "json surrogate"},
    {"byte_order_mark", "\xef\xbb\xbf{}", Errc::kMalformed, "json syntax"},
    {"raw_control", "\"\x01\"", Errc::kMalformed, "json syntax"},
    {"raw_newline", "\"\n\"", Errc::kMalformed, "json syntax"},
    {"bad_escape", R"("\x41")", Errc::kMalformed, "json syntax"},
    {"comment", "{/**/}", Errc::kMalformed, "json syntax"},
    {"trailing_comma", "[1,]", Errc::kMalformed, "json syntax"},
    {"object_comma", R"({"a":1,})", Errc::kMalformed, "json syntax"},
    {"single_quotes", "{'a':1}", Errc::kMalformed, "json syntax"},
    {"bare_key", "{a:1}", Errc::kMalformed, "json syntax"},
    {"plus", "+1", Errc::kMalformed, "json syntax"},
    {"bare_point", ".5", Errc::kMalformed, "json syntax"},
    {"point_end", "[1.]", Errc::kMalformed, "json syntax"},
    {"nan", "NaN", Errc::kMalformed, "json syntax"},
    {"infinity", "-Infinity", Errc::kMalformed, "json syntax"},
    {"upper_true", "True", Errc::kMalformed, "json syntax"},
};
TEST(JsonParse, Refuses) {
  for (const Refusal& r : kRefusals) {
    const auto got = parse(r.text);
    ASSERT_FALSE(got.has_value()) << r.name;
    EXPECT_EQ(got.error().code, r.code) << r.name;
    EXPECT_EQ(got.error().reason.text(), r.reason) << r.name;
  }
}

TEST(JsonParse, Values) {
  EXPECT_EQ(parse("-9223372036854775808")->as_int64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse("9223372036854775807")->as_int64(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse(" [ 1 , -0 ] ")->as_array().size(), 2U);
  EXPECT_EQ(parse(R"("\ud83d\ude00\u0000")")->as_string(),
            boost::json::string_view("\xf0\x9f\x98\x80\0", 5));
  EXPECT_EQ(parse("5e-324")->as_double(), 5e-324);
  // Boost's own reading of these is off by one bit.
  EXPECT_EQ(parse("1.7976931348623157e308")->as_double(), std::numeric_limits<double>::max());
  EXPECT_EQ(parse("9007199254740993.0")->as_double(), 9007199254740992.0);
  EXPECT_EQ(parse("123456789012345678901234567890.5e-10")->as_double(),
            12345678901234567890.1234567890);
  EXPECT_EQ(parse(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]})")->as_object().size(), 2U);
}

TEST(JsonParse, Limits) {
  const std::string deep = std::string(32, '[') + std::string(32, ']');
  EXPECT_TRUE(parse(deep).has_value());
  const auto deeper = parse("[" + deep + "]");
  ASSERT_FALSE(deeper.has_value());
  EXPECT_EQ(deeper.error().code, Errc::kTooLarge);
  EXPECT_EQ(deeper.error().reason.text(), "json too deep");
  EXPECT_EQ(parse(R"({"a":{"b":1}})", {.bytes = 99, .depth = 1}).error().reason.text(),
            "json too deep");
  EXPECT_TRUE(parse("[1,2]", {.bytes = 5, .depth = 1}).has_value());
  const auto large = parse("[1,22]", {.bytes = 5, .depth = 1});
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().code, Errc::kTooLarge);
  EXPECT_EQ(large.error().reason.text(), "json too large");
  EXPECT_EQ(parse(std::string(60'000, '[')).error().reason.text(), "json too deep");
}

TEST(JsonParse, Object) {
  EXPECT_TRUE(parse_object(R"({"a":1})").has_value());
  EXPECT_EQ(parse_object("[]").error().reason.text(), "json not an object");
}

struct Number {
  std::uint64_t bits;
  std::string_view text;
};
// RFC 8785 appendix B, without the three rows for NaN and the infinities.
constexpr Number kNumbers[] = {
    {0x0000000000000000, "0"},
    {0x8000000000000000, "0"},
    {0x0000000000000001, "5e-324"},
    {0x8000000000000001, "-5e-324"},
    {0x7fefffffffffffff, "1.7976931348623157e+308"},
    {0xffefffffffffffff, "-1.7976931348623157e+308"},
    {0x4340000000000000, "9007199254740992"},
    {0xc340000000000000, "-9007199254740992"},
    {0x4430000000000000, "295147905179352830000"},
    {0x44b52d02c7e14af5, "9.999999999999997e+22"},
    {0x44b52d02c7e14af6, "1e+23"},
    {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
    {0x444b1ae4d6e2ef4e, "999999999999999700000"},
    {0x444b1ae4d6e2ef4f, "999999999999999900000"},
    {0x444b1ae4d6e2ef50, "1e+21"},
    {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
    {0x3eb0c6f7a0b5ed8d, "0.000001"},
    {0x41b3de4355555553, "333333333.3333332"},
    {0x41b3de4355555554, "333333333.33333325"},
    {0x41b3de4355555555, "333333333.3333333"},
    {0x41b3de4355555556, "333333333.3333334"},
    {0x41b3de4355555557, "333333333.33333343"},
    {0xbecbf647612f3696, "-0.0000033333333333333333"},
    {0x43143ff3c1cb0959, "1424953923781206.2"},
};
TEST(JsonCanonical, NumbersOfRfc8785AppendixB) {
  static_assert(std::size(kNumbers) == 24);
  for (const Number& n : kNumbers)
    EXPECT_EQ(canonical(Value(std::bit_cast<double>(n.bits))), n.text);
  EXPECT_DEATH(canonical(Value(std::nan(""))), "");
  EXPECT_DEATH(canonical(Value(std::numeric_limits<double>::infinity())), "");
}

TEST(JsonCanonical, Integers) {
  EXPECT_EQ(canonical(Value(9007199254740992)), "9007199254740992");
  EXPECT_EQ(canonical(Value(9007199254740993)), "9007199254740992");  // the nearest double
  EXPECT_EQ(canonical(Value(-9007199254740993)), "-9007199254740992");
  EXPECT_EQ(canonical(Value(std::numeric_limits<std::uint64_t>::max())), "18446744073709552000");
  EXPECT_EQ(canonical(Value(std::numeric_limits<std::int64_t>::min())), "-9223372036854776000");
}

TEST(JsonCanonical, ExampleOfRfc8785Section322) {
  const auto value = parse(R"({
     "numbers": [333333333.33333329, 1E30, 4.50,
                 2e-3, 0.000000000000000000000000001],
     "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
     "literals": [null, true, false]
   })");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(canonical(*value),
            "{\"literals\":[null,true,false],"
            "\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

TEST(JsonCanonical, SortingOfRfc8785Section323) {
  const auto value = parse(R"({
     "\u20ac": "Euro Sign",
     "\r": "Carriage Return",
     "\ufb33": "Hebrew Letter Dalet With Dagesh",
     "1": "One",
     "\ud83d\ude00": "Emoji: Grinning Face",
     "\u0080": "Control",
     "\u00f6": "Latin Small Letter O With Diaeresis"
   })");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(canonical(*value),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
            "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
            "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
            "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

TEST(JsonCanonical, PrefixKeysAndEscapes) {
  EXPECT_EQ(canonical(*parse(R"({"ab":1,"a":2,"":3,"b":4,"a\u0000":5})")),
            R"({"":3,"a":2,"a\u0000":5,"ab":1,"b":4})");
  EXPECT_EQ(canonical(*parse(R"("\b\t\n\f\r\u001f\u007f\/")")), "\"\\b\\t\\n\\f\\r\\u001f\x7f/\"");
  EXPECT_EQ(canonical(*parse(" [ { } , [ ] ] ")), "[{},[]]");
}

TEST(JsonWrite, KeepsOrderAndKinds) {
  EXPECT_EQ(write(*parse(R"({"b": 1, "a": [1.0, -0.0, 1e300, null, true]})")),
            R"({"b":1,"a":[1.0,-0.0,1e+300,null,true]})");
}

RC_GTEST_PROP(JsonWrite, DoublesRoundTrip, (std::uint64_t bits)) {
  const double d = std::bit_cast<double>(bits);
  RC_PRE(std::isfinite(d));
  RC_ASSERT(std::bit_cast<std::uint64_t>(parse(write(Value(d)))->as_double()) == bits);
  const std::string text = canonical(Value(d));
  RC_ASSERT(std::strtod(text.c_str(), nullptr) == d);  // another reader of the same text
}
RC_GTEST_PROP(JsonWrite, IntegersRoundTrip, (std::int64_t i)) {
  RC_ASSERT(parse(write(Value(i)))->as_int64() == i);
}

TEST(JsonMembers, ReasonsAndValues) {
  const Object o = *parse_object(
      R"({"s":"x","i":-5,"d":1.5,"b":true,"a":["p","q"],"o":{"k":1},"n":null,"mix":["p",1]})");
  EXPECT_EQ(*string_at(o, "s"), "x");
  EXPECT_EQ(*int_at(o, "i"), -5);
  EXPECT_EQ(*bool_at(o, "b"), true);
  EXPECT_EQ((*array_at(o, "a"))->size(), 2U);
  EXPECT_EQ(*int_at(**object_at(o, "o"), "k"), 1);
  EXPECT_EQ(*strings(**array_at(o, "a")), (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(strings(**array_at(o, "mix")).error().reason.text(), "json member type");

  for (const Error& e : {string_at(o, "z").error(), int_at(o, "z").error(), bool_at(o, "z").error(),
                         array_at(o, "z").error(), object_at(o, "z").error()}) {
    EXPECT_EQ(e.code, Errc::kMissing);
    EXPECT_EQ(e.reason.text(), "json member missing");
  }
  for (const Error& e :
       {string_at(o, "i").error(), int_at(o, "d").error(), bool_at(o, "s").error(),
        array_at(o, "o").error(), object_at(o, "a").error(), optional_string_at(o, "n").error(),
        optional_int_at(o, "n").error(), optional_bool_at(o, "n").error(),
        optional_array_at(o, "n").error(), optional_object_at(o, "n").error()}) {
    EXPECT_EQ(e.code, Errc::kMalformed);
    EXPECT_EQ(e.reason.text(), "json member type");
  }
  EXPECT_EQ(*optional_string_at(o, "z"), std::nullopt);
  EXPECT_EQ(*optional_int_at(o, "z"), std::nullopt);
  EXPECT_EQ(*optional_bool_at(o, "z"), std::nullopt);
  EXPECT_EQ(*optional_array_at(o, "z"), nullptr);
  EXPECT_EQ(*optional_object_at(o, "z"), nullptr);
  EXPECT_EQ(*optional_string_at(o, "s"), "x");
}

TEST(JsonMembers, OnlyKeys) {
  const Object o = *parse_object(R"({"a":1,"b":2})");
  EXPECT_TRUE(only_keys(o, {"a", "b", "c"}).has_value());
  const auto refused = only_keys(o, {"a"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::kUnknownKey);
  EXPECT_EQ(refused.error().reason.text(), "json unknown member");
}

}  // namespace
}  // namespace stint::json
