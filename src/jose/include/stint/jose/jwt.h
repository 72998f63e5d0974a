#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/codec/json.h"

// Registered claims of a JWT (RFC 7519 section 4.1).
//
// Threads: any. Ownership: values own their bytes. Blocking: never; `now` is handed in.
namespace stint::jose {

struct Claims {
  std::optional<std::string> iss, sub, jti;
  std::vector<std::string> aud;  // empty when absent
  bool aud_is_array = false;
  std::optional<WallTime> exp, nbf, iat;
  json::Object all;  // every claim, these too
};

// Errors: those of json::parse; kMalformed "jwt claim type", "jwt time". A time is a number of
// seconds from 0 to 9999-12-31, a fraction is kept to the millisecond; an empty iss, sub, jti or
// audience is malformed.
Result<Claims> parse_claims(std::string_view payload);

// How far clocks may disagree. Both are stated wherever times are checked.
struct Leeway {
  std::chrono::seconds past;    // an exp that long ago still counts
  std::chrono::seconds future;  // an iat or nbf that far ahead already counts
};

// exp (required), nbf and iat (if present) against now.
// Errors: kMissing "jwt exp", kExpired "jwt expired", kNotYetValid "jwt nbf", "jwt iat".
Status check_times(const Claims& claims, WallTime now, Leeway leeway);

}  // namespace stint::jose
