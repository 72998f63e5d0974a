#pragma once

#include <chrono>
#include <string>

namespace stint {

using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;  // claims, events
using MonoTime = std::chrono::steady_clock::time_point;             // timeouts

// Where time enters. The edge reads wall() once per request and passes it down; inner code takes
// `WallTime now`. Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual MonoTime mono() const = 0;
};

// The machine's own clocks. The only place that reads them.
class SystemClock final : public Clock {
 public:
  WallTime wall() const override;
  MonoTime mono() const override;
};

// Whole seconds since the epoch, rounded down: JWT NumericDate (RFC 7519 section 2).
inline std::int64_t unix_seconds(WallTime t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}
inline std::int64_t unix_millis(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime from_unix_seconds(std::int64_t s) {
  return WallTime(std::chrono::milliseconds(s * 1000));
}
inline WallTime from_unix_millis(std::int64_t ms) {
  return WallTime(std::chrono::milliseconds(ms));
}
// RFC 3339 in UTC, whole seconds, rounded down: "2026-11-22T04:48:54Z". Years 0 to 9999.
std::string utc_text(WallTime t);

}  // namespace stint
