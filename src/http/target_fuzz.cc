#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "stint/http/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto got = stint::http::parse_target(text);
  if (!got) return 0;
  // Oracle: what is forwarded is what was judged; encoding the segments anew gives a target with
  // the same segments; no segment could be read as a step, a separator or the end of a line.
  if (got->text() != text) std::abort();
  std::string again;
  for (const std::string& s : got->segments) {
    if (s == "." || s == "..") std::abort();
    again += '/';
    for (const char c : s) {
      constexpr char kHex[] = "0123456789ABCDEF";
      const auto u = static_cast<unsigned char>(c);
      if (u < 0x20 || c == '/' || c == '\\' || c == '%') std::abort();
      again += '%';
      again += kHex[u >> 4];
      again += kHex[u & 15];
    }
  }
  if (again.size() > stint::http::kMaxTargetBytes) return 0;
  const auto second = stint::http::parse_target(again);
  if (!second || second->segments != got->segments) std::abort();
  (void)stint::http::parse_query(got->query).has_value();
  return 0;
}
