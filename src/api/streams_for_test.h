#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "edge_for_test.h"
#include "stint/base/clock.h"
#include "stint/net/client.h"
#include "stint/net/server.h"

namespace stint::api {

// Stands still as the fixture's does, but deadlines pass.
class HalfClock final : public Clock {
 public:
  explicit HalfClock(const Clock& wall) : wall_(wall) {}
  WallTime wall() const override { return wall_.wall(); }
  MonoTime mono() const override { return real_.mono(); }

 private:
  const Clock& wall_;
  SystemClock real_;
};

inline net::TlsClient roots() {
  static const auto tls = testkit::must_have(net::TlsClient::system_roots());
  return tls;
}

class Streams : public ApiTest {
 protected:
  explicit Streams(Settings changed = quick()) : settings(std::move(changed)) {}
  void SetUp() override {
    runtime.start();
    ASSERT_TRUE(server.listen_unix(socket_path).has_value());
  }
  void TearDown() override {
    live.end_streams();
    server.stop();
    runtime.stop();
  }

  Result<http::Response> send(std::string method, std::string target, http::Headers headers = {},
                              std::string body = {}) {
    if (!body.empty()) headers.add("Content-Type", "application/json");
    return net::simple_request(clock,
                               {.method = std::move(method),
                                .url = "http://localhost" + target,
                                .unix_socket = socket_path,
                                .headers = std::move(headers),
                                .body = std::move(body)},
                               roots(), {.total = std::chrono::seconds(10)});
  }
  // What a stream sent until `wanted` was in it.
  std::string read_until(std::string target, std::string wanted, http::Headers headers = {}) {
    headers.add("Accept", "text/event-stream");
    return rt::block_on(
        follow(&clock, socket_path, std::move(target), std::move(wanted), std::move(headers)));
  }
  static rt::Co<std::string> follow(const Clock* clock, std::string socket, std::string target,
                                    std::string wanted, http::Headers headers) {
    net::Client client(co_await rt::this_executor(), *clock, roots());
    http::RequestHead head{.method = "GET", .target = std::move(target), .headers = headers};
    auto exchange = co_await client.open({.kind = net::Origin::Kind::kUnix, .host = socket}, head,
                                         {}, rt::Deadline::in(*clock, std::chrono::seconds(10)));
    if (!exchange) co_return "not connected";
    const auto answered = co_await exchange->head();
    if (!answered) co_return "no head";
    std::string got = std::to_string(answered->status) + "\n";
    while (got.find(wanted) == std::string::npos) {
      const auto piece = co_await exchange->read_piece();
      if (!piece || piece->empty()) break;
      got += *piece;
    }
    co_return got;
  }

  HalfClock clock{edge.clock};
  rt::Runtime runtime{2};
  static Settings quick() {
    return {.operator_uid = static_cast<std::uint32_t>(::getuid()),
            .streams = 2,
            .stream_poll = std::chrono::milliseconds(5),
            .event_heartbeat = std::chrono::milliseconds(50),
            .feed_heartbeat = std::chrono::milliseconds(20)};
  }
  Settings settings;
  Api live{{*edge.authority, *edge.opener, edge.gate, clock}, settings};
  std::string socket_path = edge.dir.file("operator.sock");
  net::Server server{runtime, clock, [this](net::Exchange& e) { return live.handle(e); }};
};

}  // namespace stint::api
