#include "stint/codec/base64.h"

#include "base64_detail.h"
#include "stint/codec/base64url.h"

namespace stint::codec {
namespace detail {

void encode_base64(std::string_view bytes, std::string_view alphabet, std::string& out) {
  out.resize((bytes.size() * 4 + 2) / 3);
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(bytes[i]);
  };
  std::size_t in = 0, at = 0;
  for (; in + 3 <= bytes.size(); in += 3, at += 4) {
    const std::uint32_t group = byte(in) << 16 | byte(in + 1) << 8 | byte(in + 2);
    out[at] = alphabet[group >> 18];
    out[at + 1] = alphabet[group >> 12 & 63];
    out[at + 2] = alphabet[group >> 6 & 63];
    out[at + 3] = alphabet[group & 63];
  }
  const std::size_t left = bytes.size() - in;
  if (left == 0) return;
  const std::uint32_t group = byte(in) << 16 | (left == 2 ? byte(in + 1) << 8 : 0);
  out[at] = alphabet[group >> 18];
  out[at + 1] = alphabet[group >> 12 & 63];
  if (left == 2) out[at + 2] = alphabet[group >> 6 & 63];
}

Base64Fault decode_base64(std::string_view text, const Base64Tables& tables, std::string& out) {
  if (text.size() % 4 == 1) return Base64Fault::kLength;
  out.resize(text.size() / 4 * 3 + text.size() % 4 * 3 / 4);
  const auto digit = [&](std::size_t place, std::size_t i) {
    return tables.at[place][static_cast<unsigned char>(text[i])];
  };
  std::uint32_t bad = 0;
  std::size_t in = 0, at = 0;
  for (; in + 4 <= text.size(); in += 4, at += 3) {
    const std::uint32_t group =
        digit(0, in) | digit(1, in + 1) | digit(2, in + 2) | digit(3, in + 3);
    bad |= group;
    out[at] = static_cast<char>(group >> 16);
    out[at + 1] = static_cast<char>(group >> 8);
    out[at + 2] = static_cast<char>(group);
  }
  std::uint32_t unused = 0;
  if (const std::size_t left = text.size() - in; left != 0) {
    std::uint32_t group = digit(0, in) | digit(1, in + 1);
    if (left == 3) group |= digit(2, in + 2);
    bad |= group;
    out[at] = static_cast<char>(group >> 16);
    if (left == 3) out[at + 1] = static_cast<char>(group >> 8);
    unused = group & (left == 3 ? 0xffU : 0xffffU);
  }
  if (bad & kBadCharacter) return Base64Fault::kAlphabet;
  return unused == 0 ? Base64Fault::kNone : Base64Fault::kTrailingBits;
}

}  // namespace detail

namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr detail::Base64Tables kStandardTables = detail::base64_tables(kStandard);
constexpr detail::Base64Tables kUrlTables = detail::base64_tables(kUrl);

std::string_view view(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  detail::encode_base64(bytes, kStandard, out);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}
std::string encode_base64(std::span<const std::uint8_t> bytes) {
  return encode_base64(view(bytes));
}

Result<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return fail(Errc::kMalformed, "base64 length");
  std::string_view digits = text;
  while (digits.ends_with('=') && text.size() - digits.size() < 2) digits.remove_suffix(1);
  if (digits.ends_with('=')) return fail(Errc::kMalformed, "base64 padding");
  std::string out;
  switch (detail::decode_base64(digits, kStandardTables, out)) {
    case detail::Base64Fault::kNone:
      return out;
    case detail::Base64Fault::kLength:
      return fail(Errc::kMalformed, "base64 length");
    case detail::Base64Fault::kAlphabet:
      return fail(Errc::kMalformed, "base64 alphabet");
    case detail::Base64Fault::kTrailingBits:
      return fail(Errc::kMalformed, "base64 trailing bits");
  }
  __builtin_trap();
}

std::string encode_base64url(std::string_view bytes) {
  std::string out;
  detail::encode_base64(bytes, kUrl, out);
  return out;
}
std::string encode_base64url(std::span<const std::uint8_t> bytes) {
  return encode_base64url(view(bytes));
}

Result<std::string> decode_base64url(std::string_view text) {
  std::string out;
  switch (detail::decode_base64(text, kUrlTables, out)) {
    case detail::Base64Fault::kNone:
      return out;
    case detail::Base64Fault::kLength:
      // "Zg=" is wrong for its padding first: the alphabet is what a caller must look at.
      if (text.ends_with('=')) return fail(Errc::kMalformed, "base64url alphabet");
      return fail(Errc::kMalformed, "base64url length");
    case detail::Base64Fault::kAlphabet:
      return fail(Errc::kMalformed, "base64url alphabet");
    case detail::Base64Fault::kTrailingBits:
      return fail(Errc::kMalformed, "base64url trailing bits");
  }
  __builtin_trap();
}

}  // namespace stint::codec
