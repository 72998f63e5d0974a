#include "stint/http/parse.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace stint::http {
namespace {

using namespace std::literals;

struct Row {
  const char* name;
  std::string block;
  std::string_view reason;
};
const Row kRows[] = {
    {"plain", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", ""},
    {"no_space_after_colon", "GET /a HTTP/1.1\r\nHost:h\r\n\r\n", ""},
    {"empty_value", "GET /a HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n", ""},
    {"http10", "GET /a HTTP/1.0\r\n\r\n", ""},
    {"bare_lf", "GET /a HTTP/1.1\nHost: h\n\n", "head not ended"},
    {"lf_in_value", "GET /a HTTP/1.1\r\nX: a\nY: b\r\n\r\n", "header value"},
    {"cr_in_value", "GET /a HTTP/1.1\r\nX: a\rY: b\r\n\r\n", "header value"},
    {"nul_in_value", "GET /a HTTP/1.1\r\nX: a\0b\r\n\r\n"s, "header value"},
    {"folded", "GET /a HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "header folded"},
    {"folded_first", "GET /a HTTP/1.1\r\n X: a\r\n\r\n", "header folded"},
    {"space_before_colon", "GET /a HTTP/1.1\r\nContent-Length : 3\r\n\r\n", "header name"},
    {"no_colon", "GET /a HTTP/1.1\r\nHost h\r\n\r\n", "header without colon"},
    {"no_name", "GET /a HTTP/1.1\r\n: h\r\n\r\n", "header name"},
    {"two_spaces", "GET  /a HTTP/1.1\r\n\r\n", "request line"},
    {"tab", "GET\t/a\tHTTP/1.1\r\n\r\n", "request line"},
    {"space_in_target", "GET /a b HTTP/1.1\r\n\r\n", "request line"},
    {"leading_empty_line", "\r\nGET /a HTTP/1.1\r\n\r\n", "request line"},
    {"http09", "GET /a\r\n\r\n", "request line"},
    {"http2", "PRI * HTTP/2.0\r\n\r\n", "http version"},
    {"version_case", "GET /a http/1.1\r\n\r\n", "http version"},
    {"version_12", "GET /a HTTP/1.2\r\n\r\n", "http version"},
    {"not_ended", "GET /a HTTP/1.1\r\nHost: h\r\n", "head not ended"},
    {"bytes_after", "GET /a HTTP/1.1\r\n\r\nX", "bytes after head"},
    {"empty", "", "head not ended"},
    {"too_large", "GET /a HTTP/1.1\r\nX: " + std::string(16384, 'a') + "\r\n\r\n",
     "head too large"},
};
class ParseRows : public testing::TestWithParam<Row> {};
TEST_P(ParseRows, IsJudged) {
  const auto got = parse_request_head(GetParam().block);
  if (GetParam().reason.empty()) {
    EXPECT_TRUE(got.has_value()) << got.error().reason.text();
  } else {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), GetParam().reason);
  }
}
INSTANTIATE_TEST_SUITE_P(All, ParseRows, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Parse, ReadsAHead) {
  const auto got =
      parse_request_head("POST /a?b HTTP/1.1\r\nHost: h\r\nX: \t a b \t\r\nx: 2\r\n\r\n");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->method, "POST");
  EXPECT_EQ(got->target, "/a?b");
  EXPECT_EQ(got->headers, (Headers{{"Host", "h"}, {"X", "a b"}, {"x", "2"}}));
}

TEST(Parse, FieldLimitIsCheckedWhileReading) {
  std::string block = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 65; ++i) block += "X: 1\r\n";
  EXPECT_EQ(parse_request_head(block + "\r\n").error().reason.text(), "head too many fields");
}

TEST(Parse, ReadsAResponse) {
  const auto got = parse_response_head("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 404u);
  EXPECT_TRUE(parse_response_head("HTTP/1.1 200 \r\n\r\n"));
  EXPECT_TRUE(parse_response_head("HTTP/1.1 200\r\n\r\n"));
  EXPECT_EQ(parse_response_head("HTTP/1.0 200 OK\r\n\r\n")->version, Version::k10);
  for (const char* bad :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1  200\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n", "ICY 200 OK\r\n\r\n"})
    EXPECT_EQ(parse_response_head(bad).error().reason.text(), "status line") << bad;
  EXPECT_EQ(parse_response_head("HTTP/3.0 200 OK\r\n\r\n").error().reason.text(), "http version");
}

TEST(Parse, FindsTheEndHoweverTheBytesCome) {
  const std::string block = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
  const std::string bytes = block + "body\r\n\r\n";
  for (std::size_t looked = 0; looked < block.size(); ++looked) {
    ASSERT_EQ(find_head_end(std::string_view(bytes).substr(0, looked)), std::nullopt);
    ASSERT_EQ(find_head_end(bytes, looked), block.size());
  }
}

// Any head that passes its checks survives being written and read.
RC_GTEST_PROP(Parse, WrittenHeadsReadBack, ()) {
  const auto token = rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf("abcXYZ019!#$%&'*+-.^_`|~"s)));
  const auto text = rc::gen::container<std::string>(rc::gen::inRange<char>(0x20, 0x7f));
  RequestHead head{*rc::gen::elementOf(std::vector<std::string>{"GET", "POST", "M-SEARCH"}),
                   "/" + *rc::gen::container<std::string>(rc::gen::elementOf("ab/?=%41"s)),
                   {}};
  const int fields = *rc::gen::inRange(0, 8);
  for (int i = 0; i < fields; ++i) {
    std::string value = *text;
    while (!value.empty() && value.front() == ' ') value.erase(0, 1);
    while (!value.empty() && value.back() == ' ') value.pop_back();
    head.headers.add(*token, value);
  }
  const std::string block = write_head(head);
  RC_ASSERT(find_head_end(block) == block.size());
  const auto got = parse_request_head(
      block, {.bytes = 1 << 20, .fields = 8, .value_bytes = 1 << 19, .name_bytes = 1 << 10});
  RC_ASSERT(got.has_value());
  RC_ASSERT(got->method == head.method);
  RC_ASSERT(got->target == head.target);
  RC_ASSERT(got->headers == head.headers);
}

}  // namespace
}  // namespace stint::http
