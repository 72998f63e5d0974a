#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "stint/base/log.h"
#include "stint/crypto/hot_keys.h"

namespace stint::cli {

// Builds verification tables for the keys that are seen most, off the request path.
// Threads: add() any; a thread of its own does the work, and ends with the object.
class TableBuilder {
 public:
  TableBuilder() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void add(const crypto::PublicKey& key) {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= crypto::HotKeys::kMaxTables) return;  // it earned one; it will again
    queue_.push_back(key);
    wake_.notify_one();
  }

 private:
  void run(const std::stop_token& stop) {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
      const crypto::PublicKey key = queue_.front();
      queue_.pop_front();
      lock.unlock();
      if (const auto built = tables_.build(key); !built)
        log::debug("no table for a hot key", {{"reason", built.error().reason}});
    }
  }

  crypto::HotKeys tables_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<crypto::PublicKey> queue_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace stint::cli
