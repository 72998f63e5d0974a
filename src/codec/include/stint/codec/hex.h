#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stint/base/error.h"

// Lower-case hexadecimal, two digits a byte. Upper case is refused: one spelling for each value.
//
// Threads: any. Errors: kMalformed: "hex length", "hex alphabet".
namespace stint::codec {

std::string encode_hex(std::string_view bytes);
std::string encode_hex(std::span<const std::uint8_t> bytes);
Result<std::string> decode_hex(std::string_view text);

}  // namespace stint::codec
