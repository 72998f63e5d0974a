#include "stint/http/check.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <string>

namespace stint::http {
namespace {

constexpr std::uint64_t kMaxLength = std::numeric_limits<std::int64_t>::max();

// RFC 9110 section 5.6.2.
constexpr auto kTokenChars = [] {
  std::array<bool, 256> t{};
  for (unsigned char c = '0'; c <= '9'; ++c) t[c] = true;
  for (unsigned char c = 'a'; c <= 'z'; ++c) t[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) t[c] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    t[static_cast<unsigned char>(c)] = true;
  return t;
}();

// Fields that decide who asks, what the body is and how it is read: two of them are two answers.
// Not DPoP: who reads proofs refuses two of them in the words of RFC 9449.
constexpr std::string_view kSingle[] = {"Authorization",
                                        "Cookie",
                                        "Content-Type",
                                        "Content-Encoding",
                                        "Content-Length",
                                        "Expect",
                                        "Host",
                                        "Prefer",
                                        "If-Match",
                                        "Idempotency-Key",
                                        "Content-Range",
                                        "Transfer-Encoding",
                                        "User-Agent",
                                        "Origin",
                                        "X-HTTP-Method-Override"};

// What Connection may not name: dropping them as hop-by-hop would change what the message means.
constexpr std::string_view kNotHopByHop[] = {
    "Authorization", "DPoP",           "Cookie",           "Content-Type", "Content-Encoding",
    "Host",          "Content-Length", "Content-Range",    "Expect",       "Prefer",
    "Origin",        "Cache-Control",  "Idempotency-Key",  "If-Match",     "X-Forwarded-For",
    "Forwarded",     "Set-Cookie",     "WWW-Authenticate", "Location"};

bool listed(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view n) { return iequal(n, name); });
}

std::string_view trim(std::string_view s) {
  const std::size_t first = s.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(" \t") - first + 1);
}

template <class F>
bool each_element(std::string_view list, F&& f) {
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (!f(trim(list.substr(begin, end - begin)))) return false;
    begin = end + 1;
  }
  return true;
}

Result<std::uint64_t> parse_length(std::string_view text) {
  // Plain digits: no sign, no list, no white space inside, and few enough not to overflow.
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
    return fail(Errc::kMalformed, "content-length not a number");
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > kMaxLength)
    return fail(Errc::kTooLarge, "content-length too large");
  return value;
}

Status check_fields(const Headers& headers, std::size_t first_line, const HeadLimits& limits) {
  if (headers.size() > limits.fields) return fail(Errc::kLimit, "head too many fields");
  std::size_t bytes = first_line + 2;
  for (const Header& h : headers) {
    bytes += h.name.size() + h.value.size() + 4;
    if (bytes > limits.bytes || h.name.size() > limits.name_bytes ||
        h.value.size() > limits.value_bytes)
      return fail(Errc::kTooLarge, "head too large");
    if (!is_token(h.name)) return fail(Errc::kMalformed, "header name");
    if (!is_field_value(h.value)) return fail(Errc::kMalformed, "header value");
  }
  return {};
}

Status check_connection(const Headers& headers) {
  for (const Header& h : headers) {
    if (!iequal(h.name, "Connection")) continue;
    const bool tokens = each_element(
        h.value, [](std::string_view option) { return option.empty() || is_token(option); });
    if (!tokens) return fail(Errc::kMalformed, "connection option");
    const bool harmless = each_element(h.value, [](std::string_view option) {
      return !listed(option, kNotHopByHop) &&
             !(option.size() >= 6 && iequal(option.substr(0, 6), "Stint-"));
    });
    if (!harmless) return fail(Errc::kMalformed, "connection names an end-to-end header");
  }
  return {};
}

