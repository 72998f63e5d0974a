#include "stint/http/hygiene.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "stint/http/check.h"

namespace stint::http {
namespace {

TEST(Hygiene, UpstreamSeesNothingOfOurs) {
  const Headers in{{"Host", "gw"},
                   {"Authorization", "DPoP t"},
                   {"authorization", "x"},
                   {"Cookie", "c"},
                   {"DPoP", "p"},
                   {"Proxy-Authorization", "b"},
                   {"Proxy-Anything", "b"},
                   {"Stint-Task", "t"},
                   {"stint-x", "t"},
                   {"Stint_Y", "t"},
                   {"Connection", "keep-alive, X-Hop"},
                   {"X-Hop", "1"},
                   {"X_Hop", "1"},
                   {"Keep-Alive", "1"},
                   {"TE", "trailers"},
                   {"Transfer-Encoding", "chunked"},
                   {"Expect", "100-continue"},
                   {"X-Forwarded-For", "9.9.9.9"},
                   {"X_Forwarded_Host", "h"},
                   {"Forwarded", "f"},
                   {"X-HTTP-Method-Override", "DELETE"},
                   {"X_HTTP_METHOD_OVERRIDE", "DELETE"},
                   {"X-Original-URL", "/admin"},
                   {"Client-Cert", "c"},
                   {"Txn-Token", "t"},
                   {"Accept", "*/*"},
                   {"Content-Type", "a/b"},
                   {"Content-Length", "3"},
                   {"Git-Protocol", "version=2"},
                   {"Accept", "x/y"}};
  EXPECT_EQ(for_upstream(in), (Headers{{"Accept", "*/*"},
                                       {"Content-Type", "a/b"},
                                       {"Content-Length", "3"},
                                       {"Git-Protocol", "version=2"},
                                       {"Accept", "x/y"}}));
}

TEST(Hygiene, AgentSeesNoCookieAndNoFalseStint) {
  const Headers in{{"Set-Cookie", "a=b"},
                   {"set-cookie", "c=d"},
                   {"Stint-Decision", "forged"},
                   {"Connection", "close"},
                   {"Alt-Svc", "h3"},
                   {"Proxy-Authenticate", "Basic"},
                   {"DPoP-Nonce", "n"},
                   {"Strict-Transport-Security", "x"},
                   {"ETag", "\"1\""},
                   {"Content-Type", "a/b"}};
  EXPECT_EQ(for_agent(in), (Headers{{"ETag", "\"1\""}, {"Content-Type", "a/b"}}));
}

TEST(Hygiene, ReservedNames) {
  for (const char* name : {"Host", "Content_Length", "connection", "Stint-X", "TE", "Proxy-X"})
    EXPECT_TRUE(is_reserved_for_sender(name)) << name;
  for (const char* name : {"Authorization", "X-Api-Key", "Private-Token"})
    EXPECT_FALSE(is_reserved_for_sender(name)) << name;
}

// No spelling of a removed name comes through, and nothing is invented, changed or reordered.
RC_GTEST_PROP(Hygiene, OnlyRemoves, ()) {
  const std::vector<std::string> removed{"authorization", "cookie",           "dpop",
                                         "proxy-x",       "stint-y",          "host",
                                         "connection",    "x-forwarded-proto"};
  const std::vector<std::string> kept{"accept", "x-api", "content-type", "authorizations", "dpopx"};
  Headers in, want;
  const int fields = *rc::gen::inRange(0, 12);
  for (int i = 0; i < fields; ++i) {
    const bool drop = *rc::gen::arbitrary<bool>();
    std::string name = *rc::gen::elementOf(drop ? removed : kept);
    for (char& c : name) {
      if (*rc::gen::arbitrary<bool>() && c >= 'a') c = static_cast<char>(c - 32);
      if (drop && c == '-' && *rc::gen::arbitrary<bool>()) c = '_';
    }
    in.add(name, std::to_string(i));
    if (!drop) want.add(name, std::to_string(i));
  }
  RC_ASSERT(for_upstream(in) == want);
  RC_ASSERT(for_upstream(want) == want);
}

TEST(Message, HeadersByName) {
  Headers h{{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(h.find("a"), "1");
  EXPECT_EQ(h.one("a"), std::nullopt);
  EXPECT_EQ(h.one("B"), "2");
  EXPECT_EQ(h.count("A"), 2u);
  EXPECT_EQ(h.all("A"), (std::vector<std::string_view>{"1", "3"}));
  h.set("a", "4");
  EXPECT_EQ(h, (Headers{{"b", "2"}, {"a", "4"}}));
  EXPECT_EQ(h.remove("B"), 1u);
  EXPECT_FALSE(h.has("b"));
  EXPECT_TRUE(iequal("AbZ", "aBz"));
  EXPECT_FALSE(iequal("@", "`"));  // 0x40, 0x60: not letters
}

}  // namespace
}  // namespace stint::http
