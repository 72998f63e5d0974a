// Token status lists: every token has its own index, and the list says what became of it.
#include "status_lists.h"

#include <gmock/gmock.h>

#include <future>
#include <set>
#include <thread>

#include "authority_for_test.h"
#include "stint/jose/access_token.h"
#include "stint/jose/jws.h"
#include "stint/testkit/postgres_server.h"

namespace stint::authority {
namespace {

TEST(StatusIndexes, AreEachGivenOnceAndInNoOrder) {
  crypto::SystemEntropy entropy;
  StatusIndexes indexes(entropy);
  std::vector<std::vector<StatusIndex>> taken(4);
  std::vector<std::thread> threads;
  for (auto& mine : taken)
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < kStatusEntries / 2; ++i) mine.push_back(indexes.take(WallTime()));
    });
  for (auto& t : threads) t.join();
  std::set<std::pair<std::int64_t, std::uint32_t>> all;
  std::size_t rising = 0;
  for (const auto& mine : taken)
    for (std::size_t i = 0; i < mine.size(); ++i) {
      EXPECT_LT(mine[i].idx, kStatusEntries);
      EXPECT_GE(mine[i].list->number, 0);
      EXPECT_LT(mine[i].list->number, std::int64_t{1} << 53);
      ASSERT_TRUE(all.emplace(mine[i].list->number, mine[i].idx).second);
      if (i > 0) rising += mine[i].idx > mine[i - 1].idx ? 1 : 0;
    }
  EXPECT_EQ(all.size(), 2 * kStatusEntries) << "two lists, each full";
  // Half of them in a random order, all in a counted one.
  EXPECT_NEAR(static_cast<double>(rising) / static_cast<double>(all.size()), 0.5, 0.02);
}

