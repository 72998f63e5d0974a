#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace stint::store {

// A mutex that is given in the order of asking. std::mutex is not: a thread that unlocks and locks
// again at once, as the writer does under load, can keep another from it for as long as it likes.
class FairMutex {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = asked_++;
    turn_.wait(lock, [&] { return given_ == mine; });
  }
  void unlock() {
    {
      const std::lock_guard lock(mutex_);
      ++given_;
    }
    turn_.notify_all();
  }
  std::uint64_t waiting() const {
    const std::lock_guard lock(mutex_);
    return asked_ - given_ - (asked_ > given_ ? 1 : 0);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable turn_;
  std::uint64_t asked_ = 0, given_ = 0;
};

}  // namespace stint::store
