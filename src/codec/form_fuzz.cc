#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "stint/codec/form.h"
#include "stint/codec/utf8.h"

namespace {
void require(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint::codec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto form = parse_form(text);
  if (!form) return 0;
  // Oracle: written and read again it is the same, and writing is then stable.
  const auto again = parse_form(form->str(), {.bytes = 4 * size + 256, .parameters = 64});
  require(again.has_value() && *again == *form && again->str() == form->str());

  bool repeats = false;
  for (const auto& [name, value] : form->parameters()) {
    require(!name.empty() && is_utf8(name) && is_utf8(value));
    const auto same_name = [&n = name](const auto& p) { return p.first == n; };
    const auto times = std::ranges::count_if(form->parameters(), same_name);
    require(form->optional(name).has_value() == (times == 1));
    repeats |= times > 1;
  }
  require(form->no_repeats().has_value() != repeats);
  return 0;
}
