#include "stint/codec/secret_text.h"

#include <cstdint>
#include <cstdlib>

#include "stint/codec/base62.h"

namespace stint::codec {
namespace {

constexpr std::string_view kPrefix = "stint_";
constexpr std::size_t kMaxKindChars = 16;

bool is_kind(std::string_view kind) {
  if (kind.empty() || kind.size() > kMaxKindChars) return false;
  for (const char c : kind)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
  return true;
}

// 248 = 4 * 62: what stands above would favour the first digits, so it is drawn again.
char base62_digit(Entropy& entropy) {
  for (;;) {
    const std::uint8_t byte = random_bytes<1>(entropy)[0];
    if (byte < 248) return kBase62[byte % 62];
  }
}

}  // namespace

std::string make_secret_text(std::string_view kind, Entropy& entropy) {
  if (!is_kind(kind)) std::abort();
  std::string out;
  out.reserve(kPrefix.size() + kind.size() + 1 + kSecretBodyChars + kSecretCrcChars);
  out.append(kPrefix).append(kind).push_back('_');
  for (std::size_t i = 0; i < kSecretBodyChars; ++i) out.push_back(base62_digit(entropy));
  out.append(encode_base62(crc32(out), kSecretCrcChars));
  return out;
}

std::optional<std::string_view> secret_kind(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  const std::size_t end = text.find('_', kPrefix.size());
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view kind = text.substr(kPrefix.size(), end - kPrefix.size());
  const std::string_view rest = text.substr(end + 1);
  if (!is_kind(kind) || rest.size() != kSecretBodyChars + kSecretCrcChars || !is_base62(rest))
    return std::nullopt;
  const std::string_view summed = text.substr(0, text.size() - kSecretCrcChars);
  if (encode_base62(crc32(summed), kSecretCrcChars) != rest.substr(kSecretBodyChars))
    return std::nullopt;
  return kind;
}

bool is_secret_text(std::string_view kind, std::string_view text) {
  const auto found = secret_kind(text);
  return found && *found == kind;
}

}  // namespace stint::codec
