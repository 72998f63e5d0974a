#include "stint/codec/base62.h"

#include <array>
#include <cstdlib>

namespace stint::codec {
namespace {

consteval std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb8'8320U ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = crc_table();

}  // namespace

std::string encode_base62(std::uint64_t number, std::size_t width) {
  std::string out(width, kBase62[0]);
  for (std::size_t i = width; i > 0 && number != 0; --i, number /= 62)
    out[i - 1] = kBase62[number % 62];
  if (number != 0) std::abort();
  return out;
}

bool is_base62(std::string_view text) {
  return text.find_first_not_of(kBase62) == std::string_view::npos;
}

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xffff'ffffU;
  for (const char c : bytes)
    crc = kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xffU] ^ (crc >> 8);
  return ~crc;
}

}  // namespace stint::codec