// Content-Length and Transfer-Encoding, RFC 9112 section 6.3 made strict: every doubt is an error.
Status check_framing(const Headers& headers) {
  const std::size_t lengths = headers.count("Content-Length");
  const std::size_t codings = headers.count("Transfer-Encoding");
  if (lengths > 1) return fail(Errc::kMalformed, "content-length repeated");
  if (codings > 1) return fail(Errc::kMalformed, "transfer-encoding repeated");
  if (lengths == 1 && codings == 1)
    return fail(Errc::kMalformed, "content-length beside transfer-encoding");
  if (lengths == 1) (void)STINT_TRY(parse_length(*headers.find("Content-Length")));
  if (codings == 1 && !iequal(*headers.find("Transfer-Encoding"), "chunked"))
    return fail(Errc::kUnsupported, "transfer-encoding not chunked");
  return {};
}

// uri-host [":" port] (RFC 9110 section 7.2) without percent-encoding: what virtual hosts are
// chosen by.
bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 262) return false;
  std::size_t at = 0;
  if (host[0] == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    if (host.substr(1, close - 1).find_first_not_of("0123456789abcdefABCDEF:.") !=
        std::string_view::npos)
      return false;
    at = close + 1;
  } else {
    at = std::min(host.find(':'), host.size());
    if (at == 0) return false;
    if (!std::ranges::all_of(host.substr(0, at), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 c == '-' || c == '.' || c == '_';
        }))
      return false;
  }
  if (at == host.size()) return true;
  if (host[at] != ':') return false;
  const std::string_view port = host.substr(at + 1);
  return port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
}

Status check_host(const RequestHead& head) {
  const std::size_t hosts = head.headers.count("Host");
  if (hosts > 1) return fail(Errc::kMalformed, "host repeated");
  if (hosts == 0) {
    if (head.version == Version::k10) return {};
    return fail(Errc::kMissing, "host missing");
  }
  if (!is_host(*head.headers.find("Host"))) return fail(Errc::kMalformed, "host malformed");
  return {};
}

// HTTP/1.0 knows no chunks, and hops of that version may read a body that has no length to the end
// of the connection.
Status check_http10(const RequestHead& head) {
  if (head.version != Version::k10) return {};
  if (head.headers.has("Transfer-Encoding"))
    return fail(Errc::kMalformed, "transfer-encoding in http/1.0");
  if (head.headers.has("Expect")) return fail(Errc::kMalformed, "expect in http/1.0");
  const bool safe = head.method == "GET" || head.method == "HEAD";
  if (!safe && !head.headers.has("Content-Length"))
    return fail(Errc::kMissing, "content-length missing in http/1.0");
  if (safe && head.headers.has("Content-Length"))
    return fail(Errc::kUnsupported, "body on get in http/1.0");
  return {};
}

Status check_method(std::string_view method) {
  if (!is_token(method)) return fail(Errc::kMalformed, "method not a token");
  if (method.size() > 32) return fail(Errc::kTooLarge, "method too large");
  // A method that differs by case is another method to us and perhaps the same to the upstream.
  if (std::ranges::any_of(method, [](char c) { return c >= 'a' && c <= 'z'; }))
    return fail(Errc::kWrongMethod, "method in lower case");
  if (method == "CONNECT") return fail(Errc::kWrongMethod, "method connect");
  if (method == "TRACE" || method == "TRACK") return fail(Errc::kWrongMethod, "method trace");
  return {};
}

Status check_request_only(const Headers& headers) {
  // '_' becomes '-' in CGI-like interfaces: a second Content_Length would be another's.
  for (const Header& h : headers) {
    if (h.name.find('_') == std::string::npos) continue;
    std::string dashed = h.name;
    std::ranges::replace(dashed, '_', '-');
    if (listed(dashed, kSingle) || listed(dashed, kNotHopByHop))
      return fail(Errc::kMalformed, "header name imitates another");
  }
  for (const std::string_view name : kSingle)
    if (headers.count(name) > 1) return fail(Errc::kMalformed, "header repeated");
  if (headers.has("Upgrade")) return fail(Errc::kUnsupported, "upgrade");
  if (headers.has("Trailer")) return fail(Errc::kUnsupported, "trailer");
  if (const auto expect = headers.find("Expect"); expect && !iequal(*expect, "100-continue"))
    return fail(Errc::kUnsupported, "expect not 100-continue");
  return {};
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return kTokenChars[static_cast<unsigned char>(c)];
  });
}

