// The endpoints behind a real server and over a real socket: framing and limits are net's, what
// becomes of them is ours.
#include <set>
#include <thread>

#include "../net/net_testing.h"
#include "oauth_for_test.h"
#include "stint/http/parse.h"
#include "stint/net/client.h"
#include "stint/net/server.h"
#include "stint/rt/runtime.h"

namespace stint::oauth {
namespace {

class ServedTest : public OAuthTest {
 protected:
  void SetUp() override {
    runtime.start();
    auto listening = server.listen_tcp("127.0.0.1", 0);
    ASSERT_TRUE(listening.has_value());
    port = *listening;
    url = "http://127.0.0.1:" + std::to_string(port);
  }
  void TearDown() override {
    server.stop();
    runtime.stop();
  }
  http::Response call(std::string method, const std::string& path, const http::Headers& headers,
                      std::string body) {
    net::SimpleRequest r{.method = std::move(method), .url = url + path};
    r.headers = headers;
    r.body = std::move(body);
    return testkit::must_have(net::simple_request(
        real_clock, std::move(r), testkit::must_have(net::TlsClient::system_roots())));
  }

  // What comes back for these very bytes; `silent`: they end, and nobody hangs up.
  Told talk(std::string_view bytes, bool silent = false) {
    auto sock = net::testing::Sock::tcp(port);
    EXPECT_TRUE(sock.send(bytes));
    if (!silent) sock.half_close();
    const std::string got = sock.all();
    const auto end = got.find("\r\n\r\n");
    const auto head = http::parse_response_head(std::string_view(got).substr(0, end + 4));
    EXPECT_TRUE(head.has_value()) << got;
    if (!head) return {};
    Told told{.status = head->status, .headers = head->headers, .body = got.substr(end + 4)};
    if (auto parsed = json::parse_object(told.body)) told.json = *std::move(parsed);
    return told;
  }

  SystemClock real_clock;
  rt::Runtime runtime{1};
  net::Server server{runtime,
                     real_clock,
                     [this](net::Exchange& exchange) { return endpoints.handle(exchange); },
                     {.body_time = 200ms}};
  std::uint16_t port = 0;
  std::string url;
};

TEST_F(ServedTest, OpensOverTheWire) {
  const Ask a = credentials(edge.coder);
  codec::Form form;
  for (const auto& [name, value] : a.form) form.add(name, value);
  const auto told = call("POST", "/oauth/token", a.headers, form.str());
  EXPECT_EQ(told.status, 200) << told.body;
  EXPECT_TRUE(told.headers.has("DPoP-Nonce"));
  EXPECT_EQ(edge.count("task.opened"), 1U);
}

TEST_F(ServedTest, MetadataNamesEachAlgorithmOnceWhileKeysRotate) {
  testkit::must_have(rt::block_on(
      edge.authority->rotate_keys(std::nullopt, false, authority::Actor::local_operator(0))));
  const auto got = call("GET", "/.well-known/openid-configuration", {}, "");
  const auto body = testkit::must_have(json::parse_object(got.body));
  std::multiset<std::string> algs;
  for (const json::Value& v :
       *testkit::must_have(json::array_at(body, "id_token_signing_alg_values_supported")))
    algs.emplace(v.as_string());
  EXPECT_EQ(algs, (std::multiset<std::string>{"ES256", "EdDSA", "RS256"}));
  const auto jwks = testkit::must_have(json::parse_object(call("GET", "/oauth/jwks", {}, "").body));
  EXPECT_EQ(testkit::must_have(json::array_at(jwks, "keys"))->size(), 6U);
}

// A node that does not hear of revocations must not publish what they took away.
TEST_F(ServedTest, KeysThatItCannotVouchForAreNotPublished) {
  EXPECT_EQ(call("GET", "/oauth/jwks", {}, "").status, 200);
  edge.clock.advance(edge.authority->settings().feed_max_age + 1s);
  const auto stale = call("GET", "/oauth/jwks", {}, "");
  EXPECT_EQ(stale.status, 503);
  EXPECT_EQ(stale.body, R"({"error":"temporarily_unavailable","error_description":")"
                        R"(this node cannot vouch for its keys now: try again in a moment",)"
                        R"("error_uri":"urn:stint:problem:stale"})");
  EXPECT_EQ(stale.headers.one("Cache-Control"), "no-store");
  testkit::confirm_view(*edge.authority, *edge.store);
  const auto known = call("GET", "/oauth/jwks", {}, "");
  EXPECT_EQ(known.status, 200);
  EXPECT_EQ(known.headers.one("Cache-Control"), "public, max-age=300");
}

