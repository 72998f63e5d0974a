#pragma once

#include <optional>
#include <string_view>

#include "stint/crypto/sign.h"

namespace stint::jose {

// The algorithm that a header or a key names. RFC 9864 names EdDSA with its curve, "Ed25519", and
// stock libraries sign under that name; both are read. What we write stays "EdDSA" (RFC 8037),
// which older ones know too.
inline std::optional<crypto::Alg> read_alg(std::string_view name) {
  if (name == "Ed25519") return crypto::Alg::kEdDSA;
  return crypto::parse_alg(name);
}

}  // namespace stint::jose
