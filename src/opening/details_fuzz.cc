#include <boost/json/array.hpp>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "stint/codec/json.h"
#include "stint/domain/json.h"
#include "stint/opening/wanted.h"

// Oracles: what was understood as grants, written down again, is understood the same; a wanted life
// is within the limits that parsing promises; a time that is read is the time that is written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const WallTime now = from_unix_millis(1'790'000'000'000);
  if (const auto wanted = opening::parse_details(text, now)) {
    if (wanted->grants.empty()) std::abort();
    if (wanted->life && wanted->life->count() < 0) std::abort();
    const auto again =
        opening::parse_narrowing(json::write(json::Value(domain::to_json(wanted->grants))));
    if (!again || *again != wanted->grants) std::abort();
  }
  if (const auto time = opening::parse_rfc3339(text)) {
    const auto back = opening::parse_rfc3339(opening::rfc3339(*time));
    // Years before 0 and after 9999 can be reached by an offset, and have no RFC 3339 form.
    if (back && *back != *time) std::abort();
  }
  return 0;
}
