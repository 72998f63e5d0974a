#include "stint/http/parse.h"

#include <algorithm>
#include <charconv>

namespace stint::http {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

// The next line without its CRLF. A lone CR or LF is how one server sees a line where another does
// not: neither is a line end here, and is_field_value() refuses both.
std::optional<std::string_view> next_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

std::string_view trim(std::string_view s) {
  const std::size_t first = s.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(" \t") - first + 1);
}

Result<Headers> parse_fields(std::string_view rest, const HeadLimits& limits) {
  Headers out;
  for (;;) {
    const auto line = next_line(rest);
    if (!line) return fail(Errc::kMalformed, "head not ended");
    if (line->empty()) break;
    if (out.size() == limits.fields) return fail(Errc::kLimit, "head too many fields");
    if (line->front() == ' ' || line->front() == '\t')
      return fail(Errc::kMalformed, "header folded");
    const std::size_t colon = line->find(':');
    if (colon == std::string_view::npos) return fail(Errc::kMalformed, "header without colon");
    const std::string_view name = line->substr(0, colon);
    const std::string_view value = trim(line->substr(colon + 1));
    if (!is_token(name)) return fail(Errc::kMalformed, "header name");
    if (!is_field_value(value)) return fail(Errc::kMalformed, "header value");
    if (name.size() > limits.name_bytes || value.size() > limits.value_bytes)
      return fail(Errc::kTooLarge, "head too large");
    out.add(std::string(name), std::string(value));
  }
  if (!rest.empty()) return fail(Errc::kMalformed, "bytes after head");
  return out;
}

Result<Version> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return Version::k11;
  if (text == "HTTP/1.0") return Version::k10;
  return fail(Errc::kUnsupported, "http version");
}

bool is_target_text(std::string_view target) {
  return !target.empty() && std::ranges::all_of(target, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u > 0x20 && u != 0x7f;
  });
}

void write_fields(const Headers& headers, std::string& out) {
  for (const Header& h : headers) {
    out += h.name;
    out += ": ";
    out += h.value;
    out += "\r\n";
  }
  out += "\r\n";
}

}  // namespace

std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t from) {
  // The end may straddle what was looked at before.
  const std::size_t start = from < kEnd.size() ? 0 : from - (kEnd.size() - 1);
  const std::size_t at = bytes.find(kEnd, start);
  if (at == std::string_view::npos) return std::nullopt;
  return at + kEnd.size();
}

Result<RequestHead> parse_request_head(std::string_view block, const HeadLimits& limits) {
  if (block.size() > limits.bytes) return fail(Errc::kTooLarge, "head too large");
  const auto line = next_line(block);
  if (!line) return fail(Errc::kMalformed, "head not ended");
  const std::size_t first = line->find(' ');
  const std::size_t last = line->rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fail(Errc::kMalformed, "request line");
  RequestHead out;
  out.method = line->substr(0, first);
  out.target = line->substr(first + 1, last - first - 1);
  if (!is_token(out.method)) return fail(Errc::kMalformed, "method not a token");
  if (!is_target_text(out.target)) return fail(Errc::kMalformed, "request line");
  out.version = STINT_TRY(parse_version(line->substr(last + 1)));
  out.headers = STINT_TRY(parse_fields(block, limits));
  return out;
}

Result<ResponseHead> parse_response_head(std::string_view block, const HeadLimits& limits) {
  if (block.size() > limits.bytes) return fail(Errc::kTooLarge, "head too large");
  const auto line = next_line(block);
  if (!line) return fail(Errc::kMalformed, "head not ended");
  // HTTP/1.x SP 3DIGIT [SP reason]; the reason's text is nobody's business.
  if (line->size() < 12 || (*line)[8] != ' ' || (line->size() > 12 && (*line)[12] != ' '))
    return fail(Errc::kMalformed, "status line");
  if (line->size() > 13 && !is_field_value(trim(line->substr(13))))
    return fail(Errc::kMalformed, "status line");
  const std::string_view digits = line->substr(9, 3);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos)
    return fail(Errc::kMalformed, "status line");
  ResponseHead out;
  out.version = STINT_TRY(parse_version(line->substr(0, 8)));
  std::from_chars(digits.data(), digits.data() + digits.size(), out.status);
  out.headers = STINT_TRY(parse_fields(block, limits));
  return out;
}

void write_head(const RequestHead& head, std::string& out) {
  out += head.method;
  out += ' ';
  out += head.target;
  out += head.version == Version::k11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n";
  write_fields(head.headers, out);
}

void write_head(const ResponseHead& head, std::string& out) {
  out += head.version == Version::k11 ? "HTTP/1.1 " : "HTTP/1.0 ";
  const unsigned status = head.status % 1000;
  for (const unsigned unit : {100U, 10U, 1U}) out += static_cast<char>('0' + status / unit % 10);
  out += ' ';
  out += reason_phrase(head.status);
  out += "\r\n";
  write_fields(head.headers, out);
}

std::string write_head(const RequestHead& head) {
  std::string out;
  write_head(head, out);
  return out;
}

std::string write_head(const ResponseHead& head) {
  std::string out;
  write_head(head, out);
  return out;
}

}  // namespace stint::http
