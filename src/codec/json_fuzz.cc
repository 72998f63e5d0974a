#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "stint/codec/json.h"

namespace {

namespace json = stint::json;

void require(bool holds) {
  if (!holds) std::abort();
}

// Members with one key more make every object of the document hold a duplicate: none may be let in.
// Gives the compact text of `value` in which the object number `at` repeats its first member.
std::string with_duplicate(const json::Value& value, int& at) {
  if (value.is_array()) {
    std::string out = "[";
    for (const auto& item : value.get_array())
      out.append(out.size() > 1 ? "," : "").append(with_duplicate(item, at));
    return out + "]";
  }
  if (!value.is_object()) return json::write(value);
  const bool here = !value.get_object().empty() && at-- == 0;
  std::string out = "{", first;
  for (const auto& member : value.get_object()) {
    std::string text = json::write(json::Value(member.key())) + ":";
    text += with_duplicate(member.value(), at);
    if (out.size() > 1) out += ",";
    out += text;
    if (first.empty()) first = text;
  }
  return out + (here ? "," + first : "") + "}";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = json::parse(text);
  boost::json::error_code ec;
  (void)boost::json::parse({text.data(), text.size()}, ec);
  if (!value) return 0;
  require(!ec);  // stricter than the library, never laxer

  const json::Limits wide{.bytes = std::size_t{1} << 22, .depth = 64};
  const auto again = json::parse(json::write(*value), wide);
  require(again.has_value() && *again == *value);

  const std::string canonical = json::canonical(*value);
  const auto reread = json::parse(canonical, wide);
  if (reread) {
    require(json::canonical(*reread) == canonical);
  } else {  // a double that is whole and beyond int64 is written as digits (RFC 8785)
    require(reread.error().reason.text() == "json integer range");
  }

  int at = size == 0 ? 0 : data[0] % 4;
  const std::string doubled = with_duplicate(*value, at);
  if (at < 0) {
    const auto refused = json::parse(doubled, wide);
    require(!refused && refused.error().reason.text() == "json duplicate key");
  }
  return 0;
}
