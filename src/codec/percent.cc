#include "stint/codec/percent.h"

#include "uri_chars.h"

namespace stint::codec {

std::string percent_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    if (detail::is_unreserved(c)) {
      out.push_back(c);
    } else {
      detail::append_escape(out, static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int byte = detail::escape_at(text, i);
    if (byte < 0) return fail(Errc::kMalformed, "percent escape");
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return out;
}

}  // namespace stint::codec