TEST_F(ServedTest, LimitsAndPaths) {
  EXPECT_EQ(call("GET", "/.well-known/oauth-authorization-server", {}, "").status, 200);
  const auto jwks = call("GET", "/oauth/jwks", {}, "");
  EXPECT_EQ(jwks.status, 200);
  // Half of the time for which a key is published before it signs.
  EXPECT_EQ(jwks.headers.one("Cache-Control"), "public, max-age=300");
  EXPECT_EQ(call("GET", "/oauth/nothing", {}, "").status, 404);
  const auto get = call("GET", "/oauth/token", {}, "");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.headers.one("Allow"), "POST");
  EXPECT_TRUE(get.headers.has("DPoP-Nonce"));
  const auto large =
      call("POST", "/oauth/token", {{"Content-Type", "application/x-www-form-urlencoded"}},
           std::string(Endpoints::kMaxBody + 1, 'a'));
  EXPECT_EQ(large.status, 413);
  EXPECT_TRUE(large.headers.has("DPoP-Nonce"));
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

// Framing is net's, the answer is OAuth's.
TEST_F(ServedTest, ABodyThatCannotBeReadIsAnOAuthError) {
  struct Row {
    const char *name, *fields, *body;
    unsigned status;
    std::string_view reason;
    bool silent = false;
  };
  const char* chunked = "Transfer-Encoding: chunked\r\n";
  const Row rows[] = {
      {"not_hex", chunked, "zz\r\n", 400, "chunk size missing"},
      {"negative", chunked, "-1\r\n", 400, "chunk size missing"},
      {"bare_lf", chunked, "5\ngrant\r\n", 400, "chunk size not hex"},
      {"long", chunked, "5\r\ngrantX\r\n0\r\n\r\n", 400, "chunk data longer than its size"},
      {"trailer", chunked, "0\r\n bad\r\n\r\n", 400, "trailer name"},
      {"huge", chunked, "ffffffffffffffff\r\n", 413, "chunk size over the limit"},
      {"much", "Content-Length: 65537\r\n", "", 413, "request body over the limit"},
      {"cut", chunked, "5\r\ngra", 400, "client closed the connection"},
      {"short", "Content-Length: 100\r\n", "grant_type=", 400, "client closed the connection"},
      {"never_comes", "Content-Length: 100\r\n", "grant_type=", 408, "read timed out", true},
  };
  for (const char* endpoint : {"token", "introspect", "revoke"})
    for (const Row& row : rows) {
      SCOPED_TRACE(std::string(endpoint) + " " + row.name);
      const Told told = talk("POST /oauth/" + std::string(endpoint) +
                                 " HTTP/1.1\r\nHost: h\r\n"
                                 "Content-Type: application/x-www-form-urlencoded\r\n" +
                                 row.fields + "\r\n" + row.body,
                             row.silent);
      expect_refused(told, row.status, "invalid_request", row.reason);
      EXPECT_EQ(told.headers.one("Connection"), "close");
      EXPECT_EQ(told.headers.has("DPoP-Nonce"), endpoint == std::string_view("token"));
    }
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

// RFC 9449 section 4.3, 1, in the words of section 5.
TEST_F(ServedTest, TwoProofsAreAnOAuthError) {
  const Ask a = credentials(edge.coder);
  codec::Form form;
  for (const auto& [name, value] : a.form) form.add(name, value);
  http::Headers twice = a.headers;
  twice.add("DPoP", edge.proof(edge.coder.dpop, "POST", testkit::kTokenUrl));
  const auto raw = call("POST", "/oauth/token", twice, form.str());
  Told told{.status = raw.status, .headers = raw.headers, .body = raw.body};
  if (auto parsed = json::parse_object(raw.body)) told.json = *std::move(parsed);
  expect_refused(told, 400, "invalid_dpop_proof", "more than one DPoP proof");
  EXPECT_TRUE(told.headers.has("DPoP-Nonce"));
  EXPECT_EQ(edge.count("task.opened"), 0U);
}

}  // namespace
}  // namespace stint::oauth
