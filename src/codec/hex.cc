#include "stint/codec/hex.h"

namespace stint::codec {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

int value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string encode_hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}
std::string encode_hex(std::span<const std::uint8_t> bytes) {
  return encode_hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Result<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) return fail(Errc::kMalformed, "hex length");
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = value(text[i]), low = value(text[i + 1]);
    if (high < 0 || low < 0) return fail(Errc::kMalformed, "hex alphabet");
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return out;
}

}  // namespace stint::codec
