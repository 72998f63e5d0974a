// The feed over a real server: what a follower is told, and when it is cut.
#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <sstream>
#include <thread>

#include "stint/audit/event.h"
#include "streams_for_test.h"

namespace stint::api {
namespace {

using testing::HasSubstr;
using testing::Not;

// One server-sent event.
struct Message {
  std::optional<std::uint64_t> id;
  std::string event;
  json::Object data;
};

// Every whole message of what a stream sent, behind the line with its status.
std::vector<Message> messages(const std::string& text) {
  std::vector<Message> out;
  std::istringstream lines(text.substr(text.find('\n') + 1));
  Message now;
  std::string data;  // looked into once the message is whole
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("id: ")) now.id = std::stoull(line.substr(4));
    if (line.starts_with("event: ")) now.event = line.substr(7);
    if (line.starts_with("data: ")) data = line.substr(6);
    if (!line.empty()) continue;
    now.data = testkit::must_have(json::parse_object(data, {.bytes = 1 << 20}));
    out.push_back(std::exchange(now, {}));
  }
  return out;
}

class Feed : public Streams {
 protected:
  static Settings many() {
    auto s = quick();
    s.streams = 64;  // some are of clients that went just now
    return s;
  }
  explicit Feed(Settings changed = many()) : Streams(std::move(changed)) {}

  void end(TaskId task) {
    ASSERT_TRUE(rt::block_on(
        edge.authority->close(task, domain::How::kLeaked, authority::Actor::system("test"))));
  }
  void pause(TaskId task) {
    ASSERT_TRUE(rt::block_on(edge.authority->pause(task, domain::Why::kOperator,
                                                   authority::Actor::local_operator(kUid))));
  }
  void resume(TaskId task) {
    ASSERT_TRUE(rt::block_on(edge.authority->resume(task, domain::Why::kOperator,
                                                    authority::Actor::local_operator(kUid))));
  }
  authority::Opened child_of(const authority::Opened& parent) {
    return testkit::must_have(rt::block_on(edge.authority->delegate(
        {.parent = parent.task.id,
         .parent_token = parent.token->id,
         .parent_token_kid = testkit::must_have(edge.keys->signing_key(crypto::Alg::kES256)).kid,
         .parent_token_expires = parent.token->expires,
         .parent_token_grants = testkit::Edge::git_grants(),
         .child = {.order = {.purpose = "read it first",
                             .agent = "helper",
                             .binding = {domain::Binding::Kind::kDpop, edge.helper.jkt()},
                             .human = "alice@example.com",
                             .grants = testkit::Edge::git_grants()},
                   .actor = authority::Actor::agent("coder")}})));
  }
  // Closes of tasks that never were: the feed does not look behind an event.
  void commit_closes(std::size_t n) {
    testkit::must_have(edge.store->write_sync([&](store::Tx& tx) -> Result<bool> {
      for (std::size_t i = 0; i < n; ++i) {
        const audit::AnyEvent event = audit::TaskClosed{.task = TaskId::random(edge.entropy)};
        tx.append({.kind = audit::TaskClosed::kKind,
                   .task = audit::task_of(event),
                   .bytes = STINT_TRY(audit::encode(edge.clock.wall(), event)),
                   .time = edge.clock.wall()});
      }
      return true;
    }));
  }
  http::Headers as_agent_headers(const testkit::TestAgent& agent, const authority::Opened& task) {
    return {{"Authorization", "DPoP " + task.token->token},
            {"DPoP", edge.proof(agent.dpop, "GET", std::string(testkit::kIssuer) + "/v1/feed",
                                task.token->token)}};
  }
  // Asks, reads a piece, and the rest once it may.
  static rt::Co<std::string> wait_and_read(const Clock* clock, std::string socket,
                                           http::Headers headers, std::atomic<bool>* begun,
                                           const std::atomic<bool>* go) {
    net::Client client(co_await rt::this_executor(), *clock, roots());
    http::RequestHead head{.method = "GET", .target = "/v1/feed", .headers = std::move(headers)};
    auto exchange = co_await client.open({.kind = net::Origin::Kind::kUnix, .host = socket}, head,
                                         {}, rt::Deadline::in(*clock, std::chrono::seconds(10)));
    if (!exchange) co_return "not connected";
    if (!co_await exchange->head()) co_return "no head";
    std::string got;
    while (true) {
      const auto piece = co_await exchange->read_piece();
      if (!piece || piece->empty()) co_return got;
      got += *piece;
      *begun = true;
      while (!go->load()) std::this_thread::yield();
    }
  }
  void name_verifier(bool named) {
    auto r = edge.declared();
    for (auto& agent : r.agents)
      if (agent.name == "coder") agent.edge_verifier = named;
    edge.apply(std::move(r));
  }
  double metric(std::string_view name, std::string_view label) {
    for (const Sample& s : live.metrics()())
      if (s.name == name && (label.empty() || s.labels.front().second == label)) return s.value;
    return -1;
  }
};

