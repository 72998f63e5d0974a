// The endpoints behind a real server and over a real socket: framing and limits are net's, what
// becomes of them is ours.
#include <thread>

#include "oauth_for_test.h"
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
    url = "http://127.0.0.1:" + std::to_string(*listening);
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

  SystemClock real_clock;
  rt::Runtime runtime{1};
  net::Server server{runtime, real_clock,
                     [this](net::Exchange& exchange) { return endpoints.handle(exchange); }};
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

TEST_F(ServedTest, LimitsAndPaths) {
  EXPECT_EQ(call("GET", "/.well-known/oauth-authorization-server", {}, "").status, 200);
  EXPECT_EQ(call("GET", "/oauth/jwks", {}, "").status, 200);
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

}  // namespace
}  // namespace stint::oauth
