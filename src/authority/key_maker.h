#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "stint/keys/key_ring.h"
#include "stint/rt/callback.h"

namespace stint::authority {

// Makes signing keys off the event loops: an RSA key takes a tenth of a second and more.
//
// Threads: make() any; a thread of its own does the work and ends with the object, after the key
//          that it is at. What still waits then is completed as kCancelled.
// Limits:  kWaiting requests; beyond, kLimit.
class KeyMaker {
 public:
  using Keys = std::vector<keys::KeyRing::Made>;
  static constexpr std::size_t kWaiting = 8;

  explicit KeyMaker(const keys::KeyRing& ring)
      : ring_(ring), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  rt::Co<Result<Keys>> make(std::vector<crypto::Alg> algs, WallTime now) {
    return rt::from_callback<Keys>(
        [this, algs = std::move(algs), now](rt::Completion<Keys> done) mutable {
          const std::lock_guard lock(mutex_);
          if (queue_.size() >= kWaiting)
            return done(fail(Errc::kLimit, "too many keys are being made"));
          queue_.push_back({std::move(algs), now, std::move(done)});
          wake_.notify_one();
        });
  }

  // On this thread.
  static Result<Keys> make_now(const keys::KeyRing& ring, const std::vector<crypto::Alg>& algs,
                               WallTime now) {
    Keys out;
    for (const crypto::Alg alg : algs) out.push_back(STINT_TRY(ring.make(alg, now)));
    return out;
  }

 private:
  struct Order {
    std::vector<crypto::Alg> algs;
    WallTime now;
    rt::Completion<Keys> done;
  };

  void run(const std::stop_token& stop) {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
      Order order = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      order.done(make_now(ring_, order.algs, order.now));
    }
  }

  const keys::KeyRing& ring_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Order> queue_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace stint::authority
