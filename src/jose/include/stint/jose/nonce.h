#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"

namespace stint::jose {

// DPoP nonces without state (RFC 9449 section 8): HMAC of a key that lives as long as the process,
// over the number of the time bucket. A nonce is good in its bucket and the next. Those of the
// present bucket are kept: every request asks for them.
//
// Threads: any, for const methods.
class DpopNonces {
 public:
  explicit DpopNonces(Entropy& entropy, std::chrono::seconds bucket = std::chrono::seconds(120));

  std::string current(WallTime now) const;  // 22 characters
  bool accepts(std::string_view nonce, WallTime now) const;
  bool is_current(std::string_view nonce, WallTime now) const;

 private:
  using Text = std::array<char, 22>;
  struct Pair {
    Text current{}, previous{};
  };
  Text of(std::int64_t bucket) const;
  Pair at(WallTime now) const;

  std::array<std::uint8_t, 32> key_;
  std::chrono::seconds bucket_;
  mutable std::mutex mutex_;  // of the two below
  mutable std::int64_t kept_bucket_;
  mutable Pair kept_;
};

}  // namespace stint::jose
