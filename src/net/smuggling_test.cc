#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net_testing.h"

// Requests that two servers could frame or read differently. None may reach the handler, neither
// itself nor what hides behind it.
// Handlers are lambdas that a server keeps for as long as it lives.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace stint::net {
namespace {
using ::testing::HasSubstr;
using testing::Rig;
using ::testing::StartsWith;

struct Case {
  const char* name;
  std::string_view bytes;
  const char* status;
  const char* source;
};

#define H "Host: h\r\n"
#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
using namespace std::literals;

const Case kCases[] = {
    {"cl_and_te",
     "POST / HTTP/1.1\r\n" H
     "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
     "400", "RFC 9112 s6.1"},
    {"te_and_cl",
     "POST / HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" HIDDEN,
     "400", "RFC 9112 s6.1"},
    {"two_lengths",
     "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 33\r\n\r\n" HIDDEN, "400",
     "RFC 9112 s6.3"},
    {"two_equal_lengths",
     "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" HIDDEN, "400",
     "own: one way to say it"},
    {"length_list", "POST / HTTP/1.1\r\n" H "Content-Length: 0, 0\r\n\r\n" HIDDEN, "400",
     "RFC 9112 s6.3"},
    {"length_plus", "POST / HTTP/1.1\r\n" H "Content-Length: +4\r\n\r\nabcd", "400",
     "RFC 9110 s8.6"},
    {"length_minus", "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n" HIDDEN, "400",
     "RFC 9110 s8.6"},
    {"length_hex", "POST / HTTP/1.1\r\n" H "Content-Length: 0x4\r\n\r\nabcd", "400",
     "RFC 9110 s8.6"},
    {"length_huge", "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", "431",
     "overflow"},
    {"length_empty", "POST / HTTP/1.1\r\n" H "Content-Length: \r\n\r\n" HIDDEN, "400",
     "RFC 9110 s8.6"},
    {"te_identity", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n" HIDDEN, "501",
     "RFC 9112 s6.1"},
    {"te_twice",
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" HIDDEN, "501",
     "RFC 9112 s6.1"},
    {"te_two_fields",
     "POST / HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" HIDDEN,
     "400", "RFC 9112 s6.1"},
    {"te_xchunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n" HIDDEN, "501",
     "own"},
    {"te_quoted", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n" HIDDEN, "501",
     "own"},
    {"te_tab",
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n" HIDDEN,
     "400", "control character"},
    {"te_space_before_colon",
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" HIDDEN, "400",
     "RFC 9112 s5.1"},
    {"te_http10", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
     "400", "RFC 9112 s6.1"},
    {"bare_lf_line", "GET / HTTP/1.1\nHost: h\n\n", "400", "RFC 9112 s2.2"},
    {"bare_lf_field", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", "400", "RFC 9112 s2.2"},
    {"bare_cr_field", "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", "400", "RFC 9112 s2.2"},
    {"bare_cr_line", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", "400", "RFC 9112 s2.2"},
    {"lf_ended_head", "POST / HTTP/1.1\r\n" H "Content-Length: 4\n\nabcd\r\n\r\n", "400",
     "RFC 9112 s2.2"},
    {"fold_space", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", "400", "RFC 9112 s5.2"},
    {"fold_first", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "400", "RFC 9112 s2.2"},
    {"fold_te", "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN,
     "400", "RFC 9112 s5.2"},
    {"nul_in_value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"sv, "400", "RFC 9110 s5.5"},
    {"nul_in_name", "GET / HTTP/1.1\r\nHost: h\r\nX\0: b\r\n\r\n"sv, "400", "RFC 9110 s5.1"},
    {"nul_in_target", "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"sv, "400", "RFC 9112 s3.2"},
    {"no_colon", "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", "400", "RFC 9112 s5"},
    {"empty_name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", "400", "RFC 9110 s5.1"},
    {"name_not_token", "GET / HTTP/1.1\r\nHost: h\r\nX(y): x\r\n\r\n", "400", "RFC 9110 s5.1"},
    {"no_host", "GET / HTTP/1.1\r\n\r\n", "400", "RFC 9112 s3.2"},
    {"two_hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", "RFC 9112 s3.2"},
    {"host_with_path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400", "RFC 9110 s7.2"},
    {"host_with_user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400", "RFC 9110 s7.2"},
    {"two_authorizations", "GET / HTTP/1.1\r\n" H "Authorization: a\r\nAuthorization: b\r\n\r\n",
     "400", "own"},
    {"connection_names_authorization",
     "GET / HTTP/1.1\r\n" H "Connection: authorization\r\nAuthorization: a\r\n\r\n", "400",
     "own: hop-by-hop abuse"},
    {"upgrade", "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", "501",
     "own: h2c smuggling"},
    {"connect", "CONNECT h:443 HTTP/1.1\r\n" H "\r\n", "405", "own"},
    {"trace", "TRACE / HTTP/1.1\r\n" H "\r\n", "405", "own"},
    {"method_not_token", "GE(T / HTTP/1.1\r\n" H "\r\n", "400", "RFC 9110 s9.1"},
    {"two_spaces", "GET  / HTTP/1.1\r\n" H "\r\n", "400", "RFC 9112 s3"},
    {"tab_separator", "GET\t/ HTTP/1.1\r\n" H "\r\n", "400", "RFC 9112 s3"},
    {"leading_space", " GET / HTTP/1.1\r\n" H "\r\n", "400", "RFC 9112 s3"},
    {"http09", "GET /\r\n\r\n", "400", "own"},
    {"http2_version", "GET / HTTP/2.0\r\n" H "\r\n", "501", "own"},
    {"http12", "GET / HTTP/1.2\r\n" H "\r\n", "501", "own"},
    {"lower_version", "GET / http/1.1\r\n" H "\r\n", "501", "RFC 9112 s2.3"},
    {"h2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "501", "RFC 9113 s3.4"},
    {"expect_other", "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 0\r\n\r\n", "501",
     "RFC 9110 s10.1.1"},
    {"underscore_alias", "GET / HTTP/1.1\r\n" H "Content_Length: 9\r\n\r\n", "400",
     "own: CGI names"},
    {"tls_hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"sv, "400", "own"},
};

class Smuggling : public ::testing::TestWithParam<Case> {};

TEST_P(Smuggling, NeverReachesTheHandler) {
  const Case& c = GetParam();
  SCOPED_TRACE(c.source);
  Rig rig([](Exchange& ex) -> rt::Co<void> { (void)co_await ex.respond({200, {}, "served"}); }, {},
          1);
  const std::string reply = rig.talk(c.bytes);
  if (reply.empty()) {
    // Bytes without a head that ends: the connection ends without a word.
  } else {
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 " + std::string(c.status)));
    EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
  }
  EXPECT_EQ(rig.server.stats().handled, 0U);
  EXPECT_THAT(reply, ::testing::Not(HasSubstr("served")));
}

INSTANTIATE_TEST_SUITE_P(Table, Smuggling, ::testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(SmugglingTable, HasAllItsRows) { EXPECT_EQ(std::size(kCases), 53U); }

TEST(HeadLimits, AreHeld) {
  ServerLimits limits;
  limits.head.bytes = 1024;
  limits.head.fields = 8;
  limits.head.value_bytes = 256;
  Rig rig([](Exchange& ex) -> rt::Co<void> { (void)co_await ex.respond({200, {}, "served"}); },
          limits, 1);
  const auto with = [](std::string_view fields) {
    return "GET / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
  };
  EXPECT_THAT(rig.talk(with("X: " + std::string(256, 'v') + "\r\n")), HasSubstr("served"));
  EXPECT_THAT(rig.talk(with("X: " + std::string(257, 'v') + "\r\n")), StartsWith("HTTP/1.1 431 "));
  std::string seven, eight;
  for (int i = 0; i < 7; ++i) seven += "X: y\r\n";
  EXPECT_THAT(rig.talk(with(seven)), HasSubstr("served"));
  eight = seven + "X: y\r\n";
  EXPECT_THAT(rig.talk(with(eight)), StartsWith("HTTP/1.1 431 "));
  // Without an end: refused as soon as the limit is passed, not when memory is.
  auto sock = rig.connect();
  sock.send("GET /" + std::string(4096, 'a'));
  EXPECT_THAT(sock.all(), StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(rig.server.stats().handled, 2U);
}

TEST(AbsoluteForm, ReachesTheHandlerRaw) {
  // http::parse_target() judges it there; it must not have been rewritten on the way.
  std::string seen;
  Rig rig(
      [&seen](Exchange& ex) -> rt::Co<void> {
        seen = ex.head().target;
        (void)co_await ex.respond({200, {}, ""});
      },
      {}, 1);
  (void)rig.talk("GET http://other/%2e%2e/a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(seen, "http://other/%2e%2e/a");
}

}  // namespace
}  // namespace stint::net
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
