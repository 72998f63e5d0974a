#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "stint/base/error.h"
#include "stint/rt/co.h"
#include "stint/rt/deadline.h"
#include "stint/rt/event.h"

namespace stint::rt {

// Says that work is no longer wanted. A handle; copies share. Threads: any. A default token is
// never cancelled.
class CancelToken {
 public:
  CancelToken() = default;
  bool cancelled() const { return event_ && event_->is_set(); }
  // The event behind it, for wait_any. None for a token that is never cancelled.
  const std::optional<SharedEvent>& event() const { return event_; }

 private:
  friend class CancelSource;
  explicit CancelToken(SharedEvent event) : event_(std::move(event)) {}
  std::optional<SharedEvent> event_;
};

// Cancels its tokens, once, from any thread; waiters resume on their own executors. Destroying it
// cancels nothing.
class CancelSource {
 public:
  CancelToken token() const { return CancelToken(event_); }
  void cancel() const { event_.set(); }
  bool cancelled() const { return event_.is_set(); }

 private:
  SharedEvent event_;
};

namespace detail {
// Runs `work` as a child that a timer or the token can cancel; why it was cut, if it was.
enum class Cut : std::uint8_t { kNone, kDeadline, kToken };
Co<Cut> guard(Co<void> work, Deadline deadline, CancelToken token);
template <class T>
Co<void> keep_result(Co<Result<T>> work, std::optional<Result<T>>* out) {
  out->emplace(co_await std::move(work));
}
}  // namespace detail

// Runs `work` until it returns, the deadline passes (kTimeout) or the token is cancelled
// (kCancelled). Cut work sees its present await fail with kCancelled and is unwound at its next
// one (an exception that is caught here), so what must happen in any case belongs outside. A
// value that was complete when the cut came is returned.
template <class T>
Co<Result<T>> with_limits(Co<Result<T>> work, Deadline deadline, CancelToken token) {
  std::optional<Result<T>> out;
  const auto cut = co_await detail::guard(detail::keep_result(std::move(work), &out), deadline,
                                          std::move(token));
  if (out && (out->has_value() || cut == detail::Cut::kNone)) co_return *std::move(out);
  switch (cut) {
    case detail::Cut::kNone:
      co_return fail(Errc::kCancelled, "cancelled from outside");
    case detail::Cut::kDeadline:
      co_return fail(Errc::kTimeout, "deadline passed");
    case detail::Cut::kToken:
      co_return fail(Errc::kCancelled, "cancelled");
  }
  __builtin_trap();
}

template <class T>
Co<Result<T>> with_deadline(Co<Result<T>> work, Deadline deadline) {
  return with_limits(std::move(work), deadline, CancelToken());
}

template <class T>
Co<Result<T>> with_cancel(Co<Result<T>> work, CancelToken token) {
  return with_limits(std::move(work), Deadline::never(), std::move(token));
}

}  // namespace stint::rt
