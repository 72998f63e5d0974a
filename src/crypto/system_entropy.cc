#include "stint/crypto/system_entropy.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>

namespace stint::crypto {

void SystemEntropy::fill(std::span<std::byte> out) {
  constexpr std::size_t kPiece = 1 << 20;  // RAND_bytes counts in int
  while (!out.empty()) {
    const std::size_t n = std::min(out.size(), kPiece);
    if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n)) != 1)
      std::abort();
    out = out.subspan(n);
  }
}

}  // namespace stint::crypto
