#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"

namespace stint::jose {

// DPoP nonces without state (RFC 9449 section 8): HMAC of a key that lives as long as the process,
// over the number of the time bucket. A nonce is good in its bucket and the next.
//
// Threads: any, for const methods.
class DpopNonces {
 public:
  explicit DpopNonces(Entropy& entropy, std::chrono::seconds bucket = std::chrono::seconds(120));

  std::string current(WallTime now) const;  // 22 characters
  bool accepts(std::string_view nonce, WallTime now) const;
  bool is_current(std::string_view nonce, WallTime now) const;

 private:
  std::string of(std::int64_t bucket) const;
  std::int64_t bucket_of(WallTime now) const;
  std::array<std::uint8_t, 32> key_;
  std::chrono::seconds bucket_;
};

}  // namespace stint::jose
