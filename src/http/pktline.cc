#include "stint/http/pktline.h"

#include <algorithm>

namespace stint::http {
namespace {

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<Pkt> read_pkt(std::string_view bytes) {
  // What is there of the length is judged at once: a stream that cannot be git is not waited for.
  std::size_t length = 0;
  const std::size_t digits = std::min<std::size_t>(bytes.size(), 4);
  for (std::size_t i = 0; i < digits; ++i) {
    const int digit = hex_value(bytes[i]);
    if (digit < 0) return fail(Errc::kMalformed, "pkt-line length");
    length = length * 16 + static_cast<std::size_t>(digit);
  }
  if (digits < 4) return Pkt{};
  switch (length) {
    case 0:
      return Pkt{Pkt::Kind::kFlush, {}, 4};
    case 1:
      return Pkt{Pkt::Kind::kDelim, {}, 4};
    case 2:
      return Pkt{Pkt::Kind::kResponseEnd, {}, 4};
    case 3:
      return fail(Errc::kMalformed, "pkt-line length");
    default:
      break;
  }
  if (length > kMaxPktBytes) return fail(Errc::kTooLarge, "pkt-line too large");
  if (bytes.size() < length) return Pkt{};
  return Pkt{Pkt::Kind::kData, bytes.substr(4, length - 4), length};
}

void write_pkt(std::string& out, std::string_view payload) {
  constexpr char kHex[] = "0123456789abcdef";
  payload = payload.substr(0, kMaxPktBytes - 4);
  const std::size_t length = payload.size() + 4;
  for (const unsigned shift : {12U, 8U, 4U, 0U}) out += kHex[(length >> shift) & 0xf];
  out += payload;
}

}  // namespace stint::http
