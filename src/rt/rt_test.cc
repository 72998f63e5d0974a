#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "stint/rt/callback.h"
#include "stint/rt/cancel.h"
#include "stint/rt/event.h"
#include "stint/rt/runtime.h"

namespace stint::rt {
namespace {
using namespace std::chrono_literals;

SystemClock clock_of_machine;
Deadline soon(std::chrono::milliseconds ttl) { return Deadline::in(clock_of_machine, ttl); }

Co<Result<int>> seven() { co_return 7; }
Co<Result<int>> refuse() { co_return fail(Errc::kDenied, "no"); }
Co<Result<int>> forever(int* unwound) {
  struct Count {
    int* n;
    ~Count() { ++*n; }
  } count{unwound};
  for (;;) co_await sleep_for(1h);
}
Co<Result<int>> throws() {
  co_await sleep_for(0ms);
  throw std::runtime_error("own");
}

TEST(Rt, BlockOnGivesTheValue) {
  EXPECT_EQ(block_on(seven()).value(), 7);
  EXPECT_EQ(block_on(refuse()).error().reason.text(), "no");
}

TEST(Rt, ExceptionsOfBlockOnComeOut) {
  EXPECT_THROW((void)block_on(throws()), std::runtime_error);
  EXPECT_THROW((void)block_on(with_deadline(throws(), soon(1h))), std::runtime_error);
}

TEST(Deadline, CutsWorkAndUnwindsIt) {
  int unwound = 0;
  const auto got = block_on(with_deadline(forever(&unwound), soon(5ms)));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::kTimeout);
  EXPECT_EQ(got.error().reason.text(), "deadline passed");
  EXPECT_EQ(unwound, 1);
}

TEST(Deadline, LeavesResultsAlone) {
  EXPECT_EQ(block_on(with_deadline(seven(), soon(1h))).value(), 7);
  EXPECT_EQ(block_on(with_deadline(refuse(), soon(1h))).error().code, Errc::kDenied);
  EXPECT_EQ(block_on(with_deadline(seven(), Deadline::never())).value(), 7);
}

TEST(Deadline, OuterCutsInner) {
  int unwound = 0;
  const auto got = block_on(with_deadline(with_deadline(forever(&unwound), soon(1h)), soon(5ms)));
  EXPECT_EQ(got.error().code, Errc::kTimeout);
  EXPECT_EQ(unwound, 1);
}

TEST(Cancel, FromAnotherThread) {
  for (int round = 0; round < 50; ++round) {
    CancelSource source;
    int unwound = 0;
    std::thread other([source] { source.cancel(); });
    const auto got = block_on(with_cancel(forever(&unwound), source.token()));
    other.join();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::kCancelled);
    EXPECT_LE(unwound, 1);  // 0: cancelled before it began
  }
}

TEST(Cancel, AlreadyCancelledNeverStarts) {
  CancelSource source;
  source.cancel();
  int unwound = 0;
  EXPECT_EQ(block_on(with_cancel(forever(&unwound), source.token())).error().reason.text(),
            "cancelled");
  EXPECT_EQ(unwound, 0);
}

TEST(Cancel, DefaultTokenIsNever) {
  EXPECT_FALSE(CancelToken().cancelled());
  EXPECT_EQ(block_on(with_cancel(seven(), CancelToken())).value(), 7);
}

Co<Result<int>> from_thread(std::thread* out) {
  co_return co_await from_callback<int>([out](Completion<int> done) {
    *out = std::thread([d = std::move(done)]() mutable { d(42); });
  });
}

TEST(Callback, DeliversFromAnotherThread) {
  for (int round = 0; round < 50; ++round) {
    std::thread other;
    EXPECT_EQ(block_on(from_thread(&other)).value(), 42);
    other.join();
  }
}

Co<Result<int>> at_once() {
  co_return co_await from_callback<int>([](Completion<int> done) { done(1); });
}
Co<Result<int>> dropped() {
  co_return co_await from_callback<int>([](const Completion<int>&) {});
}
Co<Result<int>> kept(std::optional<Completion<int>>* out) {
  co_return co_await from_callback<int>(
      [out](Completion<int> done) { out->emplace(std::move(done)); });
}

TEST(Callback, InlineAndDropped) {
  EXPECT_EQ(block_on(at_once()).value(), 1);
  EXPECT_EQ(block_on(dropped()).error().reason.text(), "completion dropped");
}

TEST(Callback, LateCompletionAfterACutDoesNothing) {
  std::optional<Completion<int>> done;
  EXPECT_EQ(block_on(with_deadline(kept(&done), soon(5ms))).error().code, Errc::kTimeout);
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->abandoned());
  (*done)(9);
}

