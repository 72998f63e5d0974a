// Promise S7 of a fleet on one PostgreSQL: every node sees everything once and in one order, and no
// two of them spend the same.
#include <malloc.h>

#include <random>
#include <thread>

#include "postgres_fault_for_test.h"

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#include <sanitizer/allocator_interface.h>
#endif

namespace stint::store {
namespace {

using testing::ElementsAre;
using testkit::PostgresServer;

// A counter that everybody adds to, and a budget that nobody may overspend.
Result<int> add_one(Tx& tx) {
  const auto at = tx.one<std::string>("SELECT body FROM entity WHERE name = 'counter'");
  const int next = at ? std::stoi(*at) + 1 : 1;
  tx.run(kPut, "counter", std::to_string(next));
  tx.append(event("counter=" + std::to_string(next)));
  return next;
}

Result<int> take_one(Tx& tx) {
  const auto at = tx.one<std::string>("SELECT body FROM entity WHERE name = 'budget'");
  const int left = at ? std::stoi(*at) : 100;
  if (left == 0) return fail(Errc::kDenied, "spent");
  tx.run(kPut, "budget", std::to_string(left - 1));
  tx.append(event("budget=" + std::to_string(left - 1)));
  return left;
}

TEST(PostgresFleet, EveryoneSeesEverythingOnceAndNothingIsLostOrOverspent) {
  const std::string url = PostgresServer::shared().database();
  Node a(url), b(url), c(url);
  std::atomic<int> taken{0}, spent{0};
  std::vector<std::thread> threads;
  for (Node* node : {&a, &b, &c})
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&, node] {
        for (int i = 0; i < 20; ++i) {
          EXPECT_TRUE((*node)->write_sync(add_one).has_value());
          const auto took = (*node)->write_sync(take_one);
          took ? ++taken : ++spent;
          EXPECT_TRUE(took || why(took) == "spent") << why(took);
          EXPECT_TRUE((*node)->record(recorded("recorded")).has_value());
        }
      });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(taken, 100) << "a budget is spent to the end, and not beyond";
  EXPECT_EQ(spent, 80);
  for (Node* node : {&a, &b, &c})
    EXPECT_TRUE(soon([&] { return (*node)->size() == 180 + 100 + 180; })) << (*node)->size();
  const auto log = log_of(*a);
  EXPECT_EQ(counted(log)["recorded"], 180);
  for (int i = 1; i <= 180; ++i) EXPECT_EQ(counted(log)["counter=" + std::to_string(i)], 1);
  for (Node* node : {&a, &b, &c}) {
    EXPECT_EQ(node->seen(), log);
    EXPECT_GT(node->followed(), 0u);
    EXPECT_LT(node->followed(), log.size()) << "its own are not foreign";
  }
}

// Two nodes and the slow obvious model, in any interleaving.
TEST(PostgresFleet, TwoNodesBehaveAsOneModel) {
  const std::string url = PostgresServer::shared().database();
  Node a(url), b(url);
  std::mt19937 random(7);
  std::map<std::string, std::string> rows;
  std::vector<std::string> log;
  for (int i = 0; i < 300; ++i) {
    Node& node = random() % 2 == 0 ? a : b;
    const std::string name(1, static_cast<char>('a' + random() % 4)), body = std::to_string(i);
    const bool strict = random() % 3 == 0, gives_up = random() % 5 == 0;
    const auto done = node->write_sync([&](Tx& tx) -> Result<Seq> {
      tx.run(strict ? kInsert : kPut, name, body);
      const Seq at = tx.append(event(name + body));
      if (gives_up) return fail(Errc::kDenied, "asked to");
      return at;
    });
    if (gives_up || (strict && rows.contains(name))) {
      EXPECT_FALSE(done.has_value());
    } else {
      ASSERT_TRUE(done.has_value()) << why(done);
      EXPECT_EQ(*done, log.size());
      rows[name] = body;
      log.push_back(name + body);
    }
    if (random() % 8 == 0) {
      Node& other = &node == &a ? b : a;
      const auto got = other->read([&](Reader& r) { return r.one<std::string>(kGet, name); });
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(*got, rows.contains(name) ? std::optional(rows[name]) : std::nullopt);
    }
  }
  for (Node* node : {&a, &b}) {
    EXPECT_TRUE(node->sync().has_value());
    EXPECT_EQ(node->seen(), log);
    EXPECT_EQ(log_of(**node), log);
  }
}

// A node that starts beside busy ones writes before it follows, and follows from where it opened.
TEST(PostgresFleet, ANodeMayWriteBeforeItFollows) {
  const std::string url = PostgresServer::shared().database();
  Node busy(url), late(url, {}, false);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(busy->write_sync([](Tx& tx) {
                      for (int n = 0; n < 200; ++n) tx.append(event("busy"));
                    })
                    .has_value());
  std::promise<Result<Seq>> written;
  late->submit(put("late", "1"), [&](Result<Seq> r) { written.set_value(std::move(r)); });
  auto answer = written.get_future();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(*answer.get(), 600u);
  EXPECT_TRUE(late.seen().empty());
  late.follow();
  EXPECT_TRUE(late.sync().has_value());
  EXPECT_EQ(late.seen(), busy.sync() ? busy.seen() : std::vector<std::string>());
  EXPECT_EQ(late.seen().size(), 601u);
}

// What is allocated and not given back: resident memory would count what an allocator keeps.
std::size_t live_bytes() {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

// However long the backlog, it passes by in pages.
TEST(PostgresFleet, ALongBacklogIsCaughtUpInBoundedMemory) {
  const std::string url = PostgresServer::shared().database();
  Options options;
  options.postgres = PostgresOptions{.url = url, .password = nullptr};
  const SystemClock clock;
  auto late = *Store::open(options, clock);
  std::size_t seen = 0, most = 0;
  late->observe([&](std::span<const EventView> events) {
    seen += events.size();
    most = std::max(most, live_bytes());  // while the page is held
  });
  constexpr int kCommits = 100, kEach = 10'000;
  {
    EventRun run;
    for (int i = 0; i < kEach; ++i)
      ASSERT_TRUE(run.add(event("an event of a common length: " + std::string(70, 'x'))));
    auto busy = *Store::open(options, clock);
    for (int i = 0; i < kCommits; ++i)
      ASSERT_TRUE(busy->write_sync([&](Tx& tx) { return tx.append(run); }).has_value());
  }
  const std::size_t before = live_bytes();
  late->follow([](std::span<const EventView>) -> Status { return {}; });
  std::promise<Status> done;
  late->sync([&](Status s) { done.set_value(s); });
  EXPECT_EQ(why(done.get_future().get()), "ok");
  EXPECT_EQ(seen, std::size_t{kCommits} * kEach);
  EXPECT_GT(most, before) << "something was held";
  EXPECT_LT(most, before + (48u << 20)) << "of 130 MB that came by";
}

}  // namespace
}  // namespace stint::store
