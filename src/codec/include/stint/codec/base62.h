#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Base62 digits `0-9A-Za-z` of a fixed width, and CRC-32/ISO-HDLC (the one of zip and PNG).
// Threads: any. Never throws but std::bad_alloc.
namespace stint::codec {

inline constexpr std::string_view kBase62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// The number in exactly `width` digits, most significant first. A number that does not fit is a
// programming error and ends the process; 6 digits hold any 32-bit number, 11 any 64-bit one.
std::string encode_base62(std::uint64_t number, std::size_t width);
bool is_base62(std::string_view text);

std::uint32_t crc32(std::string_view bytes);

}  // namespace stint::codec
