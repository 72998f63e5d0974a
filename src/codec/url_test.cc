#include "stint/codec/url.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "stint/codec/percent.h"

namespace stint::codec {
namespace {

TEST(Url, Parts) {
  const Url u = *parse_url("HTTPS://API.Example.com:8443/a%2Fb/?q=1&r=%20?/#f/?");
  EXPECT_EQ(u.scheme, "https");
  EXPECT_EQ(u.host, "api.example.com");
  EXPECT_EQ(u.port, 8443);
  EXPECT_EQ(u.path, "/a%2Fb/");
  EXPECT_EQ(u.query, "q=1&r=%20?/");
  EXPECT_EQ(u.fragment, "f/?");
  EXPECT_EQ(u.origin(), "https://api.example.com:8443");
  EXPECT_EQ(u.str(), "https://api.example.com:8443/a%2Fb/?q=1&r=%20?/#f/?");
  const Url v = *parse_url("http://[2001:DB8::1]?");
  EXPECT_TRUE(v.ipv6);
  EXPECT_EQ(v.host, "2001:db8::1");
  EXPECT_EQ(v.port, 80);
  EXPECT_TRUE(v.default_port());
  EXPECT_TRUE(v.has_query);
  EXPECT_FALSE(v.has_fragment);
  EXPECT_EQ(v.str(), "http://[2001:db8::1]/?");
  EXPECT_EQ(parse_url("https://h:443")->authority(), "h");
  EXPECT_EQ(parse_url("http://h:443")->authority(), "h:443");
  EXPECT_EQ(parse_url("https://h:")->port, 443);
}

TEST(Url, Loopback) {
  for (const char* yes : {"http://localhost", "http://127.0.0.1:80", "http://127.9.9.9/",
                          "http://[::1]", "http://[0:0:0:0:0:0:0:1]"})
    EXPECT_TRUE(parse_url(yes)->is_loopback()) << yes;
  for (const char* no : {"http://localhost.example.com", "http://127.0.0.1.example.com",
                         "http://128.0.0.1", "http://[::2]", "http://[::ffff:127.0.0.1]"})
    EXPECT_FALSE(parse_url(no)->is_loopback()) << no;
}

struct Refusal {
  const char* text;
  Errc code;
  std::string_view reason;
};
constexpr Refusal kRefusals[] = {
    {"", Errc::kUnsupported, "url scheme"},
    {"/path", Errc::kUnsupported, "url scheme"},
    {"ftp://h/", Errc::kUnsupported, "url scheme"},
    {"javascript:alert(1)", Errc::kUnsupported, "url scheme"},
    {"https:/h", Errc::kMalformed, "url host"},
    {"https:h", Errc::kMalformed, "url host"},
    {"https://", Errc::kMalformed, "url host"},
    {"https:///p", Errc::kMalformed, "url host"},
    {"https://?q", Errc::kMalformed, "url host"},
    {"https://user@h/", Errc::kMalformed, "url userinfo"},
    {"https://user:pw@h/", Errc::kMalformed, "url userinfo"},
    {"https://good.example@evil.example/", Errc::kMalformed, "url userinfo"},
    {"https://h\\@evil/", Errc::kMalformed, "url userinfo"},
    {"https://a..b/", Errc::kMalformed, "url host"},
    {"https://.a/", Errc::kMalformed, "url host"},
    {"https://a./", Errc::kMalformed, "url host"},
    {"https://a%2eb/", Errc::kMalformed, "url host"},
    {"https://a!b/", Errc::kMalformed, "url host"},
    {"https://127.1/", Errc::kMalformed, "url host"},
    {"https://2130706433/", Errc::kMalformed, "url host"},
    {"https://0x7f000001/", Errc::kMalformed, "url host"},
    {"https://0177.0.0.1/", Errc::kMalformed, "url host"},
    {"https://256.0.0.1/", Errc::kMalformed, "url host"},
    {"https://1.2.3.4.5/", Errc::kMalformed, "url host"},
    {"https://example.0x1/", Errc::kMalformed, "url host"},
    {"https://[::1/", Errc::kMalformed, "url host"},
    {"https://[::1]x/", Errc::kMalformed, "url host"},
    {"https://[fe80::1%25eth0]/", Errc::kMalformed, "url host"},
    {"https://[v1.x]/", Errc::kMalformed, "url host"},
    {"https://[]/", Errc::kMalformed, "url host"},
    {"https://::1/", Errc::kMalformed, "url host"},
    {"https://h:0/", Errc::kMalformed, "url port"},
    {"https://h:080/", Errc::kMalformed, "url port"},
    {"https://h:65536/", Errc::kMalformed, "url port"},
    {"https://h:99999999999/", Errc::kMalformed, "url port"},
    {"https://h:4a/", Errc::kMalformed, "url port"},
    {"https://h:+4/", Errc::kMalformed, "url port"},
    {"https://h:1:2/", Errc::kMalformed, "url port"},
    {"https://h/%", Errc::kMalformed, "url escape"},
    {"https://h/%2", Errc::kMalformed, "url escape"},
    {"https://h/?%zz", Errc::kMalformed, "url escape"},
    {"https://h/#%zz", Errc::kMalformed, "url escape"},
    {"https://h/a b", Errc::kMalformed, "url characters"},
    {"https://h/\r\nX: y", Errc::kMalformed, "url characters"},
    {"https://h/\xc3\xa9", Errc::kMalformed, "url characters"},
    {"https://h/[", Errc::kMalformed, "url characters"},
    {"https://h/\"", Errc::kMalformed, "url characters"},
    {"https://h/a\\b", Errc::kMalformed, "url characters"},
    {"https://h/#a#b", Errc::kMalformed, "url characters"},
};
TEST(Url, Refuses) {
  for (const Refusal& r : kRefusals) {
    const auto got = parse_url(r.text);
    ASSERT_FALSE(got.has_value()) << r.text;
    EXPECT_EQ(got.error().code, r.code) << r.text;
    EXPECT_EQ(got.error().reason.text(), r.reason) << r.text;
  }
  const auto large = parse_url("https://h/" + std::string(kMaxUrlBytes, 'a'));
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().code, Errc::kTooLarge);
  EXPECT_EQ(large.error().reason.text(), "url too large");
  EXPECT_EQ(parse_url("https://" + std::string(64, 'a') + "/").error().reason.text(), "url host");
}

struct Normal {
  const char *text, *want, *source;
};
constexpr Normal kNormal[] = {
    {"https://server.example.com/token", "https://server.example.com/token", "RFC 9449 s4.2"},
    {"HTTPS://SERVER.Example.COM:443/token", "https://server.example.com/token", "RFC 3986 s6.2.2"},
    {"https://server.example.com/token?a=b#c", "https://server.example.com/token", "RFC 9449 s4.3"},
    {"http://example.com", "http://example.com/", "RFC 3986 s6.2.3"},
    {"http://example.com:/", "http://example.com/", "RFC 3986 s6.2.3"},
    {"http://example.com:80/", "http://example.com/", "RFC 3986 s6.2.3"},
    {"http://example.com:443/", "http://example.com:443/", "own: https's default only"},
    {"https://h/%7Eu/%c3%a9/%2f", "https://h/~u/%C3%A9/%2F", "RFC 3986 s6.2.2.1, s6.2.2.2"},
    {"https://h/a/b/c/./../../g", "https://h/a/g", "RFC 3986 s5.2.4"},
    {"https://h/mid/content=5/../6", "https://h/mid/6", "RFC 3986 s5.2.4"},
    {"https://h/a/%2e%2E/b", "https://h/b", "own: escaped dots"},
    {"https://h/..", "https://h/", "RFC 3986 s5.4.2"},
    {"https://h/../../g", "https://h/g", "RFC 3986 s5.4.2"},
    {"https://h/a/.", "https://h/a/", "RFC 3986 s5.4.1"},
    {"https://h/a/..g/.h/...", "https://h/a/..g/.h/...", "RFC 3986 s5.4.2"},
    {"https://h/a//b/", "https://h/a//b/", "own: empty segments stay"},
    {"https://h/A/%2525", "https://h/A/%2525", "own: decoded once, path keeps its case"},
    {"https://[2001:DB8::A]:443/x", "https://[2001:db8::a]/x", "RFC 3986 s6.2.2.1"},
};
TEST(Url, NormalisesHtu) {
  for (const Normal& n : kNormal) {
    SCOPED_TRACE(n.source);
    const auto got = normalise_htu(n.text);
    ASSERT_TRUE(got.has_value()) << n.text << got.error().reason.text();
    EXPECT_EQ(*got, n.want);
    EXPECT_EQ(*normalise_htu(*got), n.want);
  }
  EXPECT_EQ(normalise_path("a").error().reason.text(), "url characters");
  EXPECT_EQ(*normalise_path(""), "/");
}

// RFC 3986 s5.2.4, step by step as the text has it.
std::string model(std::string in) {
  std::string out;
  const auto drop_last = [&] {
    out.resize(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
  };
  while (!in.empty()) {
    if (in.starts_with("../"))
      in.erase(0, 3);
    else if (in.starts_with("./"))
      in.erase(0, 2);
    else if (in.starts_with("/./"))
      in.erase(0, 2);
    else if (in == "/.")
      in = "/";
    else if (in.starts_with("/../")) {
      in.erase(0, 3);
      drop_last();
    } else if (in == "/..") {
      in = "/";
      drop_last();
    } else if (in == "." || in == "..")
      in.clear();
    else {
      const std::size_t end = in.find('/', 1);
      out += in.substr(0, end);
      in.erase(0, end);
    }
  }
  return out;
}
RC_GTEST_PROP(Url, DotSegmentsAgreeWithTheModel, ()) {
  const auto path =
      "/" + *rc::gen::container<std::string>(rc::gen::element('.', '/', '.', '/', 'a', 'b'));
  RC_ASSERT(*normalise_path(path) == model(path));
}

RC_GTEST_PROP(Percent, RoundTrips, (const std::string& bytes)) {
  RC_ASSERT(*percent_decode(percent_encode(bytes)) == bytes);
}
TEST(Percent, Cases) {
  EXPECT_EQ(percent_encode("A-z_0.9~ /+%\xff"), "A-z_0.9~%20%2F%2B%25%FF");
  EXPECT_EQ(*percent_decode("a+b%20%2f%2F%00"), std::string("a+b //\0", 7));
  for (const char* bad : {"%", "%2", "%2g", "%%20", "a%", "% 2", "%-1", "%+1"}) {
    const auto got = percent_decode(bad);
    ASSERT_FALSE(got.has_value()) << bad;
    EXPECT_EQ(got.error().reason.text(), "percent escape");
  }
}

}  // namespace
}  // namespace stint::codec
