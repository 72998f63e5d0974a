// Over a real server: streams, waiting, the operator's socket.
#include <gmock/gmock.h>
#include <unistd.h>

#include <thread>

#include "edge_for_test.h"
#include "stint/base/clock.h"
#include "stint/net/client.h"
#include "stint/net/server.h"

namespace stint::api {
namespace {

using namespace std::chrono_literals;

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

net::TlsClient roots() {
  static const auto tls = testkit::must_have(net::TlsClient::system_roots());
  return tls;
}

class Streams : public ApiTest {
 protected:
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
                               roots(), {.total = 10s});
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
                                         {}, rt::Deadline::in(*clock, 10s));
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
  Api live{{*edge.authority, *edge.opener, edge.gate, clock},
           {.operator_uid = static_cast<std::uint32_t>(::getuid()),
            .streams = 2,
            .stream_poll = 5ms,
            .event_heartbeat = 50ms,
            .feed_heartbeat = 20ms}};
  std::string socket_path = edge.dir.file("operator.sock");
  net::Server server{runtime, clock, [this](net::Exchange& e) { return live.handle(e); }};
};

TEST_F(Streams, TheSocketKnowsItsUser) {
  const auto got = send("GET", "/v1/whoami");
  ASSERT_TRUE(got.has_value()) << got.error().reason.text();
  EXPECT_EQ(got->status, 200U);
  EXPECT_NE(got->body.find("\"kind\":\"operator\""), std::string::npos);
}

TEST_F(Streams, EventsComeAsTheyHappen) {
  std::string text;
  std::thread reader([&] { text = read_until("/v1/events?after=0", "event: task.closed"); });
  const auto task = own_task();
  ASSERT_TRUE(rt::block_on(edge.authority->close(task.task.id, domain::How::kRevoked,
                                                 authority::Actor::system("test"))));
  reader.join();
  EXPECT_NE(text.find("200\n"), std::string::npos);
  EXPECT_NE(text.find("id: 1\n"), std::string::npos);
  EXPECT_EQ(text.find("id: 0\n"), std::string::npos);
  EXPECT_NE(text.find("event: task.opened\ndata: {"), std::string::npos);
}

TEST_F(Streams, AStreamGoesOnWhereItWas) {
  const auto size = edge.log().size();
  const std::string last = std::to_string(size - 2);
  const auto text = read_until("/v1/events", "\n\n", {{"Last-Event-ID", last}});
  EXPECT_NE(text.find("id: " + std::to_string(size - 1)), std::string::npos);
  EXPECT_EQ(text.find("id: " + last + "\n"), std::string::npos);
}

TEST_F(Streams, TheFeedTellsWhatNoLongerCounts) {
  const auto task = own_task();
  ASSERT_TRUE(rt::block_on(
      edge.authority->close(task.task.id, domain::How::kLeaked, authority::Actor::system("test"))));
  edge.log();
  const auto text = read_until("/v1/feed?after=0", "event: heartbeat");
  EXPECT_NE(text.find("event: task.closed"), std::string::npos);
  EXPECT_NE(text.find("\"how\":\"leaked\""), std::string::npos);
  EXPECT_EQ(text.find("task.opened"), std::string::npos);
  EXPECT_EQ(text.find("fix the typo"), std::string::npos);
}

TEST_F(Streams, AFeedThatCannotVouchIsSilent) {
  std::string text;
  edge.clock.advance(std::chrono::hours(1));  // nobody confirmed the view since
  std::thread reader([&] { text = read_until("/v1/feed", "event: heartbeat"); });
  // Long enough for many heartbeats, were there any.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(send("GET", "/v1/whoami").has_value());
  live.end_streams();
  reader.join();
  EXPECT_EQ(text, "200\n");
  EXPECT_EQ(send("GET", "/v1/events", {{"Accept", "text/event-stream"}})->status, 503U);
}

TEST_F(Streams, StreamsAreFew) {
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back([this] { read_until("/v1/feed", "never"); });
  unsigned status = 0;
  for (int i = 0; i < 2000 && status != 429; ++i) {
    const auto text = read_until("/v1/feed", "\n");
    status = static_cast<unsigned>(std::stoul(text.substr(0, 3)));
  }
  EXPECT_EQ(status, 429U);
  live.end_streams();
  for (auto& r : readers) r.join();
}

TEST_F(Streams, WaitsForAnAnswer) {
  const auto approval = ask(own_task());
  const std::string target = "/v1/approvals/" + approval.id.str();
  const auto bob = [this] {
    return http::Headers{{"Authorization", "Bearer " + edge.id_token("bob-sub")}};
  };
  auto short_wait = bob();
  short_wait.add("Prefer", "respond-async, wait=1");
  const auto still = send("GET", target, short_wait);
  ASSERT_TRUE(still.has_value());
  EXPECT_NE(still->body.find("\"state\":\"pending\""), std::string::npos);
  EXPECT_EQ(still->headers.find("Preference-Applied"), "wait=1");

  Result<http::Response> waited = fail(Errc::kInternal, "not yet");
  auto long_wait = bob();
  long_wait.add("Prefer", "wait=9");
  std::thread waiter([&] { waited = send("GET", target, long_wait); });
  const auto answered = send("POST", target + "/answer", bob(), R"({"answer":"no"})");
  waiter.join();
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->status, 200U) << answered->body;
  ASSERT_TRUE(waited.has_value()) << waited.error().reason.text();
  EXPECT_NE(waited->body.find("\"state\":\"refused\""), std::string::npos) << waited->body;
}

}  // namespace
}  // namespace stint::api
