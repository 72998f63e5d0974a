#include "stint/http/check.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace stint::http {
namespace {

using namespace std::literals;

struct Row {
  const char* name;
  RequestHead head;
  std::string_view reason;  // empty: accepted
};

RequestHead get(std::initializer_list<Header> more, std::string method = "GET") {
  RequestHead head{std::move(method), "/", {{"Host", "h"}}};
  for (const Header& h : more) head.headers.add(h.name, h.value);
  return head;
}
RequestHead post(std::initializer_list<Header> more) { return get(more, "POST"); }
RequestHead old(std::string method, std::initializer_list<Header> more) {
  RequestHead head = get(more, std::move(method));
  head.version = Version::k10;
  return head;
}

const Row kRows[] = {
    {"plain", get({}), ""},
    {"length", post({{"Content-Length", "3"}}), ""},
    {"length_zero", post({{"Content-Length", "0"}}), ""},
    {"chunked", post({{"Transfer-Encoding", "chunked"}}), ""},
    {"chunked_case", post({{"transfer-encoding", "Chunked"}}), ""},
    {"connection_close", get({{"Connection", "close"}}), ""},
    {"connection_te", get({{"Connection", "TE, keep-alive"}, {"TE", "trailers"}}), ""},
    {"expect", post({{"Content-Length", "1"}, {"Expect", "100-continue"}}), ""},
    {"repeated_accept", get({{"Accept", "a"}, {"Accept", "b"}}), ""},
    {"obs_text", get({{"X", "\xe9"}}), ""},
    {"http10_get", old("GET", {}), ""},
    {"underscore", get({{"X_Anything", "1"}}), ""},
    {"cl_te", post({{"Content-Length", "3"}, {"Transfer-Encoding", "chunked"}}),
     "content-length beside transfer-encoding"},
    {"two_cl_equal", post({{"Content-Length", "3"}, {"Content-Length", "3"}}),
     "content-length repeated"},
    {"two_cl_case", post({{"Content-Length", "3"}, {"content-length", "4"}}),
     "content-length repeated"},
    {"cl_list", post({{"Content-Length", "3, 3"}}), "content-length not a number"},
    {"cl_sign", post({{"Content-Length", "+3"}}), "content-length not a number"},
    {"cl_negative", post({{"Content-Length", "-1"}}), "content-length not a number"},
    {"cl_hex", post({{"Content-Length", "0x3"}}), "content-length not a number"},
    {"cl_space", post({{"Content-Length", "3 4"}}), "content-length not a number"},
    {"cl_empty", post({{"Content-Length", ""}}), "content-length not a number"},
    {"cl_overflow", post({{"Content-Length", "18446744073709551617"}}), "content-length too large"},
    {"cl_over_int64", post({{"Content-Length", "9223372036854775808"}}),
     "content-length too large"},
    {"te_identity", post({{"Transfer-Encoding", "identity"}}), "transfer-encoding not chunked"},
    {"te_list", post({{"Transfer-Encoding", "gzip, chunked"}}), "transfer-encoding not chunked"},
    {"te_twice_in_one", post({{"Transfer-Encoding", "chunked, chunked"}}),
     "transfer-encoding not chunked"},
    {"te_quoted", post({{"Transfer-Encoding", "\"chunked\""}}), "transfer-encoding not chunked"},
    {"te_tab", post({{"Transfer-Encoding", "\tchunked"}}), "header value"},
    {"te_vtab", post({{"Transfer-Encoding", "\vchunked"}}), "header value"},
    {"te_nul", post({{"Transfer-Encoding", "chunked\0"s}}), "header value"},
    {"two_te", post({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}),
     "transfer-encoding repeated"},
    {"te_underscore", post({{"Transfer_Encoding", "chunked"}}), "header name imitates another"},
    {"cl_underscore", post({{"Content_Length", "3"}}), "header name imitates another"},
    {"authorization_underscore", get({{"Authorization_", "x"}}), ""},
    {"no_host", {"GET", "/", {}}, "host missing"},
    {"two_hosts", get({{"host", "i"}}), "host repeated"},
    {"host_userinfo", {"GET", "/", {{"Host", "a@h"}}}, "host malformed"},
    {"host_path", {"GET", "/", {{"Host", "h/x"}}}, "host malformed"},
    {"host_port", {"GET", "/", {{"Host", "h:44a"}}}, "host malformed"},
    {"host_ipv6", {"GET", "/", {{"Host", "[::1]:7443"}}}, ""},
    {"host_ipv6_open", {"GET", "/", {{"Host", "[::1"}}}, "host malformed"},
    {"host_empty", {"GET", "/", {{"Host", ""}}}, "host malformed"},
    {"host_list", {"GET", "/", {{"Host", "a, b"}}}, "host malformed"},
    {"two_authorization", get({{"Authorization", "DPoP a"}, {"Authorization", "DPoP b"}}),
     "header repeated"},
    {"two_dpop", get({{"DPoP", "a"}, {"dpop", "b"}}), ""},  // refused by who reads proofs
    {"two_cookie", get({{"Cookie", "a"}, {"Cookie", "b"}}), "header repeated"},
    {"two_content_type", post({{"Content-Type", "a"}, {"Content-Type", "b"}}), "header repeated"},
    {"name_space", get({{"X ", "1"}}), "header name"},
    {"name_empty", get({{"", "1"}}), "header name"},
    {"name_colon", get({{"X:", "1"}}), "header name"},
    {"name_crlf", get({{"X\r\nY", "1"}}), "header name"},
    {"value_crlf", get({{"X", "1\r\nAuthorization: x"}}), "header value"},
    {"value_lf", get({{"X", "1\n2"}}), "header value"},
    {"value_folded", get({{"X", "1\r\n 2"}}), "header value"},
    {"value_nul", get({{"X", "1\0"s}}), "header value"},
    {"connection_authorization", get({{"Connection", "close, Authorization"}}),
     "connection names an end-to-end header"},
    {"connection_host", get({{"Connection", "host"}}), "connection names an end-to-end header"},
    {"connection_dpop", get({{"Connection", "keep-alive,dpop"}}),
     "connection names an end-to-end header"},
    {"connection_stint", get({{"Connection", "Stint-Task"}}),
     "connection names an end-to-end header"},
    {"connection_garbage", get({{"Connection", "a b"}}), "connection option"},
    {"upgrade", get({{"Connection", "upgrade"}, {"Upgrade", "websocket"}}), "upgrade"},
    {"trailer", post({{"Transfer-Encoding", "chunked"}, {"Trailer", "X"}}), "trailer"},
    {"expect_other", post({{"Expect", "200-ok"}}), "expect not 100-continue"},
    {"connect", get({}, "CONNECT"), "method connect"},
    {"trace", get({}, "TRACE"), "method trace"},
    {"lower_case", get({}, "get"), "method in lower case"},
    {"method_space", get({}, "GET /x"), "method not a token"},
    {"method_empty", get({}, ""), "method not a token"},
    {"method_long", get({}, std::string(33, 'A')), "method too large"},
    {"http10_te", old("POST", {{"Transfer-Encoding", "chunked"}}), "transfer-encoding in http/1.0"},
    {"http10_no_length", old("POST", {}), "content-length missing in http/1.0"},
    {"http10_get_body", old("GET", {{"Content-Length", "3"}}), "body on get in http/1.0"},
    {"http10_expect", old("POST", {{"Content-Length", "3"}, {"Expect", "100-continue"}}),
     "expect in http/1.0"},
    {"value_large", get({{"X", std::string(8193, 'a')}}), "head too large"},
    {"name_large", get({{std::string(65, 'a'), "1"}}), "head too large"},
};

class CheckRows : public testing::TestWithParam<Row> {};
TEST_P(CheckRows, IsJudged) {
  const Row& row = GetParam();
  const auto got = check_head(row.head);
  if (row.reason.empty()) {
    EXPECT_TRUE(got.has_value()) << got.error().reason.text();
  } else {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
  }
}
INSTANTIATE_TEST_SUITE_P(All, CheckRows, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Check, CountAndTotalSize) {
  RequestHead many = get({});
  for (int i = 0; i < 63; ++i) many.headers.add("X" + std::to_string(i), "1");
  EXPECT_TRUE(check_head(many));
  many.headers.add("Y", "1");
  EXPECT_EQ(check_head(many).error().reason.text(), "head too many fields");

  RequestHead large = get({{"A", std::string(8000, 'a')}, {"B", std::string(8000, 'b')}});
  EXPECT_TRUE(check_head(large));
  large.headers.add("C", std::string(500, 'c'));
  EXPECT_EQ(check_head(large).error().reason.text(), "head too large");
}

TEST(Check, RequestFraming) {
  EXPECT_EQ(request_framing(get({})), (Framing{Framing::Kind::kNone, 0}));
  EXPECT_EQ(request_framing(post({{"Content-Length", "12"}})),
            (Framing{Framing::Kind::kLength, 12}));
  EXPECT_EQ(request_framing(post({{"Transfer-Encoding", "chunked"}})),
            (Framing{Framing::Kind::kChunked, 0}));
}

struct ResponseRow {
  const char* name;
  ResponseHead head;
  std::string_view method, reason;
  Framing framing{};
};
const ResponseRow kResponses[] = {
    {"length", {200, {{"Content-Length", "5"}}}, "GET", "", {Framing::Kind::kLength, 5}},
    {"chunked", {200, {{"Transfer-Encoding", "chunked"}}}, "GET", "", {Framing::Kind::kChunked, 0}},
    {"close", {200, {}}, "GET", "", {Framing::Kind::kUntilClose, 0}},
    {"head", {200, {{"Content-Length", "5"}}}, "HEAD", "", {}},
    {"not_modified", {304, {{"Content-Length", "5"}}}, "GET", "", {}},
    {"no_content", {204, {}}, "GET", "", {}},
    {"continue", {100, {}}, "POST", "", {}},
    {"no_content_length", {204, {{"Content-Length", "5"}}}, "GET", "body on bodiless status"},
    {"informational_chunked",
     {103, {{"Transfer-Encoding", "chunked"}}},
     "GET",
     "body on bodiless status"},
    {"cl_te",
     {200, {{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}},
     "GET",
     "content-length beside transfer-encoding"},
    {"two_cl",
     {200, {{"Content-Length", "5"}, {"Content-Length", "6"}}},
     "GET",
     "content-length repeated"},
    {"te_gzip", {200, {{"Transfer-Encoding", "gzip"}}}, "GET", "transfer-encoding not chunked"},
    {"te_10",
     {200, {{"Transfer-Encoding", "chunked"}}, Version::k10},
     "GET",
     "transfer-encoding in http/1.0"},
    {"switching", {101, {}}, "GET", "switching protocols"},
    {"status", {700, {}}, "GET", "status out of range"},
    {"value", {200, {{"X", "a\nb"}}}, "GET", "header value"},
};
class ResponseRows : public testing::TestWithParam<ResponseRow> {};
TEST_P(ResponseRows, IsJudged) {
  const ResponseRow& row = GetParam();
  const auto got = check_response(row.head, row.method);
  if (row.reason.empty()) {
    ASSERT_TRUE(got.has_value()) << got.error().reason.text();
    EXPECT_EQ(*got, row.framing);
  } else {
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
  }
}
INSTANTIATE_TEST_SUITE_P(All, ResponseRows, testing::ValuesIn(kResponses),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(Check, ConnectionWords) {
  EXPECT_FALSE(wants_close(get({})));
  EXPECT_TRUE(wants_close(get({{"Connection", "TE, Close"}})));
  EXPECT_TRUE(wants_close(old("GET", {})));
  EXPECT_FALSE(wants_close(old("GET", {{"Connection", "keep-alive"}})));
  EXPECT_TRUE(expects_continue(post({{"Expect", "100-Continue"}, {"Content-Length", "1"}})));
  EXPECT_FALSE(expects_continue(post({{"Expect", "100-continue"}})));
}

// Whatever fields come in whatever order: an accepted head has one way to be framed.
RC_GTEST_PROP(Check, AcceptedFramingIsUnambiguous, ()) {
  const auto names = std::vector<std::string>{
      "Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING", "Host", "X"};
  const auto values = std::vector<std::string>{"0", "5", "chunked", "Chunked", "identity", "h", ""};
  RequestHead head{"POST", "/", {}};
  const int fields = *rc::gen::inRange(0, 5);
  for (int i = 0; i < fields; ++i)
    head.headers.add(*rc::gen::elementOf(names), *rc::gen::elementOf(values));
  if (!check_head(head)) return;
  std::size_t lengths = 0, codings = 0, hosts = 0;
  for (const Header& h : head.headers) {
    if (h.name.size() == 14) ++lengths;
    if (h.name.size() == 17) ++codings;
    if (h.name == "Host") ++hosts;
  }
  RC_ASSERT(lengths + codings <= 1u);
  RC_ASSERT(hosts == 1u);
}

}  // namespace
}  // namespace stint::http
