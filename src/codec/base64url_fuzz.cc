#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "stint/codec/base64.h"
#include "stint/codec/base64url.h"
#include "stint/codec/hex.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint::codec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Oracle: what decodes must encode to the same text, and any bytes survive the way out and back.
  if (const auto bytes = decode_base64url(text); bytes && encode_base64url(*bytes) != text)
    std::abort();
  if (const auto bytes = decode_base64(text); bytes && encode_base64(*bytes) != text) std::abort();
  if (const auto bytes = decode_hex(text); bytes && encode_hex(*bytes) != text) std::abort();
  if (*decode_base64url(encode_base64url(text)) != text) std::abort();
  if (*decode_base64(encode_base64(text)) != text) std::abort();
  return 0;
}
