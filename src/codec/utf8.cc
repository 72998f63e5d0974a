#include "stint/codec/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace stint::codec {
namespace {

// Length of the sequence at the front, 0 if it is not one (RFC 3629 s4: the second byte's range
// keeps out overlong forms, surrogates and what is above U+10FFFF).
std::size_t sequence(std::string_view s) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (lead < 0xe0) return s.size() >= 2 && tail(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (s.size() < 3 || !tail(1) || !tail(2)) return 0;
    if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f)) return 0;
    return 3;
  }
  if (s.size() < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
  if ((lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f)) return 0;
  return 4;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    // Nearly all text is ASCII: eight bytes at a time.
    while (bytes.size() >= 8) {
      std::uint64_t word;
      std::memcpy(&word, bytes.data(), sizeof word);
      if (word & 0x8080'8080'8080'8080U) break;
      bytes.remove_prefix(8);
    }
    if (bytes.empty()) break;
    const std::size_t length = sequence(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace stint::codec
