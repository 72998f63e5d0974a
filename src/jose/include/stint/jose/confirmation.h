#pragma once

#include <string>

#include "stint/base/error.h"
#include "stint/codec/json.h"

namespace stint::jose {

// The claim "cnf" (RFC 7800): the key that a JWT speaks of. At most one of the two; both empty:
// none is named. An access token without one is anybody's, which only an agent marked `binding:
// none` gets.
struct Confirmation {
  std::string jkt;       // RFC 7638 thumbprint of the DPoP key (RFC 9449 section 6.1)
  std::string x5t_s256;  // base64url SHA-256 of the client certificate (RFC 8705 section 3.1)
  bool operator==(const Confirmation&) const = default;
};

// Absent: none. Errors: kMalformed "cnf" (not an object, empty, both, or no SHA-256 in base64url),
// kUnknownKey: a binding that we do not know is not the absence of one.
Result<Confirmation> read_confirmation(const json::Object& claims);

}  // namespace stint::jose