bool is_field_value(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() == ' ' || text.front() == '\t' || text.back() == ' ' || text.back() == '\t')
    return false;
  // No early end: so it becomes a few vector instructions, and each header is looked at often.
  unsigned bad = 0;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned>(u < 0x20) & static_cast<unsigned>(u != '\t');
    bad |= static_cast<unsigned>(u == 0x7f);
  }
  return bad == 0;
}

Status check_head(const RequestHead& head, const HeadLimits& limits) {
  if (const auto ok = check_method(head.method); !ok) return ok;
  const std::size_t first_line = head.method.size() + head.target.size() + 12;
  if (const auto ok = check_fields(head.headers, first_line, limits); !ok) return ok;
  if (const auto ok = check_http10(head); !ok) return ok;
  if (const auto ok = check_host(head); !ok) return ok;
  if (const auto ok = check_framing(head.headers); !ok) return ok;
  if (const auto ok = check_connection(head.headers); !ok) return ok;
  return check_request_only(head.headers);
}

Framing request_framing(const RequestHead& head) {
  if (head.headers.has("Transfer-Encoding")) return {Framing::Kind::kChunked, 0};
  const auto text = head.headers.find("Content-Length");
  if (!text) return {};
  const auto length = parse_length(*text);
  return {Framing::Kind::kLength, length ? *length : 0};
}

Result<Framing> check_response(const ResponseHead& head, std::string_view method,
                               const HeadLimits& limits) {
  if (head.status < 100 || head.status > 599) return fail(Errc::kMalformed, "status out of range");
  // A hop of that version reads a chunked body to the end of the connection.
  if (head.version == Version::k10 && head.headers.has("Transfer-Encoding"))
    return fail(Errc::kMalformed, "transfer-encoding in http/1.0");
  if (head.status == 101) return fail(Errc::kUnsupported, "switching protocols");
  if (const auto ok = check_fields(head.headers, 64, limits); !ok) return fail(ok.error());
  if (const auto ok = check_connection(head.headers); !ok) return fail(ok.error());
  if (const auto ok = check_framing(head.headers); !ok) return fail(ok.error());
  const auto length = head.headers.find("Content-Length");
  const bool chunked = head.headers.has("Transfer-Encoding");
  // RFC 9112 section 6.3, 1: no body whatever the fields say; RFC 9110 section 8.6: a length on 1xx
  // or 204 is an error.
  if (head.status < 200 || head.status == 204) {
    if (chunked || (length && *length != "0"))
      return fail(Errc::kMalformed, "body on bodiless status");
    return Framing{};
  }
  if (head.status == 304 || method == "HEAD") return Framing{};
  if (chunked) return Framing{Framing::Kind::kChunked, 0};
  if (length) return Framing{Framing::Kind::kLength, STINT_TRY(parse_length(*length))};
  return Framing{Framing::Kind::kUntilClose, 0};
}

bool wants_close(const RequestHead& head) {
  bool close = false, keep = false;
  for (const Header& h : head.headers) {
    if (!iequal(h.name, "Connection")) continue;
    each_element(h.value, [&](std::string_view option) {
      close = close || iequal(option, "close");
      keep = keep || iequal(option, "keep-alive");
      return true;
    });
  }
  return close || (head.version == Version::k10 && !keep);
}

bool expects_continue(const RequestHead& head) {
  const auto expect = head.headers.find("Expect");
  return expect && iequal(*expect, "100-continue") &&
         request_framing(head).kind != Framing::Kind::kNone;
}

}  // namespace stint::http