TEST_F(Feed, ANewFollowerIsToldWhatStands) {
  const auto closed = own_task(), held = own_task(), fine = own_task();
  const auto below = child_of(held);
  end(closed.task.id);
  pause(held.task.id);
  ASSERT_TRUE(testkit::must_have(rt::block_on(edge.authority->revoke(fine.token->token, "coder"))));
  const auto size = edge.log().size();

  const auto got = messages(
      read_until("/v1/feed", "event: heartbeat\ndata: {\"size\":" + std::to_string(size) + ","));
  ASSERT_GE(got.size(), 5U) << "and perhaps another heartbeat";
  EXPECT_EQ(got[0].event, "snapshot");
  EXPECT_EQ(got[0].data.at("size").as_int64(), static_cast<std::int64_t>(size));
  EXPECT_EQ(got[1].event, "task.closed");
  EXPECT_EQ(got[1].data, (json::Object{{"task", closed.task.id.str()}}));
  EXPECT_EQ(got[2].event, "task.paused");
  EXPECT_EQ(got[2].data.at("task").as_string(), held.task.id.str());
  std::set<std::string> tasks;
  for (const auto& t : got[2].data.at("tasks").as_array()) tasks.emplace(t.as_string());
  EXPECT_EQ(tasks, (std::set{held.task.id.str(), below.task.id.str()})) << "and what is below it";
  EXPECT_EQ(got[3].event, "token.revoked");
  EXPECT_EQ(got[3].data,
            (json::Object{{"task", fine.task.id.str()}, {"token", fine.token->id.str()}}));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_FALSE(got[i].id) << "no place to go on from";
  EXPECT_EQ(got[4].event, "heartbeat");
  EXPECT_EQ(got[4].id, size - 1);
  EXPECT_EQ(got[4].data.at("keep_seconds").as_int64(), 300 + 60);
}

// What stands after a restart comes from the rows, and is forgotten when its tokens have expired.
// More than one write takes; nothing of it is a place to go on from before all of it was told.
TEST_F(Feed, ALongSnapshotIsToldWhole) {
  constexpr std::size_t kCloses = 1234;
  commit_closes(kCloses);
  std::set<std::string> told;
  bool complete = false;
  for (const auto& m : messages(read_until("/v1/feed", "event: heartbeat\ndata: {\"size\":"))) {
    if (complete) break;
    if (m.event == "task.closed") told.emplace(m.data.at("task").as_string());
    complete = m.event == "heartbeat";
    EXPECT_EQ(m.id.has_value(), complete) << m.event;
  }
  EXPECT_TRUE(complete);
  EXPECT_EQ(told.size(), kCloses);
}

TEST_F(Feed, WhatStandsIsForgottenWithItsTokens) {
  const auto task = own_task();
  end(task.task.id);
  EXPECT_EQ(edge.authority->revocations().standing(edge.clock.wall()).closed.size(), 1U);
  edge.pass(std::chrono::minutes(7));
  EXPECT_TRUE(edge.authority->revocations().standing(edge.clock.wall()).closed.empty());
}

