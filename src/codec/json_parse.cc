#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "stint/codec/json.h"
#include "stint/codec/utf8.h"

namespace stint::json {
namespace {

namespace bj = boost::json;

// What the handler itself refuses; the library's own errors stay error codes.
enum class Fault : std::uint8_t { kNone, kDuplicateKey, kIntegerRange, kNumberRange };

// Boost's own DOM handler lets the last of two equal keys win, rounds doubles by table and widens
// large integers to doubles. This one builds the same value and refuses or repairs the three.
class Handler {
 public:
  static constexpr std::size_t max_object_size = bj::object::max_size();
  static constexpr std::size_t max_array_size = bj::array::max_size();
  static constexpr std::size_t max_key_size = bj::string::max_size();
  static constexpr std::size_t max_string_size = bj::string::max_size();

  Handler(unsigned char* room, std::size_t size) : stack_({}, room, size) { stack_.reset(); }
  Value release() { return stack_.release(); }
  Fault fault() const { return fault_; }

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }
  bool on_object_begin(bj::error_code&) {
    objects_.push_back(keys_.size());
    return true;
  }
  bool on_object_end(std::size_t n, bj::error_code& ec) {
    if (!keys_differ()) return refuse(Fault::kDuplicateKey, ec);
    stack_.push_object(n);
    return true;
  }
  bool on_array_begin(bj::error_code&) { return true; }
  bool on_array_end(std::size_t n, bj::error_code&) {
    stack_.push_array(n);
    return true;
  }
  bool on_key_part(bj::string_view s, std::size_t, bj::error_code&) {
    key_text_.append(s.data(), s.size());
    stack_.push_chars(s);
    return true;
  }
  bool on_key(bj::string_view s, std::size_t n, bj::error_code&) {
    key_text_.append(s.data(), s.size());
    keys_.emplace_back(key_text_.size() - n, n);
    stack_.push_key(s);
    return true;
  }
  bool on_string_part(bj::string_view s, std::size_t, bj::error_code&) {
    stack_.push_chars(s);
    return true;
  }
  bool on_string(bj::string_view s, std::size_t, bj::error_code&) {
    stack_.push_string(s);
    return true;
  }
  bool on_number_part(bj::string_view, bj::error_code&) { return true; }
  bool on_int64(std::int64_t i, bj::string_view, bj::error_code&) {
    stack_.push_int64(i);
    return true;
  }
  bool on_uint64(std::uint64_t, bj::string_view, bj::error_code& ec) {
    return refuse(Fault::kIntegerRange, ec);
  }
  // `text` is the whole number: the document is handed over in one piece.
  bool on_double(double, bj::string_view text, bj::error_code& ec) {
    const std::string_view number(text.data(), text.size());
    if (number.find_first_of(".eE") == std::string_view::npos)
      return refuse(Fault::kIntegerRange, ec);
    double exact = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), exact);
    if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(exact))
      return refuse(Fault::kNumberRange, ec);
    stack_.push_double(exact);
    return true;
  }
  bool on_bool(bool b, bj::error_code&) {
    stack_.push_bool(b);
    return true;
  }
  bool on_null(bj::error_code&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

 private:
  bool refuse(Fault fault, bj::error_code& ec) {
    fault_ = fault;
    ec = bj::error::syntax;
    return false;
  }

  // Of the object that ends here; its keys are forgotten.
  bool keys_differ() {
    const std::size_t first = objects_.back();
    objects_.pop_back();
    sorted_.clear();
    for (std::size_t i = first; i < keys_.size(); ++i)
      sorted_.push_back(std::string_view(key_text_).substr(keys_[i].first, keys_[i].second));
    std::ranges::sort(sorted_);
    const bool differ = std::ranges::adjacent_find(sorted_) == sorted_.end();
    if (first < keys_.size()) key_text_.resize(keys_[first].first);
    keys_.resize(first);
    return differ;
  }

  bj::value_stack stack_;
  std::string key_text_;  // of the keys of all open objects, end to end
  std::vector<std::pair<std::size_t, std::size_t>> keys_;  // offset, length
  std::vector<std::size_t> objects_;                       // first key of each open object
  std::vector<std::string_view> sorted_;
  Fault fault_ = Fault::kNone;
};

std::unexpected<Error> refusal(Fault fault, const bj::error_code& ec) {
  switch (fault) {
    case Fault::kDuplicateKey:
      return fail(Errc::kMalformed, "json duplicate key");
    case Fault::kIntegerRange:
      return fail(Errc::kMalformed, "json integer range");
    case Fault::kNumberRange:
      return fail(Errc::kMalformed, "json number range");
    case Fault::kNone:
      break;
  }
  if (ec == bj::error::too_deep) return fail(Errc::kTooLarge, "json too deep");
  if (ec == bj::error::incomplete) return fail(Errc::kMalformed, "json incomplete");
  if (ec == bj::error::exponent_overflow) return fail(Errc::kMalformed, "json number range");
  if (ec == bj::error::illegal_leading_surrogate || ec == bj::error::illegal_trailing_surrogate ||
      ec == bj::error::expected_utf16_escape)
    return fail(Errc::kMalformed, "json surrogate");
  return fail(Errc::kMalformed, "json syntax");
}

}  // namespace

Result<Value> parse(std::string_view text, Limits limits) {
  if (text.size() > limits.bytes) return fail(Errc::kTooLarge, "json too large");
  if (!codec::is_utf8(text)) return fail(Errc::kMalformed, "json utf-8");
  std::array<unsigned char, 4096> room;
  bj::parse_options options;
  options.max_depth = limits.depth;
  bj::basic_parser<Handler> parser(options, room.data(), room.size());
  bj::error_code ec;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
  if (ec) return refusal(parser.handler().fault(), ec);
  if (used != text.size()) return fail(Errc::kMalformed, "json trailing data");
  return parser.handler().release();
}

Result<Object> parse_object(std::string_view text, Limits limits) {
  Value value = STINT_TRY(parse(text, limits));
  if (!value.is_object()) return fail(Errc::kMalformed, "json not an object");
  return std::move(value.as_object());
}

}  // namespace stint::json
