#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stint/base/error.h"

// Standard base64 with padding (RFC 4648 s4): one spelling for each value.
//
// Threads: any. Ownership: results own their bytes. Never throws but std::bad_alloc.
// Limits:  none of its own; output is three quarters of the input.
// Errors:  kMalformed: "base64 length", "base64 padding", "base64 alphabet",
//          "base64 trailing bits". No white space, no line breaks.
namespace stint::codec {

std::string encode_base64(std::string_view bytes);
std::string encode_base64(std::span<const std::uint8_t> bytes);
Result<std::string> decode_base64(std::string_view text);

}  // namespace stint::codec