TEST_F(Feed, TellsOfEachChangeByItsIdAlone) {
  const auto parent = own_task();
  const auto child = child_of(parent);
  const std::string last = std::to_string(edge.log().size() - 1);
  pause(parent.task.id);
  auto text = read_until("/v1/feed?after=" + last, "keep_seconds");
  auto got = messages(text);
  ASSERT_GE(got.size(), 2U);
  EXPECT_EQ(got[1].event, "heartbeat");
  got.resize(1);
  resume(parent.task.id);
  end(parent.task.id);
  const auto rest = read_until("/v1/feed?after=" + std::to_string(*got[0].id), "event: heartbeat");
  text += rest;
  std::ranges::move(messages(rest), std::back_inserter(got));
  ASSERT_GE(got.size(), 4U);
  EXPECT_EQ(got[0].event, "task.paused");
  EXPECT_EQ(got[0].data.at("tasks").as_array().size(), 2U);
  EXPECT_EQ(got[1].event, "task.resumed");
  EXPECT_EQ(got[2].event, "task.closed");
  EXPECT_EQ(got[2].data.at("task").as_string(), parent.task.id.str());
  EXPECT_EQ(got[3].event, "task.closed");
  EXPECT_EQ(got[3].data.at("task").as_string(), child.task.id.str());
  const std::set<std::string> allowed{"seq", "time", "task", "token", "tasks"};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(got[i].data.at("seq").as_int64(), static_cast<std::int64_t>(*got[i].id));
    for (const auto& member : got[i].data)
      EXPECT_TRUE(allowed.contains(std::string(member.key()))) << member.key();
  }
  for (const char* word : {"leaked", "typo", "coder", "alice", "operator", "readme"})
    EXPECT_THAT(text, Not(HasSubstr(word)));
}

// From the store into memory and on, while others commit: each event once, in order, none missing.
TEST_F(Feed, MissesNothingBetweenReplayAndTail) {
  constexpr std::size_t kCommits = 60, kEach = 25, kFollowers = 2;
  edge.log();
  const auto before = edge.log().size();
  ASSERT_GT(edge.authority->revocations().begin(), 1U) << "so after=0 begins in the store";
  commit_closes(700);  // more than one page of it
  std::atomic<bool> done = false;
  std::vector<std::set<std::uint64_t>> seen(kFollowers);
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < kFollowers; ++i)
    readers.emplace_back([&, i] {
      std::uint64_t last = 0;
      while (true) {
        const bool final_round = done;
        const std::string wanted =
            final_round ? "\"size\":" + std::to_string(edge.store->size()) : "id: ";
        for (const auto& m :
             messages(read_until("/v1/feed?after=" + std::to_string(last), wanted))) {
          if (m.event == "task.closed" && m.id) {
            EXPECT_TRUE(seen[i].insert(*m.id).second) << "told twice";
            EXPECT_GT(*m.id, last);
          }
          if (m.id) last = *m.id;
        }
        if (final_round) break;
      }
    });
  for (std::size_t c = 0; c < kCommits; ++c) commit_closes(kEach);
  done = true;
  for (auto& r : readers) r.join();
  for (const auto& ids : seen) {
    EXPECT_EQ(ids.size(), 700 + kCommits * kEach);
    EXPECT_EQ(*ids.begin(), before);
    EXPECT_EQ(*ids.rbegin(), before + 700 + kCommits * kEach - 1);
  }
}

TEST_F(Feed, AHeartbeatSaysWhereAndWhen) {
  const auto got = messages(read_until("/v1/feed", "event: heartbeat\ndata: {\"size\"") + "}\n\n");
  ASSERT_FALSE(got.empty());
  const auto text = read_until("/v1/feed", "keep_seconds");
  EXPECT_THAT(text, HasSubstr("\"age_ms\":0"));
  EXPECT_THAT(text, HasSubstr("\"time\":\"2"));
}

TEST_F(Feed, ANodeThatCannotVouchSaysNothing) {
  std::string text;
  std::thread reader([&] { text = read_until("/v1/feed", "nothing like this"); });
  while (metric("feed_followers", "") < 1) std::this_thread::yield();
  edge.clock.advance(std::chrono::hours(1));  // nobody confirms the view any more
  const auto refused = send("GET", "/v1/feed", {{"Accept", "text/event-stream"}});
  EXPECT_EQ(refused->status, 503U);
  EXPECT_THAT(refused->body, HasSubstr("this node cannot vouch for the feed now"));
  // Long enough for many heartbeats, were there any.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(send("GET", "/v1/whoami").has_value());
  live.end_streams();
  reader.join();
  EXPECT_THAT(text, HasSubstr("event: end\ndata: {\"reason\":\"service-ending\"}"));
  for (const auto& m : messages(text))
    if (m.event == "heartbeat")
      EXPECT_EQ(m.data.at("age_ms").as_int64(), 0) << "none after it grew stale";
  EXPECT_EQ(metric("feed_ended_total", "service-ending"), 1);
}

