#pragma once

#include "stint/base/entropy.h"

namespace stint::crypto {

// The machine's randomness, through OpenSSL's generator. Ends the process when it has none.
// Threads: any.
class SystemEntropy final : public Entropy {
 public:
  void fill(std::span<std::byte> out) override;
};

}  // namespace stint::crypto
