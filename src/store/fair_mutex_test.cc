#include "fair_mutex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace stint::store {
namespace {

TEST(FairMutex, HoldsOneAtATime) {
  FairMutex mutex;
  int counted = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        const std::lock_guard lock(mutex);
        ++counted;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(counted, 8000);
}

// Who unlocks and locks again at once comes behind who has asked meanwhile.
TEST(FairMutex, IsGivenInTheOrderOfAsking) {
  FairMutex mutex;
  std::atomic<bool> taken{false};
  mutex.lock();
  std::thread other([&] {
    const std::lock_guard lock(mutex);
    taken = true;
  });
  while (mutex.waiting() == 0) std::this_thread::yield();
  mutex.unlock();
  {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(taken);
  }
  other.join();
}

}  // namespace
}  // namespace stint::store
