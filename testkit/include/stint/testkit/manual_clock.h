#pragma once

#include <atomic>
#include <chrono>

#include "stint/base/clock.h"

namespace stint::testkit {

// A clock that stands still until told. Safe to advance while other threads read it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start = WallTime(std::chrono::milliseconds(1'790'000'000'000)))
      : wall_ms_(start.time_since_epoch().count()) {}

  WallTime wall() const override { return WallTime(std::chrono::milliseconds(wall_ms_.load())); }
  MonoTime mono() const override { return MonoTime(std::chrono::nanoseconds(mono_ns_.load())); }

  void advance(std::chrono::milliseconds by) {
    wall_ms_ += by.count();
    mono_ns_ += std::chrono::nanoseconds(by).count();
  }
  // Moves the wall clock alone, as an NTP step does.
  void step_wall(std::chrono::milliseconds by) { wall_ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> wall_ms_;
  std::atomic<std::int64_t> mono_ns_{1'000'000'000};
};

}  // namespace stint::testkit
