// Over a real server: streams, waiting, the operator's socket.
#include <gmock/gmock.h>

#include <thread>

#include "streams_for_test.h"

namespace stint::api {
namespace {

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
