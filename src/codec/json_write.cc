#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "stint/codec/json.h"

namespace stint::json {
namespace {

enum class Form : std::uint8_t { kPlain, kCanonical };

constexpr std::int64_t kMaxExact = std::int64_t{1} << 53;

// RFC 8785 s3.2.2.2; also the least escaping that RFC 8259 allows.
void append_string(std::string_view s, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  std::size_t done = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(s, done, i - done);
    done = i + 1;
    out.push_back('\\');
    switch (c) {
      case '"':
      case '\\':
        out.push_back(static_cast<char>(c));
        break;
      case '\b':
        out.push_back('b');
        break;
      case '\f':
        out.push_back('f');
        break;
      case '\n':
        out.push_back('n');
        break;
      case '\r':
        out.push_back('r');
        break;
      case '\t':
        out.push_back('t');
        break;
      default:
        out.append("u00");
        out.push_back(kHex[c >> 4]);
        out.push_back(kHex[c & 15]);
    }
  }
  out.append(s, done);
  out.push_back('"');
}

// ECMAScript Number::toString (ECMA-262 s6.1.6.1.20), as RFC 8785 s3.2.2.3 asks. to_chars gives the
// shortest digits that read back, the nearest among them; the rest is where the point goes.
void append_double(double d, std::string& out) {
  if (!std::isfinite(d)) std::abort();
  if (d == 0) {
    out.push_back('0');  // and so is minus zero
    return;
  }
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, d, std::chars_format::scientific).ptr;
  std::string_view all(text, static_cast<std::size_t>(end - text));
  if (all.front() == '-') {
    out.push_back('-');
    all.remove_prefix(1);
  }
  const std::size_t e = all.find('e');
  const bool negative = all[e + 1] == '-';
  int exponent = 0;
  std::from_chars(all.data() + e + 2, all.data() + all.size(), exponent);
  if (negative) exponent = -exponent;
  std::string digits(1, all[0]);
  if (e > 2) digits.append(all.substr(2, e - 2));

  const int k = static_cast<int>(digits.size()), n = exponent + 1;
  if (n > 0 && n <= 21) {
    if (k <= n) {
      out.append(digits).append(static_cast<std::size_t>(n - k), '0');
    } else {
      const auto whole = static_cast<std::size_t>(n);
      out.append(digits, 0, whole).append(1, '.').append(digits, whole);
    }
  } else if (n > -6 && n <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-n), '0').append(digits);
  } else {
    out.push_back(digits[0]);
    if (k > 1) out.append(1, '.').append(digits, 1);
    out.append(exponent < 0 ? "e-" : "e+").append(std::to_string(std::abs(exponent)));
  }
}

// A double stays one: "1" would be read back as an integer.
void append_plain_double(double d, std::string& out) {
  const std::size_t start = out.size();
  if (d == 0 && std::signbit(d)) out.push_back('-');
  append_double(d, out);
  if (out.find_first_of(".e", start) == std::string::npos) out.append(".0");
}

template <class Int>
void append_integer(Int i, Form form, std::string& out) {
  const bool exact = std::cmp_less_equal(i, kMaxExact) && std::cmp_greater_equal(i, -kMaxExact);
  if (form == Form::kCanonical && !exact) {
    append_double(static_cast<double>(i), out);
  } else {
    out.append(std::to_string(i));
  }
}

// UTF-16 order of UTF-8 texts (RFC 8785 s3.2.3). It differs from byte order in one place: the
// surrogates of U+10000 and up (lead bytes f0 to f4) come before U+E000 to U+FFFF (ee and ef).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto rank = [](char c) -> unsigned {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0xee || byte == 0xef ? byte + 0x10U : byte;
  };
  const auto [x, y] = std::ranges::mismatch(a, b);
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  return rank(*x) < rank(*y);
}

std::string_view view(boost::json::string_view s) { return {s.data(), s.size()}; }

void append(const Value& value, Form form, std::string& out);

void append_object(const Object& object, Form form, std::string& out) {
  std::vector<const boost::json::key_value_pair*> members;
  members.reserve(object.size());
  for (const auto& member : object) members.push_back(&member);
  if (form == Form::kCanonical) {
    std::ranges::sort(members, [](const auto* a, const auto* b) {
      return utf16_less(view(a->key()), view(b->key()));
    });
  }
  out.push_back('{');
  for (const auto* member : members) {
    if (member != members.front()) out.push_back(',');
    append_string(view(member->key()), out);
    out.push_back(':');
    append(member->value(), form, out);
  }
  out.push_back('}');
}

void append(const Value& value, Form form, std::string& out) {
  switch (value.kind()) {
    case boost::json::kind::null:
      out.append("null");
      return;
    case boost::json::kind::bool_:
      out.append(value.get_bool() ? "true" : "false");
      return;
    case boost::json::kind::int64:
      append_integer(value.get_int64(), form, out);
      return;
    case boost::json::kind::uint64:
      append_integer(value.get_uint64(), form, out);
      return;
    case boost::json::kind::double_:
      if (form == Form::kCanonical) return append_double(value.get_double(), out);
      return append_plain_double(value.get_double(), out);
    case boost::json::kind::string:
      append_string(view(value.get_string()), out);
      return;
    case boost::json::kind::array: {
      out.push_back('[');
      bool first = true;
      for (const Value& item : value.get_array()) {
        if (!std::exchange(first, false)) out.push_back(',');
        append(item, form, out);
      }
      out.push_back(']');
      return;
    }
    case boost::json::kind::object:
      append_object(value.get_object(), form, out);
      return;
  }
}

}  // namespace

std::string canonical(const Value& value) {
  std::string out;
  append(value, Form::kCanonical, out);
  return out;
}

std::string canonical(const Object& object) {
  std::string out;
  append_object(object, Form::kCanonical, out);
  return out;
}

std::string write(const Value& value) {
  std::string out;
  append(value, Form::kPlain, out);
  return out;
}

std::string write(const Object& object) {
  std::string out;
  append_object(object, Form::kPlain, out);
  return out;
}

}  // namespace stint::json
