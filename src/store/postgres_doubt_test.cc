// Promise S3 where the answer to a COMMIT does not come: nobody is told what is not known.
#include <future>
#include <thread>

#include "postgres_fault_for_test.h"

namespace stint::store {
namespace {

using testing::ElementsAre;
using testkit::PostgresServer;
using Cut = PostgresProxy::Cut;

// The connection is cut at the COMMIT: what the caller is told is what happened.
TEST(PostgresDoubt, WhatBecameOfACommitIsFoundOut) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_in(url);
  PostgresProxy proxy(server.directory());
  Node other(url);
  Node node(proxy.url(db));
  for (const Cut where : {Cut::kAfterCommit, Cut::kBeforeCommit}) {
    const bool stands = where == Cut::kAfterCommit;
    const std::string name = stands ? "after" : "before";
    std::promise<Status> done;
    {
      testkit::HeldWriter hold(*node);
      ASSERT_TRUE(node->record(recorded("recorded " + name)).has_value());
      node->submit(
          [&, cut = false](Tx& tx) mutable {
            if (!std::exchange(cut, true)) proxy.cut(where);
            tx.run(kPut, name, "1"), tx.append(event(name + "=1"));
          },
          [&](Status s) { done.set_value(s); });
    }
    const Status told = done.get_future().get();
    EXPECT_TRUE(proxy.cut_done());
    EXPECT_EQ(why(told), stands ? "ok" : kLost);
    EXPECT_TRUE(soon([&] { return node->health().queued == 0; })) << "what was recorded is written";
    ASSERT_TRUE(node->write_sync(put("then", name)).has_value());
    auto log = counted(log_of(*node));
    EXPECT_EQ(log["recorded " + name], 1);
    EXPECT_EQ(log[name + "=1"], stands ? 1 : 0);
  }
  // What changes no state has no event, and nothing tells of it.
  proxy.cut(Cut::kAfterCommit);
  const auto quiet = node->write_sync([](Tx& tx) {
    tx.no_event();
    return tx.run(kUse, "s", Blob{"h"}, 1);
  });
  EXPECT_EQ(why(quiet), kUnknown);
  ASSERT_TRUE(node->write_sync(put("last", "1")).has_value());
  EXPECT_TRUE(other.sync().has_value());
  EXPECT_EQ(node.seen(), other.seen());
  expect_consistent(*node);
}

// The server stays away for longer than anybody waits: nobody is told what is not known, and what
// was recorded is written once, before what was recorded later.
void stay_away_after(Cut where, const PostgresServer& server, const std::string& db) {
  PostgresProxy proxy(server.directory());
  Options options;
  options.max_batch = 3;
  Node node(proxy.url(db), options);
  std::promise<Status> done, behind;
  {
    testkit::HeldWriter hold(*node);
    ASSERT_TRUE(node->record(recorded("r1")).has_value());
    // From within: what was recorded before it may be a commit of its own, when time is short.
    node->submit(
        [&, cut = false](Tx& tx) mutable {
          if (!std::exchange(cut, true)) proxy.cut(where, true);
          tx.run(kPut, "a", "1"), tx.append(event("a=1"));
        },
        [&](Status s) { done.set_value(s); });
    ASSERT_TRUE(node->record(recorded("r2")).has_value());
    node->submit([](Tx& tx) { tx.run(kPut, "b", "1"), tx.append(event("b=1")); },
                 [&](Status s) { behind.set_value(s); });
    ASSERT_TRUE(node->record(recorded("r3")).has_value());
  }
  const auto start = SystemClock().mono();
  EXPECT_EQ(why(done.get_future().get()), kUnknown);
  EXPECT_EQ(why(behind.get_future().get()), "the database cannot be reached")
      << "of another batch, which was never begun";
  EXPECT_LT(SystemClock().mono() - start, std::chrono::seconds(12));
  EXPECT_FALSE(node->health().writable);
  EXPECT_FALSE(node->record(recorded("r4")).has_value());
  proxy.return_to_service();
  EXPECT_TRUE(soon([&] { return node->health().writable; }));
  ASSERT_TRUE(node->record(recorded("r4")).has_value());
  ASSERT_TRUE(node->write_sync(put("c", "1")).has_value());
  const auto log = log_of(*node);
  if (where == Cut::kAfterCommit) {
    EXPECT_THAT(log, ElementsAre("r1", "a=1", "r2", "r3", "r4", "c=1"));
  } else {
    EXPECT_THAT(log, ElementsAre("r1", "r2", "r3", "r4", "c=1"));
  }
  EXPECT_EQ(node.seen(), log);
  EXPECT_EQ(node->health().queued, 0u);
  expect_consistent(*node);
}

TEST(PostgresDoubt, WhatIsNotKnownIsCalledSo) {
  PostgresServer& server = PostgresServer::shared();
  const std::string one = database_in(server.database()), two = database_in(server.database());
  std::thread beside([&] { stay_away_after(Cut::kAfterCommit, server, one); });
  stay_away_after(Cut::kBeforeCommit, server, two);
  beside.join();
}

}  // namespace
}  // namespace stint::store
