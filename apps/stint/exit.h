#pragma once

#include <cstdint>

namespace stint::cli {

// What a verb ends with. `stint run` passes its child's status through instead.
enum class Exit : std::uint8_t {
  kDone = 0,
  kRefused = 1,   // refused, or failed for good
  kUsage = 2,     // wrong usage: nothing was tried
  kTryAgain = 75  // EX_TEMPFAIL: the same later may work
};

}  // namespace stint::cli