class ShortFeed : public Feed {
 protected:
  static Settings with() {
    auto s = many();
    s.feed_replay = 3;
    return s;
  }
  ShortFeed() : Feed(with()) {}
};

TEST_F(ShortFeed, WhatIsNotKeptIsGone) {
  const auto get = [&](const std::string& after) {
    return send("GET", "/v1/feed?after=" + after, {{"Accept", "text/event-stream"}});
  };
  const auto gone = get("0");
  EXPECT_EQ(gone->status, 410U);
  EXPECT_THAT(gone->body, HasSubstr("the feed does not go back that far: begin without after"));
  const auto beyond = get(std::to_string(edge.log().size()));
  EXPECT_EQ(beyond->status, 412U);
  EXPECT_THAT(beyond->body, HasSubstr("the log does not reach that event"));
  // What is in memory is kept, however much came since.
  const std::string begin = std::to_string(edge.authority->revocations().begin());
  EXPECT_THAT(read_until("/v1/feed?after=" + begin, "event: heartbeat"), HasSubstr("200\n"));
  EXPECT_EQ(get("x")->status, 400U);
}

TEST_F(Feed, WhoMayFollow) {
  const auto task = own_task();
  const auto refused = [&](http::Headers headers, std::string_view why) {
    headers.add("Accept", "text/event-stream");
    const auto got = send("GET", "/v1/feed", headers);
    EXPECT_EQ(got->status, 403U);
    EXPECT_THAT(got->body, HasSubstr(why));
  };
  refused({{"Authorization", "Bearer " + edge.id_token("alice-sub")}},
          "the feed is for operators and edge verifiers");
  refused(as_agent_headers(edge.coder, task), "the agent is no edge verifier");
  EXPECT_THAT(
      read_until("/v1/feed", "heartbeat",
                 {{"Authorization",
                   "Bearer " + edge.id_token("root-sub", {{"groups", json::Array{"admins"}}})}}),
      HasSubstr("200\n"));
  name_verifier(true);
  const auto text = read_until("/v1/feed", "heartbeat", as_agent_headers(edge.coder, task));
  EXPECT_THAT(text, HasSubstr("event: snapshot"));
  pause(task.task.id);
  refused(as_agent_headers(edge.coder, task), "the task is paused");
}

class FewStreams : public Feed {
 protected:
  static Settings with() {
    auto s = many();
    s.streams = 3;
    s.caller_streams = 2;
    return s;
  }
  FewStreams() : Feed(with()) {}
};

TEST_F(FewStreams, OneCallerDoesNotTakeThemAll) {
  const http::Headers stream{{"Accept", "text/event-stream"}};
  const http::Headers root{
      {"Accept", "text/event-stream"},
      {"Authorization",
       "Bearer " + edge.id_token("root-sub", {{"groups", json::Array{"admins"}}})}};
  std::vector<std::thread> readers;
  const auto open = [&](http::Headers headers) {
    const double before = metric("feed_followers", "");
    readers.emplace_back([this, headers] { read_until("/v1/feed", "event: end\n", headers); });
    while (metric("feed_followers", "") <= before) std::this_thread::yield();
  };
  open({});
  open({});
  const auto own = send("GET", "/v1/feed", stream);
  EXPECT_EQ(own->status, 429U);
  EXPECT_THAT(own->body, HasSubstr("too many streams of this caller are open"));
  open(root);
  const auto all = send("GET", "/v1/feed", root);
  EXPECT_EQ(all->status, 429U);
  EXPECT_THAT(all->body, HasSubstr("too many streams are open"));
  live.end_streams();
  for (std::thread& reader : readers) reader.join();
}

TEST_F(Feed, EndsWithTheFollowersOwnTask) {
  name_verifier(true);
  const auto task = own_task();
  std::string text;
  std::thread reader(
      [&] { text = read_until("/v1/feed", "event: end\n", as_agent_headers(edge.coder, task)); });
  while (metric("feed_followers", "") < 1) std::this_thread::yield();
  end(task.task.id);
  reader.join();
  EXPECT_EQ(metric("feed_ended_total", "not-allowed"), 1);
}

