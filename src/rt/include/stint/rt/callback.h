#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "stint/base/error.h"
#include "stint/rt/co.h"

namespace stint::rt {

namespace detail {

// Where one coroutine waits for one completion from anywhere. finish() wins once; resume is posted
// to the executor of the waiter.
class Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  virtual ~Waiter() = default;
  bool claim() { return !done_.exchange(true, std::memory_order_acq_rel); }
  bool done() const { return done_.load(std::memory_order_acquire); }
  void wake();  // after claim(), from any thread
  virtual void fill_cancelled() = 0;

  // Suspends the caller until wake(); runs `start` once the waiter can be woken.
  static Co<void> wait(std::shared_ptr<Waiter> self, std::move_only_function<void()> start);

 private:
  struct Parked;  // on the frame of the waiting coroutine
  std::atomic<bool> done_{false};
  std::optional<Executor> executor_;  // of the waiting coroutine
  Parked* parked_ = nullptr;          // touched on executor_ only
};

template <class T>
struct ValueWaiter final : Waiter {
  Result<T> value = fail(Errc::kCancelled, "wait cancelled");
  void fill_cancelled() override { value = fail(Errc::kCancelled, "wait cancelled"); }
};

}  // namespace detail

// The way back into a waiting coroutine. Call it once, from any thread: later calls do nothing.
// Destroying it uncalled resumes the coroutine with kCancelled "completion dropped". Move-only.
template <class T>
class Completion {
 public:
  explicit Completion(std::shared_ptr<detail::ValueWaiter<T>> waiter)
      : waiter_(std::move(waiter)) {}
  Completion(Completion&&) noexcept = default;
  Completion& operator=(Completion&& o) noexcept {
    if (this != &o) {
      drop();
      waiter_ = std::move(o.waiter_);
    }
    return *this;
  }
  ~Completion() { drop(); }

  // True when nobody waits any more: the wait was cancelled, or this was called already.
  bool abandoned() const { return !waiter_ || waiter_->done(); }

  void operator()(Result<T> value) {
    if (const auto waiter = std::exchange(waiter_, nullptr); waiter && waiter->claim()) {
      waiter->value = std::move(value);
      waiter->wake();
    }
  }

 private:
  void drop() {
    if (waiter_) (*this)(Result<T>(fail(Errc::kCancelled, "completion dropped")));
  }
  std::shared_ptr<detail::ValueWaiter<T>> waiter_;
};

// Waits for a completion that another thread (or a callback) delivers; the caller resumes on its
// own executor, never inside the completion's call. `start` runs at once on the caller's thread
// and hands the Completion to whoever will call it. When the wait is cancelled (with_deadline) it
// returns kCancelled and a later completion does nothing.
//
//   auto row = co_await rt::from_callback<Row>([&](rt::Completion<Row> done) {
//     queue.push({work, std::move(done)});
//   });
template <class T, class Start>
Co<Result<T>> from_callback(Start start) {
  auto waiter = std::make_shared<detail::ValueWaiter<T>>();
  co_await detail::Waiter::wait(waiter, [&start, &waiter] { start(Completion<T>(waiter)); });
  co_return std::move(waiter->value);
}

}  // namespace stint::rt