Co<void> count_when_set(SharedEvent event, std::atomic<int>* n) {
  if (co_await event.wait()) ++*n;
}

TEST(Event, WakesEveryWaiterOnEveryContext) {
  Runtime runtime(2);
  runtime.start();
  SharedEvent event;
  std::atomic<int> n{0};
  for (int i = 0; i < 100; ++i) spawn(runtime.executor(i % 2), count_when_set(event, &n));
  event.set();
  for (int i = 0; i < 100; ++i) spawn(runtime.executor(i % 2), count_when_set(event, &n));
  while (n < 200) std::this_thread::yield();
  EXPECT_TRUE(event.is_set());
}

TEST(Event, WaitAnyNamesTheEvent) {
  SharedEvent a, b;
  EXPECT_EQ(block_on(wait_any({a, b}, soon(5ms))).error().code, Errc::kTimeout);
  std::thread other([b] { b.set(); });
  EXPECT_EQ(block_on(wait_any({a, b}, soon(1h))).value(), 1U);
  other.join();
  a.set();
  EXPECT_EQ(block_on(wait_any({a, b}, Deadline::never())).value(), 0U);
  EXPECT_TRUE(block_on(a.wait()).has_value());
}

TEST(Subscription, RunsOnItsExecutorNowAndLater) {
  Runtime runtime(1);
  runtime.start();
  SharedEvent event;
  std::atomic<int> n{0};
  const Subscription early(event, runtime.executor(0), [&n] { ++n; });
  event.set();
  event.set();
  const Subscription late(event, runtime.executor(0), [&n] { ++n; });
  while (n < 2) std::this_thread::yield();
  // Whatever was posted before this has run.
  std::atomic<bool> done{false};
  post(runtime.executor(0), [&done] { done = true; });
  while (!done) std::this_thread::yield();
  EXPECT_EQ(n, 2);
  runtime.stop();
}

// It is destroyed on its executor while another thread sets the event (run under TSan).
TEST(Subscription, NotAfterItIsGone) {
  Runtime runtime(1);
  runtime.start();
  for (int round = 0; round < 300; ++round) {
    SharedEvent event;
    std::atomic<bool> gone{false}, wrong{false}, ended{false};
    std::thread other;
    post(runtime.executor(0), [&] {
      {
        const Subscription here(event, runtime.executor(0), [&] { wrong = gone.load(); });
        other = std::thread([event] { event.set(); });
        if (round % 2 == 0) std::this_thread::yield();
      }
      gone = true;
      post(runtime.executor(0), [&] { ended = true; });
    });
    while (!ended) std::this_thread::yield();
    other.join();
    std::atomic<bool> last{false};
    post(runtime.executor(0), [&] { last = true; });
    while (!last) std::this_thread::yield();
    ASSERT_FALSE(wrong);
  }
  runtime.stop();
}

TEST(Runtime, AnswersWhileEveryLoopTurns) {
  Runtime runtime(3);
  EXPECT_FALSE(runtime.answers(1ms)) << "nothing turns before start()";
  runtime.start();
  EXPECT_TRUE(runtime.answers(1min));
  std::latch held(1), release(1);
  post(runtime.executor(1), [&] {
    held.count_down();
    release.wait();
  });
  held.wait();
  EXPECT_FALSE(runtime.answers(1ms)) << "one of three hangs";
  release.count_down();
  EXPECT_TRUE(runtime.answers(1min));
}

TEST(Runtime, StopsWithSuspendedCoroutines) {
  std::atomic<int> n{0};
  SharedEvent never;
  Runtime runtime(3);
  EXPECT_EQ(runtime.size(), 3);
  runtime.start();
  for (int i = 0; i < 3; ++i) spawn(runtime.executor(i), count_when_set(never, &n));
  std::atomic<int> posted{0};
  for (int i = 0; i < 3; ++i) post(runtime.executor(i), [&posted] { ++posted; });
  while (posted < 3) std::this_thread::yield();
  runtime.stop();
  runtime.stop();
  EXPECT_EQ(n, 0);
}

TEST(RtDeathTest, AnExceptionOfASpawnedCoroutineEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto bad = []() -> Co<void> {
    co_await sleep_for(0ms);
    throw std::runtime_error("secret");
  };
  EXPECT_DEATH(
      {
        Runtime runtime(1);
        runtime.start();
        spawn(runtime.executor(0), bad());
        for (;;) std::this_thread::yield();
      },
      testing::AllOf(testing::HasSubstr("a coroutine ended by an exception"),
                     testing::Not(testing::HasSubstr("secret"))));
}

}  // namespace
}  // namespace stint::rt
