#pragma once

#include <memory>
#include <string_view>

#include "ossl.h"
#include "stint/crypto/digest.h"

namespace stint::crypto {

// The group P-256 with a public key as its generator, and that generator's multiples precomputed.
// Immutable once built. Variable time: for public data alone.
//
// Threads: any, for const methods.
class P256Table {
 public:
  static bool available();
  // Null when built without tables, or when the library cannot. `point` is on the curve: a
  // PublicKey checked it. ~15 ms.
  static std::shared_ptr<const P256Table> build(std::string_view x, std::string_view y);

  // `signature` is r || s. Any call that fails refuses (FIPS 186-5 section 6.4.2).
  bool verify(const Digest& hash, std::string_view signature) const;

  explicit P256Table(Group group) : group_(std::move(group)) {}

 private:
  Group group_;
};

}  // namespace stint::crypto
