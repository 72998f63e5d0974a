#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "stint/base/error.h"
#include "stint/rt/co.h"
#include "stint/rt/deadline.h"

namespace stint::rt {

namespace detail {
struct EventAccess;
}

// Something that happens once: set() wakes everyone who waits, now and later. A handle: copies
// share the event. Threads: any, for every method; waiters resume on their own executors.
// Memory: a wait that was cancelled or timed out leaves nothing behind for long.
class SharedEvent {
 public:
  SharedEvent();

  void set() const;  // idempotent
  bool is_set() const;

  Co<Status> wait() const;                   // kCancelled
  Co<Status> wait(Deadline deadline) const;  // kTimeout, kCancelled

 private:
  friend Co<Result<std::size_t>> wait_any(std::vector<SharedEvent>, Deadline);
  friend struct detail::EventAccess;
  struct State;
  std::shared_ptr<State> state_;
};

// Runs `act` on `executor` once the event is set: later, never inside set(), and not after the
// subscription is gone. Cheaper than a coroutine that waits. To be destroyed on its executor, or
// when that runs no more.
class Subscription {
 public:
  Subscription() = default;
  Subscription(const SharedEvent& event, const Executor& executor,
               std::move_only_function<void()> act);
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&& o) noexcept;
  ~Subscription();

 private:
  struct Node;
  std::shared_ptr<Node> node_;
};

// The index of one event that is set: the first in order if several are. kTimeout, kCancelled.
Co<Result<std::size_t>> wait_any(std::vector<SharedEvent> events, Deadline deadline);

}  // namespace stint::rt
