#include <cstdlib>

#include "arbitrary_for_test.h"
#include "stint/codec/json.h"

// Oracles: what parses encodes to the same bytes and is RFC 8785; an event made from the input's
// numbers survives the round trip.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto entry = audit::parse(bytes)) {
    const auto again = audit::encode(entry->time, entry->event);
    if (!again || *again != bytes) std::abort();
    if (json::canonical(json::parse(bytes).value()) != bytes) std::abort();
    if (audit::kind_of_bytes(bytes) != audit::kind(entry->event)) std::abort();
  }
  std::uint64_t seed = 1;
  for (std::size_t i = 0; i < size && i < 64; ++i) seed = seed * 0x100000001b3 ^ data[i];
  audit::Arbitrary any(audit::Numbers{seed | 1});
  const audit::Entry entry{any.time(), any.event()};
  const auto written = audit::encode(entry.time, entry.event);
  if (!written) std::abort();
  const auto back = audit::parse(*written);
  if (!back || !(*back == entry)) std::abort();
  return 0;
}