// Also in the midst of a long snapshot, of which it takes nothing for a while.
TEST_F(Feed, EndsWithTheFollowersOwnTaskWhileItIsTold) {
  constexpr std::size_t kCloses = 20'000;
  name_verifier(true);
  const auto task = own_task();
  commit_closes(kCloses);
  std::atomic<bool> begun = false, go = false;
  std::string text;
  std::thread reader([&] {
    auto headers = as_agent_headers(edge.coder, task);
    headers.add("Accept", "text/event-stream");
    text = rt::block_on(wait_and_read(&clock, socket_path, std::move(headers), &begun, &go));
  });
  while (!begun) std::this_thread::yield();
  end(task.task.id);
  go = true;
  reader.join();
  EXPECT_THAT(text, HasSubstr("event: end\ndata: {\"reason\":\"not-allowed\"}"));
  EXPECT_LT(messages(text).size(), kCloses / 2) << "no more than was under way";
  EXPECT_THAT(text, Not(HasSubstr("event: heartbeat")));
}

TEST_F(Feed, EndsWhenTheAgentIsNoVerifierAnyMore) {
  name_verifier(true);
  const auto task = own_task();
  std::string text;
  std::thread reader([&] {
    text = read_until("/v1/feed", "\"not-allowed\"", as_agent_headers(edge.coder, task));
  });
  while (metric("feed_followers", "") < 1) std::this_thread::yield();
  name_verifier(false);
  reader.join();
  EXPECT_THAT(text, HasSubstr("event: end\ndata: {\"reason\":\"not-allowed\"}"));
}

class HastyFeed : public Feed {
 protected:
  static Settings with() {
    auto s = many();
    s.feed_lag = std::chrono::milliseconds(50);
    return s;
  }
  HastyFeed() : Feed(with()) {}

  // Asks, and reads nothing until it was cut.
  static rt::Co<bool> ask_and_wait(const Clock* clock, std::string socket, std::string target,
                                   const std::atomic<bool>* cut) {
    net::Client client(co_await rt::this_executor(), *clock, roots());
    http::RequestHead head{
        .method = "GET", .target = std::move(target), .headers = {{"Accept", "text/event-stream"}}};
    auto exchange = co_await client.open({.kind = net::Origin::Kind::kUnix, .host = socket}, head,
                                         {}, rt::Deadline::in(*clock, std::chrono::seconds(10)));
    if (!exchange) co_return false;
    while (!*cut) std::this_thread::yield();
    while (true) {  // what lies in the socket, and then its end
      const auto head_read = co_await exchange->head();
      if (!head_read) co_return true;
      const auto piece = co_await exchange->read_piece();
      if (!piece) co_return true;
      if (piece->empty()) co_return false;  // ended in order: not what is wanted here
    }
  }
};

TEST_F(HastyFeed, WhoDoesNotReadIsCut) {
  commit_closes(20'000);  // megabytes: no socket holds them
  std::atomic<bool> cut = false;
  bool broken = false;
  std::thread reader(
      [&] { broken = rt::block_on(ask_and_wait(&clock, socket_path, "/v1/feed", &cut)); });
  while (metric("feed_ended_total", "too-slow") < 1) std::this_thread::yield();
  cut = true;
  reader.join();
  EXPECT_TRUE(broken);
  while (metric("feed_followers", "") > 0) std::this_thread::yield();
}

class ImpatientFeed : public Feed {
 protected:
  static Settings with() {
    auto s = many();
    s.feed_lag = std::chrono::milliseconds(-1);
    return s;
  }
  ImpatientFeed() : Feed(with()) {}
};

TEST_F(ImpatientFeed, WhoDoesNotKeepUpIsTold) {
  commit_closes(700);
  const auto text = read_until("/v1/feed?after=0", "event: end");
  EXPECT_EQ(metric("feed_ended_total", "too-slow"), 1);
  EXPECT_THAT(text, Not(HasSubstr("event: heartbeat")));
}

TEST_F(Feed, CountsWhatItHolds) {
  const auto task = own_task();
  pause(own_task().task.id);
  end(task.task.id);
  EXPECT_EQ(metric("feed_standing", "task.closed"), 1);
  EXPECT_EQ(metric("feed_standing", "task.paused"), 1);
  EXPECT_EQ(metric("feed_kept", ""), 2);
}

}  // namespace
}  // namespace stint::api
