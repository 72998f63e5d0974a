#include "template.h"

#include <algorithm>

#include "stint/codec/utf8.h"
#include "stint/http/check.h"
#include "stint/http/route.h"

namespace stint::http::route {
namespace {

Result<std::vector<std::string>> parse_methods(std::string_view text) {
  std::vector<std::string> out;
  if (text == "*") return out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view method = text.substr(begin, end - begin);
    begin = end + 1;
    const bool upper = !method.empty() && std::ranges::all_of(method, [](char c) {
      return (c >= 'A' && c <= 'Z') || c == '-';
    });
    if (!upper) return fail(Errc::kMalformed, "route method");
    if (method == "HEAD") return fail(Errc::kUnsupported, "route method HEAD: GET takes it");
    if (method == "CONNECT" || method == "TRACE" || method == "TRACK")
      return fail(Errc::kUnsupported, "route method is never forwarded");
    out.emplace_back(method);
  }
  std::ranges::sort(out);
  if (std::ranges::adjacent_find(out) != out.end())
    return fail(Errc::kMalformed, "route method repeated");
  return out;
}

bool is_parameter_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

Result<Segment> parse_segment(std::string_view text) {
  if (text.starts_with('{') && text.ends_with('}')) {
    std::string_view name = text.substr(1, text.size() - 2);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    if (!is_parameter_name(name)) return fail(Errc::kMalformed, "route parameter name");
    return Segment{rest ? Segment::Kind::kRest : Segment::Kind::kParameter, std::string(name)};
  }
  if (text.find_first_of("{}") != std::string_view::npos)
    return fail(Errc::kUnsupported, "route parameter is not a whole segment");
  if (text.find('%') != std::string_view::npos)
    return fail(Errc::kMalformed, "route path is written decoded");
  const bool plain = std::ranges::none_of(text, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f || c == '\\' || c == '#';
  });
  const std::string_view name = text.substr(0, text.find(';'));
  if (!plain || !codec::is_utf8(text) || name == "." || name == "..")
    return fail(Errc::kMalformed, "route path can never match");
  return Segment{Segment::Kind::kLiteral, std::string(text)};
}

Result<std::vector<Segment>> parse_path(std::string_view text) {
  if (!text.starts_with('/')) return fail(Errc::kMalformed, "route path does not begin with /");
  std::vector<Segment> out;
  for (std::size_t begin = 1;;) {
    const std::size_t end = text.find('/', begin);
    const bool last = end == std::string_view::npos;
    const std::string_view part = text.substr(begin, last ? end : end - begin);
    if (part.empty() && !last) return fail(Errc::kMalformed, "route path can never match");
    out.push_back(STINT_TRY(parse_segment(part)));
    if (out.size() > kMaxSegments) return fail(Errc::kTooLarge, "route too many segments");
    if (last) break;
    if (out.back().kind == Segment::Kind::kRest)
      return fail(Errc::kMalformed, "route rest is not last");
    begin = end + 1;
  }
  std::vector<std::string_view> names;
  for (const Segment& s : out)
    if (s.kind != Segment::Kind::kLiteral) names.push_back(s.text);
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end())
    return fail(Errc::kMalformed, "route parameter repeated");
  return out;
}

Result<std::vector<QueryParameter>> parse_conditions(std::string_view text) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('&', begin), text.size());
    const std::size_t equals = text.substr(begin, end - begin).find('=');
    if (equals == std::string_view::npos || equals == 0)
      return fail(Errc::kMalformed, "route condition is not name=value");
    begin = end + 1;
  }
  if (text.find(';') != std::string_view::npos)
    return fail(Errc::kMalformed, "route condition is not name=value");
  auto out = STINT_TRY(parse_query(text));
  std::ranges::sort(out, {}, &QueryParameter::name);
  if (std::ranges::adjacent_find(out, {}, &QueryParameter::name) != out.end())
    return fail(Errc::kMalformed, "route condition repeated");
  return out;
}

// Whether one segment text can be both, and whether `b` takes all that `a` takes. Rest is handled
// by the walks below.
bool segments_overlap(const Segment& a, const Segment& b) {
  const bool la = a.kind == Segment::Kind::kLiteral, lb = b.kind == Segment::Kind::kLiteral;
  if (la && lb) return a.text == b.text;
  if (la) return !a.text.empty();
  if (lb) return !b.text.empty();
  return true;
}
bool segment_within(const Segment& a, const Segment& b) {
  if (b.kind == Segment::Kind::kLiteral)
    return a.kind == Segment::Kind::kLiteral && a.text == b.text;
  return a.kind != Segment::Kind::kLiteral || !a.text.empty();
}

bool paths_overlap(const std::vector<Segment>& a, const std::vector<Segment>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i].kind == Segment::Kind::kRest || b[i].kind == Segment::Kind::kRest) return true;
    if (!segments_overlap(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

bool path_within(const std::vector<Segment>& a, const std::vector<Segment>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (b[i].kind == Segment::Kind::kRest) return true;
    if (a[i].kind == Segment::Kind::kRest || !segment_within(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

bool methods_overlap(const Template& a, const Template& b) {
  if (a.methods.empty() || b.methods.empty()) return true;
  return std::ranges::any_of(
      a.methods, [&](const auto& m) { return std::ranges::binary_search(b.methods, m); });
}
bool methods_within(const Template& a, const Template& b) {
  return b.methods.empty() || (!a.methods.empty() && std::ranges::includes(b.methods, a.methods));
}

const QueryParameter* condition(const Template& t, std::string_view name) {
  const auto at = std::ranges::lower_bound(t.conditions, name, {}, &QueryParameter::name);
  return at != t.conditions.end() && at->name == name ? &*at : nullptr;
}

}  // namespace

bool Template::takes_method(std::string_view method) const {
  if (methods.empty()) return true;
  if (method == "HEAD") method = "GET";
  return std::ranges::binary_search(methods, method);
}

Result<Template> parse(std::string_view text) {
  if (text.size() > kMaxTemplateBytes) return fail(Errc::kTooLarge, "route too large");
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return fail(Errc::kMalformed, "route is not METHOD /path");
  Template out;
  out.methods = STINT_TRY(parse_methods(text.substr(0, space)));
  const std::string_view rest = text.substr(space + 1);
  const std::size_t mark = rest.find('?');
  out.path = STINT_TRY(parse_path(rest.substr(0, mark)));
  if (mark != std::string_view::npos)
    out.conditions = STINT_TRY(parse_conditions(rest.substr(mark + 1)));
  return out;
}

bool overlap(const Template& a, const Template& b) {
  return methods_overlap(a, b) && paths_overlap(a.path, b.path) &&
         std::ranges::all_of(a.conditions, [&](const QueryParameter& c) {
           const QueryParameter* other = condition(b, c.name);
           return other == nullptr || other->value == c.value;
         });
}

bool within(const Template& a, const Template& b) {
  return methods_within(a, b) && path_within(a.path, b.path) &&
         std::ranges::all_of(b.conditions, [&](const QueryParameter& c) {
           const QueryParameter* own = condition(a, c.name);
           return own != nullptr && own->value == c.value;
         });
}

}  // namespace stint::http::route
