#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "stint/codec/percent.h"
#include "stint/codec/url.h"

namespace {
void require(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint::codec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require(*percent_decode(percent_encode(text)) == text);

  const auto url = parse_url(text);
  const auto normal = normalise_htu(text);
  require(url.has_value() == normal.has_value());
  if (!url) return 0;

  // Oracle: the text that a Url gives is read as the same Url.
  const auto again = parse_url(url->str());
  require(again.has_value());
  require(again->origin() == url->origin() && again->query == url->query &&
          again->fragment == url->fragment && again->has_query == url->has_query &&
          again->has_fragment == url->has_fragment);
  require(again->path == (url->path.empty() ? "/" : url->path));
  // A host is a plain name or address: nothing that another parser could split differently.
  require(url->host.find_first_of("@/?#\\%[] ") == std::string::npos);

  // Oracle: the normal form is its own normal form and names the same origin.
  require(*normalise_htu(*normal) == *normal);
  require(normal->starts_with(url->origin() + "/"));
  require(normal->find("/../") == std::string::npos && normal->find("/./") == std::string::npos);
  require(normal->find_first_of("?#") == std::string::npos);
  return 0;
}
