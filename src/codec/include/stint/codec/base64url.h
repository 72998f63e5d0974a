#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stint/base/error.h"

// base64url without padding (RFC 4648 s5, RFC 7515 s2): one spelling for each value.
//
// Threads: any. Ownership: results own their bytes. Never throws but std::bad_alloc.
// Limits:  none of its own; output is three quarters of the input.
// Errors:  kMalformed: "base64url length", "base64url alphabet" (padding and white space too),
//          "base64url trailing bits".
// Timing:  variable; for public token parts, not for keys at rest.
namespace stint::codec {

std::string encode_base64url(std::string_view bytes);
std::string encode_base64url(std::span<const std::uint8_t> bytes);
Result<std::string> decode_base64url(std::string_view text);

}  // namespace stint::codec
