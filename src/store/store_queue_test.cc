// Many commands: order, observers, bounds, what is recorded, the end.
#include <future>
#include <latch>
#include <thread>

#include "contract_for_test.h"
#include "stint/rt/runtime.h"

namespace stint::store {
namespace {

using testing::ElementsAre;

class StoreQueue : public ContractTest {};

// S1 rests on this: a view that observes is current before a close is acknowledged.
TEST_P(StoreQueue, ObserversComeBeforeCompletions) {
  std::vector<std::string> order;
  store_->observe([&](std::span<const EventView> events) {
    for (const EventView& e : events) order.push_back("seen " + std::string(e.bytes));
    EXPECT_EQ(store_->size(), events.back().seq + 1);
  });
  testkit::HeldWriter hold(*store_);
  store_->submit(put("a", "1"), [&](auto) { order.push_back("done a"); });
  store_->submit(
      [](Tx& tx) -> Status {
        tx.append(event("never"));
        return fail(Errc::kDenied, "no");
      },
      [&](Status) { order.push_back("done never"); });
  store_->submit(put("b", "1"), [&](auto) { order.push_back("done b"); });
  hold.release();
  store_->stop();
  EXPECT_THAT(order, ElementsAre("seen a=1", "seen b=1", "done a", "done never", "done b"));
}

TEST_P(StoreQueue, ManyThreadsGetEachTheirOwnPosition) {
  constexpr int kThreads = 8, kEach = 200;
  std::vector<std::vector<Seq>> got(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const auto seq = store_->write_sync(put("t" + std::to_string(t), std::to_string(i)));
        if (seq) got[static_cast<std::size_t>(t)].push_back(*seq);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  const std::vector<std::string> entries = log();
  ASSERT_EQ(entries.size(), kThreads * kEach);
  for (std::size_t t = 0; t < kThreads; ++t) {
    ASSERT_EQ(got[t].size(), kEach);
    for (std::size_t i = 0; i < kEach; ++i) {
      EXPECT_EQ(entries[got[t][i]], "t" + std::to_string(t) + "=" + std::to_string(i));
    }
    EXPECT_TRUE(std::ranges::is_sorted(got[t])) << "order of submission";
  }
}

TEST_P(StoreQueue, ManyOutstandingShareCommits) {
  constexpr std::uint64_t kCommands = 500;
  testkit::HeldWriter hold(*store_);
  std::latch done(kCommands);
  for (std::uint64_t i = 0; i < kCommands; ++i) {
    store_->submit(put("a", std::to_string(i)), [&](auto) { done.count_down(); });
  }
  hold.release();
  done.wait();
  EXPECT_LE(store_->health().commits, 3u);
  EXPECT_EQ(store_->health().commands, kCommands + 1);
}

TEST_P(StoreQueue, QueueIsBounded) {
  open(Options{.max_queue = 4});
  testkit::HeldWriter hold(*store_);
  int accepted = 0;
  std::vector<std::string> refused;
  for (int i = 0; i < 6; ++i) {
    store_->submit(put("a", "1"), [&](auto r) {
      if (r)
        ++accepted;
      else
        refused.emplace_back(r.error().reason.text());
    });
  }
  EXPECT_THAT(refused, ElementsAre("store queue is full", "store queue is full"));
  EXPECT_EQ(store_->health().queued, 4u);
  hold.release();
  store_->stop();
  EXPECT_EQ(accepted, 4);
}

EventRun recorded(std::string bytes) {
  EventRun run;
  EXPECT_TRUE(run.add(event(std::move(bytes))).has_value());
  return run;
}

TEST_P(StoreQueue, RecordedCommitsByItselfAndWithTheNext) {
  open(Options{.max_recorded = 2, .record_flush = std::chrono::milliseconds(1)});
  std::promise<void> seen;
  store_->observe([&](std::span<const EventView> e) {
    if (e.front().bytes == "a=1") seen.set_value();
  });
  ASSERT_TRUE(store_->record(recorded("a=1")).has_value());
  seen.get_future().wait();  // nobody asked for it

  testkit::HeldWriter hold(*store_);
  ASSERT_TRUE(store_->record(recorded("b=1")).has_value());
  ASSERT_TRUE(store_->record(recorded("c=1")).has_value());
  const Status full = store_->record(recorded("d=1"));
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().reason.text(), "store queue is full");
  store_->submit(put("e", "1"), [](auto) {});
  hold.release();
  store_->stop();
  EXPECT_THAT(log(), ElementsAre("a=1", "b=1", "c=1", "e=1"));
}

TEST_P(StoreQueue, StopCommitsWhatIsQueuedAndRefusesTheRest) {
  int done = 0;
  for (int i = 0; i < 100; ++i)
    store_->submit(put("a", "1"), [&](auto r) { done += r.has_value(); });
  ASSERT_TRUE(store_->record(recorded("b=1")).has_value());
  store_->stop();
  EXPECT_EQ(done, 100);
  EXPECT_EQ(store_->size(), 101u);
  expect_refused(put("a", "2"), Errc::kUnavailable, "store is stopping");
  EXPECT_EQ(get("a"), "1") << "reads go on";
}

rt::Co<void> write_one(Store& store, std::promise<std::pair<bool, Seq>>& out) {
  const std::thread::id before = std::this_thread::get_id();
  const auto seq = co_await store.write([](Tx& tx) { return tx.append(event("co")); });
  out.set_value({before == std::this_thread::get_id(), seq.value_or(99)});
}

TEST_P(StoreQueue, WriteResumesWhereItWasAwaited) {
  rt::Runtime runtime(1);
  runtime.start();
  std::promise<std::pair<bool, Seq>> out;
  rt::spawn(runtime.executor(0), write_one(*store_, out));
  EXPECT_EQ(out.get_future().get(), std::pair(true, Seq{0}));
  runtime.stop();
}

INSTANTIATE_TEST_SUITE_P(Every, StoreQueue, testing::ValuesIn(kBackends),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stint::store