TEST(StatusIndexes, AListTakesTokensForAWhile) {
  crypto::SystemEntropy entropy;
  StatusIndexes indexes(entropy);
  const WallTime start = from_unix_seconds(1'790'000'000);
  const auto first = indexes.take(start).list;
  EXPECT_EQ(indexes.take(start + kStatusRotation - 1ms).list, first);
  const auto second = indexes.take(start + kStatusRotation).list;
  EXPECT_NE(second->number, first->number);
  EXPECT_NE(indexes.take(start).list, second) << "the clock was set back";
}

class StatusListTest : public Fixture {
 protected:
  struct Held {
    domain::Task task;
    jose::StatusReference at;
    std::string token;
    std::int64_t number() const { return std::stoll(at.uri.substr(at.uri.rfind('/') + 1)); }
  };
  Held held(const Opened& o) {
    const auto minted = must(rt::block_on(authority->mint(minting(o)))).token;
    const jose::AccessTokenVerifier verifier(settings.issuer, minted.audience,
                                             authority->token_keys());
    return {o.task, must(verifier.verify(minted.token, clock.wall())).claims().status.value(),
            minted.token};
  }
  Held held() { return held(opened()); }
  // As a resource server that has just fetched it.
  std::string standing(const Held& h) {
    const auto document = authority->status_list(h.number());
    if (!document) return std::string(document.error().reason.text());
    const auto list =
        jose::verify_status_list(document->jwt, h.at.uri, *authority->token_keys(), clock.wall());
    if (!list) return std::string(list.error().reason.text());
    const auto status = list->check(h.at, clock.wall());
    return status ? "valid" : std::string(status.error().reason.text());
  }
  void end(TaskId task) {
    ASSERT_TRUE(rt::block_on(authority->close(task, domain::How::kRevoked, Actor::system("test"))));
  }
  void pause(TaskId task) {
    ASSERT_TRUE(
        rt::block_on(authority->pause(task, domain::Why::kOperator, Actor::local_operator(0))));
  }
  void resume(TaskId task) {
    ASSERT_TRUE(
        rt::block_on(authority->resume(task, domain::Why::kOperator, Actor::local_operator(0))));
  }
};

TEST_F(StatusListTest, SaysWhatBecameOfEachToken) {
  const auto fine = held(), closed = held(), revoked = held();
  EXPECT_EQ(fine.number(), closed.number());
  for (const auto& h : {fine, closed, revoked}) EXPECT_EQ(standing(h), "valid");
  end(closed.task.id);
  EXPECT_EQ(standing(closed), "status invalid") << "at once: what changed is signed anew";
  ASSERT_TRUE(must(rt::block_on(authority->revoke(revoked.token, "coder"))));
  EXPECT_EQ(standing(revoked), "status invalid");
  EXPECT_EQ(standing(fine), "valid");
  reopen();
  EXPECT_EQ(standing(closed), "status invalid") << "the rows say it too";
  EXPECT_EQ(standing(revoked), "status invalid");
  EXPECT_EQ(standing(fine), "valid");
  EXPECT_NE(held().number(), fine.number()) << "another process, another list";
}

TEST_F(StatusListTest, APauseHoldsUpWhatIsBelow) {
  const auto parent = opened();
  const auto child = must(Fixture::child(parent.task.id));
  const auto above = held(parent), below = held(child), other = held();
  pause(child.task.id);
  pause(parent.task.id);
  EXPECT_EQ(standing(above), "status suspended");
  EXPECT_EQ(standing(below), "status suspended");
  EXPECT_EQ(standing(other), "valid");
  resume(child.task.id);
  EXPECT_EQ(standing(below), "status suspended") << "its parent is paused still";
  resume(parent.task.id);
  EXPECT_EQ(standing(above), "valid");
  EXPECT_EQ(standing(below), "valid");
  pause(parent.task.id);
  reopen();
  EXPECT_EQ(standing(below), "status suspended");
  end(parent.task.id);
  EXPECT_EQ(standing(below), "status invalid");
}

TEST_F(StatusListTest, IsSignedAnewInTimeAndNotForEachWhoAsks) {
  const auto one = held();
  const auto first = must(authority->status_list(one.number()));
  EXPECT_EQ(must(authority->status_list(one.number())).jwt, first.jwt);
  pass(kStatusFresh - 1ms);
  EXPECT_EQ(must(authority->status_list(one.number())).etag, first.etag);
  pass(1ms);
  const auto second = must(authority->status_list(one.number()));
  EXPECT_NE(second.jwt, first.jwt);
  EXPECT_NE(second.etag, first.etag);
  // Who keeps the first denies once it is older than it says.
  const auto list =
      must(jose::verify_status_list(first.jwt, one.at.uri, *authority->token_keys(), clock.wall()));
  EXPECT_TRUE(list.check(one.at, clock.wall()));
  EXPECT_EQ(list.check(one.at, clock.wall() + kStatusTtl).error().reason.text(),
            "status list is stale");
}

TEST_F(StatusListTest, IsGoneOnceItsTokensAre) {
  const auto one = held();
  EXPECT_EQ(must(authority->status_list_uris()), std::vector{one.at.uri});
  EXPECT_EQ(authority->status_list(one.number() + 1).error().reason.text(), "no such status list");
  pass(20min);
  EXPECT_EQ(authority->status_list(one.number()).error().reason.text(), "no such status list");
  EXPECT_TRUE(must(authority->status_list_uris()).empty());
  authority->sweep();
  EXPECT_EQ(must(store->read([](store::Reader& r) {
              return r.one<std::int64_t>("SELECT COUNT(*) FROM status_list");
            })),
            0);
}

TEST_F(StatusListTest, InventedNumbersDoNotKeepTheStoreBusy) {
  const Held h = held();
  EXPECT_EQ(standing(h), "valid");
  const auto invented = [&] {
    const auto got = authority->status_list(17);
    return got ? std::string("served") : std::string(got.error().reason.text());
  };
  std::size_t looked_for = 0;
  for (int i = 0; i < 1000; ++i) looked_for += invented() == "no such status list" ? 1 : 0;
  EXPECT_LE(looked_for, kUnknownLists);
  EXPECT_EQ(invented(), "too many unknown status lists are asked for");
  EXPECT_EQ(standing(h), "valid") << "known ones are served meanwhile";
  pass(1s);
  EXPECT_EQ(invented(), "no such status list");
}

TEST_F(StatusListTest, ANewListIsServedWhateverStrangersInvent) {
  const Held h = held();
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(authority->status_list(17).has_value());
  EXPECT_EQ(standing(h), "valid");
}

class InterruptedStatusLists : public StatusListTest {
 protected:
  Result<std::unique_ptr<store::Store>> open_store() override {
    store::Options options;
    options.postgres = store::PostgresOptions{.url = url, .password = nullptr};
    return store::Store::open(std::move(options), now);
  }
  SystemClock now;
  testkit::PostgresServer server;
  std::string url = server.database();
};

// What could not be read when a key went is read the next time.
TEST_F(InterruptedStatusLists, ARevokedKeyIsNotForgotten) {
  const Held h = held();
  ASSERT_EQ(standing(h), "valid");
  must(rt::block_on(authority->rotate_keys(crypto::Alg::kES256, true, Actor::local_operator(0))));
  const auto parsed = must(jose::parse_compact(h.token));
  must(rt::block_on(authority->revoke_key(parsed.header().kid, Actor::local_operator(0))));
  server.freeze();
  EXPECT_FALSE(authority->status_list(h.number()).has_value());
  server.thaw();
  for (bool heard = false; !heard;) {
    std::promise<bool> answer;
    store->sync([&](const Status& s) { answer.set_value(s.has_value()); });
    heard = answer.get_future().get();
  }
  EXPECT_EQ(standing(h), "status invalid");
}

TEST_F(StatusListTest, ANodeThatCannotVouchGivesNone) {
  const auto one = held();
  clock.advance(1h);
  EXPECT_EQ(authority->status_list(one.number()).error().reason.text(),
            "this node cannot vouch for its status lists now");
}

// 128 Ki entries of which few count against anybody: a poll is cheap.
TEST_F(StatusListTest, IsSmallOnTheWire) {
  const auto one = held();
  EXPECT_LT(must(authority->status_list(one.number())).jwt.size(), 600U);
  for (int i = 0; i < 50; ++i) end(held().task.id);
  EXPECT_LT(must(authority->status_list(one.number())).jwt.size(), 1500U);
}

}  // namespace
}  // namespace stint::authority
