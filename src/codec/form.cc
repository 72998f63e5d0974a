#include "stint/codec/form.h"

#include <algorithm>

#include "stint/codec/percent.h"
#include "stint/codec/utf8.h"
#include "uri_chars.h"

namespace stint::codec {
namespace {

Result<std::string> decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c <= ' ' || c > '~') return fail(Errc::kMalformed, "form characters");
    if (c == '+') {
      out.push_back(' ');
    } else if (c != '%') {
      out.push_back(c);
    } else {
      const int byte = detail::escape_at(text, i);
      if (byte < 0) return fail(Errc::kMalformed, "form escape");
      out.push_back(static_cast<char>(byte));
      i += 2;
    }
  }
  if (!is_utf8(out)) return fail(Errc::kMalformed, "form utf-8");
  return out;
}

void append_encoded(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    if (c == ' ') {
      out.push_back('+');
    } else if (detail::is_unreserved(c)) {
      out.push_back(c);
    } else {
      detail::append_escape(out, static_cast<unsigned char>(c));
    }
  }
}

}  // namespace

Result<std::optional<std::string_view>> Form::optional(std::string_view name) const {
  const Parameter* found = nullptr;
  for (const Parameter& p : parameters_) {
    if (p.first != name) continue;
    if (found != nullptr) return fail(Errc::kMalformed, "form parameter repeated");
    found = &p;
  }
  if (found == nullptr || found->second.empty()) return std::optional<std::string_view>();
  return std::optional<std::string_view>(found->second);
}

Result<std::string_view> Form::require(std::string_view name) const {
  const auto value = STINT_TRY(optional(name));
  if (!value) return fail(Errc::kMissing, "form parameter missing");
  return *value;
}

std::vector<std::string_view> Form::all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const Parameter& p : parameters_)
    if (p.first == name && !p.second.empty()) out.push_back(p.second);
  return out;
}

Status Form::no_repeats(std::span<const std::string_view> except) const {
  std::vector<std::string_view> names;
  for (const Parameter& p : parameters_)
    if (std::ranges::find(except, p.first) == except.end()) names.push_back(p.first);
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end())
    return fail(Errc::kMalformed, "form parameter repeated");
  return {};
}

void Form::add(std::string_view name, std::string_view value) {
  parameters_.emplace_back(name, value);
}

std::string Form::str() const {
  std::string out;
  for (const Parameter& p : parameters_) {
    if (!out.empty()) out.push_back('&');
    append_encoded(out, p.first);
    out.push_back('=');
    append_encoded(out, p.second);
  }
  return out;
}

Result<Form> parse_form(std::string_view text, FormLimits limits) {
  if (text.size() > limits.bytes) return fail(Errc::kTooLarge, "form too large");
  Form form;
  if (text.empty()) return form;
  if (static_cast<std::size_t>(std::ranges::count(text, '&')) >= limits.parameters)
    return fail(Errc::kTooLarge, "form too many parameters");
  for (bool last = false; !last;) {
    const std::size_t end = text.find('&');
    const std::string_view parameter = text.substr(0, end);
    last = end == std::string_view::npos;
    if (!last) text.remove_prefix(end + 1);
    const std::size_t equals = parameter.find('=');
    const std::string name = STINT_TRY(decode(parameter.substr(0, equals)));
    if (name.empty()) return fail(Errc::kMalformed, "form empty parameter");
    form.add(name, equals == std::string_view::npos
                       ? std::string()
                       : STINT_TRY(decode(parameter.substr(equals + 1))));
  }
  return form;
}

}  // namespace stint::codec
