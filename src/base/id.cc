#include "stint/base/id.h"

#include <algorithm>

namespace stint {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

int hex_value(char c) {
  const auto at = kHex.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

IdText::IdText(std::string_view prefix, const std::array<std::uint8_t, 16>& bytes)
    : size_(prefix.size() + 2 * bytes.size()) {
  char* to = std::ranges::copy(prefix, text_.data()).out;
  for (const std::uint8_t b : bytes) {
    *to++ = kHex[b >> 4];
    *to++ = kHex[b & 15];
  }
}

namespace detail {

Result<std::array<std::uint8_t, 16>> id_bytes(std::string_view prefix, std::string_view text) {
  if (text.size() != prefix.size() + 32) return fail(Errc::kMalformed, "identifier length");
  if (!text.starts_with(prefix)) return fail(Errc::kMalformed, "identifier prefix");
  text.remove_prefix(prefix.size());
  std::array<std::uint8_t, 16> out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return fail(Errc::kMalformed, "identifier digits");
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return out;
}

}  // namespace detail
}  // namespace stint
