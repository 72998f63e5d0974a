#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/error.h"

namespace stint::jose {

// Remembers the proofs of the last `window`, so that each passes once. Call it last, after
// verify_proof and everything else that could refuse.
//
// Threads: any; sharded mutexes. Blocking: never.
// Limits:  `max_entries`, of 22 to 43 bytes each, allocated as they come; when they are used up,
// new
//          proofs are refused until old ones leave. Entries leave by time alone (within 1.25
//          windows): nothing that a stranger does makes it forget. Keyed by `entropy`, so nobody
//          can aim at its buckets.
// Clock:   a wall clock that steps back keeps entries longer; entries dropped by a step ahead stay
//          dropped, so a step ahead and back again re-opens their proofs' windows.
class ReplayCache {
 public:
  // `window`: how long a proof can be good: the max_age and future skew of DpopExpect, together.
  ReplayCache(std::chrono::seconds window, std::size_t max_entries, Entropy& entropy);
  ~ReplayCache();
  ReplayCache(const ReplayCache&) = delete;
  ReplayCache& operator=(const ReplayCache&) = delete;

  // Errors: kReplayed "proof replayed"; kLimit "replay cache full" (the proof was not recorded).
  Status once(std::string_view jkt, std::string_view jti, WallTime now);

  std::size_t size() const;
  std::size_t memory() const;  // bytes held

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::jose
