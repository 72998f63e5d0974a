#pragma once

#include <cstddef>
#include <latch>
#include <memory>
#include <thread>

#include "stint/base/error.h"
#include "stint/store/store.h"

// For tests that link the store; this header only includes it.
namespace stint::testkit {

// Keeps a store's writer busy with a command that waits: what is submitted meanwhile shares one
// commit, in the order of submission. Let go at the latest by the destructor.
class HeldWriter {
 public:
  explicit HeldWriter(store::Store& store) : store_(store) {
    store.submit(
        [latches = latches_](store::Tx&) {
          latches->held.count_down();
          latches->go.wait();
        },
        [](Result<void>) {});
    latches_->held.wait();
  }
  ~HeldWriter() { release(); }
  HeldWriter(const HeldWriter&) = delete;

  // Returns once `n` commands wait behind this one.
  void await_queued(std::size_t n) const {
    while (store_.health().queued < n) std::this_thread::yield();
  }
  void release() {
    if (released_) return;
    released_ = true;
    latches_->go.count_down();
  }

 private:
  struct Latches {
    std::latch held{1}, go{1};
  };
  store::Store& store_;
  std::shared_ptr<Latches> latches_ = std::make_shared<Latches>();  // the command outlives this
  bool released_ = false;
};

}  // namespace stint::testkit
