#include "stint/http/target.h"

#include <algorithm>

#include "stint/codec/utf8.h"

namespace stint::http {
namespace {

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that the escape at text[i] stands for; -1 when it is no escape.
int escape_at(std::string_view text, std::size_t i) {
  if (i + 2 >= text.size()) return -1;
  const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

// Raw bytes that some server reads as others, in path and query alike.
Status check_raw(std::string_view target) {
  for (const char c : target) {
    const auto u = static_cast<unsigned char>(c);
    if (is_control(u) || c == ' ') return fail(Errc::kMalformed, "target control character");
    if (u >= 0x80) return fail(Errc::kMalformed, "target not ascii");
    if (c == '\\') return fail(Errc::kWrongTarget, "target backslash");
    if (c == '#') return fail(Errc::kWrongTarget, "target fragment");
  }
  return {};
}

// "..;x" is ".." to servers that cut path parameters off.
bool is_dot_segment(std::string_view decoded) {
  const std::string_view name = decoded.substr(0, decoded.find(';'));
  return name == "." || name == "..";
}

Result<std::string> decode_segment(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      out += raw[i];
      continue;
    }
    const int byte = escape_at(raw, i);
    if (byte < 0) return fail(Errc::kMalformed, "target escape");
    if (byte == '/' || byte == '\\') return fail(Errc::kWrongTarget, "target encoded slash");
    if (byte == '%') return fail(Errc::kWrongTarget, "target encoded percent");
    if (is_control(static_cast<unsigned char>(byte)))
      return fail(Errc::kWrongTarget, "target encoded control character");
    out += static_cast<char>(byte);
    i += 2;
  }
  if (!codec::is_utf8(out)) return fail(Errc::kWrongTarget, "target not utf-8");
  if (is_dot_segment(out)) return fail(Errc::kWrongTarget, "target dot segment");
  // Some servers cut a segment at ';' and run "/export" for "/export;x", which was judged as
  // another.
  if (out.find(';') != std::string::npos) return fail(Errc::kWrongTarget, "target path parameters");
  return out;
}

Status check_query(std::string_view query) {
  for (std::size_t i = 0; i < query.size(); ++i)
    if (query[i] == '%' && escape_at(query, i) < 0) return fail(Errc::kMalformed, "target escape");
  return {};
}

Result<std::string> decode_form(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '+') {
      out += ' ';
    } else if (raw[i] == '%') {
      const int byte = escape_at(raw, i);
      if (byte < 0) return fail(Errc::kMalformed, "query escape");
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += raw[i];
    }
  }
  return out;
}

}  // namespace

Result<Target> parse_target(std::string_view target) {
  if (target.size() > kMaxTargetBytes) return fail(Errc::kTooLarge, "target too large");
  if (target.empty()) return fail(Errc::kMalformed, "target empty");
  if (target[0] != '/') return fail(Errc::kWrongTarget, "target not in origin-form");
  if (const auto ok = check_raw(target); !ok) return fail(ok.error());

  Target out;
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (mark != std::string_view::npos) {
    out.has_query = true;
    out.query = target.substr(mark + 1);
    if (const auto ok = check_query(out.query); !ok) return fail(ok.error());
  }
  if (static_cast<std::size_t>(std::ranges::count(path, '/')) > kMaxSegments)
    return fail(Errc::kTooLarge, "target too many segments");
  for (std::size_t begin = 1;;) {
    const std::size_t end = path.find('/', begin);
    const bool last = end == std::string_view::npos;
    const std::string_view raw = path.substr(begin, last ? end : end - begin);
    if (raw.empty() && !last) return fail(Errc::kWrongTarget, "target empty segment");
    out.segments.push_back(STINT_TRY(decode_segment(raw)));
    if (last) break;
    begin = end + 1;
  }
  out.path = path;
  return out;
}

Result<std::vector<QueryParameter>> parse_query(std::string_view query) {
  std::vector<QueryParameter> out;
  for (std::size_t begin = 0; begin <= query.size();) {
    const std::size_t end = std::min(query.find('&', begin), query.size());
    const std::string_view pair = query.substr(begin, end - begin);
    begin = end + 1;
    if (pair.empty()) continue;
    if (out.size() == kMaxQueryParameters) return fail(Errc::kLimit, "query parameter count");
    const std::size_t equals = std::min(pair.find('='), pair.size());
    QueryParameter p;
    p.name = STINT_TRY(decode_form(pair.substr(0, equals)));
    if (equals < pair.size()) p.value = STINT_TRY(decode_form(pair.substr(equals + 1)));
    out.push_back(std::move(p));
  }
  return out;
}

}  // namespace stint::http
