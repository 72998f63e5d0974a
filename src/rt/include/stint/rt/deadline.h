#pragma once

#include <chrono>

#include "stint/base/clock.h"

namespace stint::rt {

// A moment on the monotonic clock by which work ends. Pass by value.
class Deadline {
 public:
  explicit constexpr Deadline(MonoTime at) : at_(at) {}
  static constexpr Deadline never() { return Deadline(MonoTime::max()); }
  static Deadline in(const Clock& clock, std::chrono::milliseconds ttl) {
    return Deadline(clock.mono() + ttl);
  }

  MonoTime at() const { return at_; }
  bool is_never() const { return at_ == MonoTime::max(); }
  bool passed(MonoTime now) const { return now >= at_; }
  // Until then; 0 when it has passed.
  std::chrono::milliseconds left(MonoTime now) const {
    if (passed(now)) return std::chrono::milliseconds(0);
    return std::chrono::ceil<std::chrono::milliseconds>(at_ - now);
  }
  // The earlier of both.
  Deadline min(Deadline o) const { return Deadline(at_ < o.at_ ? at_ : o.at_); }

 private:
  MonoTime at_;
};

}  // namespace stint::rt
