// What time does: ends, idleness, presence, receipts, a view that nobody confirms.
#include "authority_for_test.h"
#include "impl.h"
#include "stint/audit/receipt.h"

namespace stint::authority {
namespace {

using domain::How;
using domain::State;
using domain::Why;

using Upkeep = Fixture;

TEST_F(Upkeep, TimeClosesWhatIsDueAndAReceiptFollows) {
  auto r = request();
  r.order.idle_limit = 60s;
  const Opened idle = opened(r);
  const Opened expiring = opened();
  pass(61s);
  EXPECT_EQ(authority->sweep().closed, 1u);
  EXPECT_EQ(must(authority->task(idle.task.id)).how, How::kIdle);
  pass(60min);
  EXPECT_EQ(decide(call(expiring.task)).error().reason.text(), "the task is past its deadline");
  EXPECT_EQ(authority->sweep().closed, 1u);
  EXPECT_TRUE(must(authority->publish_log()));
  EXPECT_EQ(must(authority->sign_receipts()), 2u);
  EXPECT_NE(must(authority->receipt(idle.task.id)).find("idle"), std::string::npos);
  EXPECT_FALSE(authority->receipt(TaskId::random(entropy)).has_value());
}

// A node whose clock is behind would take it again, when one that is ahead has forgotten it.
TEST_F(Upkeep, WhatWasUsedUpIsRememberedForAsLongAsClocksMayBeApart) {
  const WallTime until = clock.wall() + 10s;
  const auto use = [&] {
    auto r = request();
    r.spend = {{"client-assertion", "once", until}};
    const auto opened = rt::block_on(authority->open_task(std::move(r)));
    return opened ? "taken" : std::string(opened.error().reason.text());
  };
  EXPECT_EQ(use(), "taken");
  pass(10s + 60s);
  EXPECT_EQ(authority->sweep().forgotten, 0u);
  EXPECT_EQ(use(), "the assertion was used before");
  pass(1ms);
  EXPECT_EQ(authority->sweep().forgotten, 1u);
}

TEST_F(Upkeep, AViewThatTheWriterDoesNotConfirmDenies) {  // S6
  const Opened o = opened();
  clock.advance(2001ms);
  const auto stale = decide(call(o.task));
  ASSERT_FALSE(stale.has_value());
  EXPECT_EQ(stale.error().reason.text(), "the view of live tasks is stale");
  pass(0ms);
  EXPECT_TRUE(decide(call(o.task)).has_value());
}

// A long queue does not make its own node's view stale: each commit says as much as an empty one.
TEST_F(Upkeep, AViewIsConfirmedByEachCommit) {
  const Opened o = opened();
  for (int i = 0; i < 5; ++i) {
    clock.advance(1500ms);
    must(store->write_sync([](store::Tx& tx) -> Result<bool> {
      tx.no_event();
      return true;
    }));
    EXPECT_TRUE(decide(call(o.task)).has_value()) << i;
  }
}

TEST_F(Upkeep, ABusyTaskWithAnIdleLimitCanBePausedAndMints) {
  auto r = request();
  r.order.idle_limit = 60s;
  r.order.attended = true;
  r.order.presence_limit = 30s;
  const Opened o = opened(r);
  for (int i = 0; i < 5; ++i) {
    pass(20s);
    ASSERT_TRUE(authority->heartbeat(o.task.id, clock.wall()).has_value());
    ASSERT_TRUE(decide(call(o.task)).has_value()) << i;
  }
  EXPECT_TRUE(rt::block_on(authority->mint(minting(o))).has_value());
  EXPECT_TRUE(child(o.task.id).has_value());
  EXPECT_EQ(
      must(rt::block_on(authority->pause(o.task.id, Why::kOperator, Actor::local_operator(0))))
          .state,
      State::kPaused);
}

TEST_F(Upkeep, AReceiptThatCannotBeDoesNotHoldUpTheOthers) {
  const Opened o = opened();
  must(store->write_sync([&](store::Tx& tx) -> Result<bool> {
    tx.no_event();
    tx.run("INSERT INTO owed (kind, task, since, next, body) VALUES ('receipt', $1, 0, 0, '{}')",
           TaskId::random(entropy));
    return true;
  }));
  must(rt::block_on(authority->close(o.task.id, How::kCompleted, Actor::agent("coder"))));
  must(authority->publish_log());
  EXPECT_EQ(must(authority->sign_receipts()), 1u);
}

TEST_F(Upkeep, AReceiptThatCanNeverBeIsSetAsideAndSaidSo) {
  const Opened o = opened();
  const auto next = opened();
  // More of a life than a receipt lists.
  must(store->write_sync([&](store::Tx& tx) -> Result<bool> {
    for (std::size_t i = 0; i < audit::kMaxLife; ++i)
      append(tx, clock.wall(),
             audit::TaskDelegated{
                 .task = o.task.id, .child = TaskId::random(entropy), .agent = "helper"});
    return true;
  }));
  for (const auto& task : {o.task.id, next.task.id})
    must(rt::block_on(authority->close(task, How::kCompleted, Actor::agent("coder"))));
  must(authority->publish_log());
  EXPECT_EQ(must(authority->sign_receipts()), 1u);
  const auto owed = [&](std::string kind) {
    return must(store->read([&](store::Reader& reader) {
      return reader.rows<std::string>("SELECT body FROM owed WHERE task = $1 AND kind = $2",
                                      o.task.id, kind);
    }));
  };
  EXPECT_TRUE(owed("receipt").empty()) << "it would be tried for ever";
  EXPECT_EQ(owed("receipt-failed"), std::vector<std::string>{R"({"reason":"task life too long"})"});
  EXPECT_EQ(authority->receipt(o.task.id).error().reason.text(),
            "no receipt could be made for this task");
  EXPECT_TRUE(authority->receipt(next.task.id).has_value());
  EXPECT_EQ(authority->receipt(TaskId::random(entropy)).error().reason.text(),
            "no receipt yet: it is signed after the task has closed");
  pass(31s);
  EXPECT_EQ(must(authority->sign_receipts()), 0u);
}

}  // namespace
}  // namespace stint::authority
