#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "stint/authority/authority.h"
#include "stint/rt/threads.h"

namespace stint::reaper {

struct Settings {
  std::chrono::milliseconds confirm_every{100};  // well within Settings::feed_max_age
  std::chrono::milliseconds keep_every{500};     // leases; see Authority::keep_leases()
  std::chrono::milliseconds sweep_every{1'000};
  std::chrono::milliseconds checkpoint_every{1'000};
  std::chrono::milliseconds longest_pause{30'000};  // after failures, doubling up to this
};

struct Stats {
  std::uint64_t rounds = 0;    // sweeps
  std::uint64_t failures = 0;  // of publishing, of signing receipts and of tending keys
  std::uint64_t closed = 0, paused = 0, approvals_expired = 0;  // by time
  std::uint64_t checkpoints = 0, receipts = 0;
  std::uint64_t key_changes = 0;  // rounds in which the schedule of signing keys changed any
};

// Carries out what time and closing owe: sweeps, the schedule of signing keys, checkpoints,
// receipts; and asks the writer all the
// time whether it lives, without which the live view goes stale and everything is denied.
//
// Three threads: asking, and keeping leases, must not wait for work that takes long.
// Threads:   start(), stop() from one; run_now(), stats() any.
// Ownership: borrows the authority; stop() it before the store stops.
// Errors:    logged and tried again, with growing pauses; it never ends by itself.
class Reaper {
 public:
  explicit Reaper(authority::Authority& authority, Settings settings = {});
  Reaper(authority::Authority& authority, Settings settings, rt::Threads& threads);
  ~Reaper();  // stops
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  void start();    // once
  void run_now();  // all of it once, on this thread
  void stop();     // joins; idempotent
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::reaper
