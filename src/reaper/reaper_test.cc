#include "stint/reaper/reaper.h"

#include <gtest/gtest.h>

#include <thread>

#include "stint/testkit/edge_fixture.h"

namespace stint::reaper {
namespace {

using namespace std::chrono_literals;

class ReaperTest : public testing::Test {
 protected:
  template <class Done>
  static bool soon(Done done) {
    const SystemClock clock;
    const MonoTime end = clock.mono() + 10s;
    while (!done()) {
      if (clock.mono() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  testkit::Edge edge;
  Reaper reaper{*edge.authority,
                {.confirm_every = 5ms, .sweep_every = 10ms, .checkpoint_every = 10ms}};
};

TEST_F(ReaperTest, EndsWhatIsDueAndSignsForIt) {
  const auto task = edge.open(edge.coder);
  edge.clock.advance(std::chrono::hours(25));
  reaper.run_now();  // closes, publishes; the receipt needs a checkpoint after the close
  reaper.run_now();
  EXPECT_EQ(reaper.stats().closed, 1U);
  EXPECT_EQ(reaper.stats().receipts, 1U);
  EXPECT_EQ(edge.authority->task(task.task.id)->how, domain::How::kExpired);
  EXPECT_TRUE(edge.authority->receipt(task.task.id).has_value());
  EXPECT_EQ(reaper.stats().failures, 0U);
}

// Rule 5: a view that nobody confirms denies; the reaper confirms it while the writer lives.
TEST_F(ReaperTest, KeepsTheViewFresh) {
  edge.clock.advance(10s);
  EXPECT_FALSE(edge.authority->health().reason.empty());
  reaper.start();
  EXPECT_TRUE(soon([&] { return edge.authority->health().reason.empty(); }));
}

TEST_F(ReaperTest, WorksByItselfUntilStopped) {
  const auto task = edge.open(edge.coder);
  reaper.start();
  edge.clock.advance(std::chrono::hours(25));
  EXPECT_TRUE(soon([&] { return edge.authority->receipt(task.task.id).has_value(); }));
  reaper.stop();
  reaper.stop();
  const auto rounds = reaper.stats().rounds;
  edge.open(edge.coder);
  EXPECT_EQ(reaper.stats().rounds, rounds);
}

TEST_F(ReaperTest, RotatesKeysByTheirSchedule) {
  const std::string before = edge.keys->signing_key(crypto::Alg::kES256)->kid;
  reaper.run_now();
  EXPECT_EQ(reaper.stats().key_changes, 0U);
  edge.clock.advance(std::chrono::days(30));
  reaper.run_now();  // publishes the next ones
  EXPECT_EQ(edge.keys->signing_key(crypto::Alg::kES256)->kid, before);
  edge.clock.advance(10min);
  reaper.run_now();
  EXPECT_NE(edge.keys->signing_key(crypto::Alg::kES256)->kid, before);
  EXPECT_EQ(reaper.stats().key_changes, 2U);
  EXPECT_EQ(reaper.stats().failures, 0U);
}

TEST_F(ReaperTest, OutlivesAStoreThatFails) {
  edge.store->stop();  // with events that no checkpoint covers
  reaper.start();
  EXPECT_TRUE(soon([&] { return reaper.stats().failures > 2; }));
  const auto rounds = reaper.stats().rounds;
  EXPECT_TRUE(soon([&] { return reaper.stats().rounds > rounds; }));  // it still tries
  EXPECT_EQ(reaper.stats().checkpoints, 0U);
}

}  // namespace
}  // namespace stint::reaper
