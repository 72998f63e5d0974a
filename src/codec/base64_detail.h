#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What base64 and base64url share: all but the last two characters and the padding.
namespace stint::codec::detail {

inline constexpr std::uint32_t kBadCharacter = 0x8000'0000;

// A digit's value already shifted to each of its four places; a bad character sets the top bit, so
// one OR of four look-ups both decodes a group and checks it.
struct Base64Tables {
  std::array<std::array<std::uint32_t, 256>, 4> at;
};

consteval Base64Tables base64_tables(std::string_view alphabet) {
  Base64Tables t{};
  for (auto& table : t.at) table.fill(kBadCharacter);
  for (std::uint32_t v = 0; v < 64; ++v) {
    const auto c = static_cast<unsigned char>(alphabet[v]);
    for (std::uint32_t place = 0; place < 4; ++place) t.at[place][c] = v << (18 - 6 * place);
  }
  return t;
}

enum class Base64Fault : std::uint8_t { kNone, kLength, kAlphabet, kTrailingBits };

// Unpadded; `out` is replaced.
void encode_base64(std::string_view bytes, std::string_view alphabet, std::string& out);
Base64Fault decode_base64(std::string_view text, const Base64Tables& tables, std::string& out);

}  // namespace stint::codec::detail
