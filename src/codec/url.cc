#include "stint/codec/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "uri_chars.h"

namespace stint::codec {
namespace {

constexpr std::size_t kMaxHostChars = 253;

// Every character is one of `ok` or a whole escape.
template <class Ok>
Status check_chars(std::string_view text, Ok ok) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (detail::escape_at(text, i) < 0) return fail(Errc::kMalformed, "url escape");
      i += 2;
    } else if (!ok(text[i])) {
      return fail(Errc::kMalformed, "url characters");
    }
  }
  return {};
}

Status check_path(std::string_view path) {
  if (!path.empty() && path.front() != '/') return fail(Errc::kMalformed, "url characters");
  return check_chars(path, [](char c) { return detail::is_pchar(c) || c == '/'; });
}
Status check_query(std::string_view text) {
  return check_chars(text, [](char c) { return detail::is_pchar(c) || c == '/' || c == '?'; });
}

bool is_ipv4(const std::string& text) {
  in_addr address;
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

// A host whose last label is a number is an IPv4 address to some resolvers, in forms that nobody
// reads as one (`127.1`, `0x7f.1`): only four decimal parts are let through.
bool ends_in_number(std::string_view host) {
  const std::string_view label = host.substr(host.rfind('.') + 1);
  if (std::ranges::all_of(label, detail::is_digit)) return true;
  return label.starts_with("0x") &&
         std::ranges::all_of(label.substr(2), [](char c) { return detail::hex_value(c) >= 0; });
}

Status check_name(const std::string& host) {
  if (host.empty() || host.size() > kMaxHostChars) return fail(Errc::kMalformed, "url host");
  std::size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) return fail(Errc::kMalformed, "url host");
      label = 0;
      continue;
    }
    if (!detail::is_alpha(c) && !detail::is_digit(c) && c != '-' && c != '_')
      return fail(Errc::kMalformed, "url host");
    if (++label > 63) return fail(Errc::kMalformed, "url host");
  }
  if (label == 0) return fail(Errc::kMalformed, "url host");
  if (ends_in_number(host) && !is_ipv4(host)) return fail(Errc::kMalformed, "url host");
  return {};
}

Status read_port(std::string_view text, Url& url) {
  if (text.empty()) return {};  // RFC 3986 s6.2.3: "host:" is "host"
  if (text.size() > 5 || text.front() == '0' || !std::ranges::all_of(text, detail::is_digit))
    return fail(Errc::kMalformed, "url port");
  unsigned port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  if (port > 65535) return fail(Errc::kMalformed, "url port");
  url.port = static_cast<std::uint16_t>(port);
  return {};
}

Status read_authority(std::string_view text, Url& url) {
  if (text.find('@') != std::string_view::npos) return fail(Errc::kMalformed, "url userinfo");
  std::string_view host, rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return fail(Errc::kMalformed, "url host");
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    url.ipv6 = true;
  } else {
    host = text.substr(0, text.find(':'));
    rest = text.substr(host.size());
  }
  if (host.size() > kMaxHostChars) return fail(Errc::kMalformed, "url host");
  url.host.resize(host.size());
  std::ranges::transform(host, url.host.begin(), detail::lower);
  if (url.ipv6) {
    in6_addr address;
    // c_str() would stop at a NUL; the characters are checked first.
    const bool plain = std::ranges::all_of(
        url.host, [](char c) { return detail::hex_value(c) >= 0 || c == ':' || c == '.'; });
    if (!plain || inet_pton(AF_INET6, url.host.c_str(), &address) != 1)
      return fail(Errc::kMalformed, "url host");
  } else {
    STINT_TRY(check_name(url.host));
  }
  url.port = url.is_https() ? 443 : 80;
  if (rest.empty()) return {};
  if (rest.front() != ':') return fail(Errc::kMalformed, "url host");
  return read_port(rest.substr(1), url);
}

// RFC 3986 s6.2.2.1 and s6.2.2.2, of checked text.
std::string normalise_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const auto byte = static_cast<unsigned char>(detail::escape_at(text, i));
    if (byte < 0x80 && detail::is_unreserved(static_cast<char>(byte))) {
      out.push_back(static_cast<char>(byte));
    } else {
      detail::append_escape(out, byte);
    }
    i += 2;
  }
  return out;
}

// RFC 3986 s5.2.4 for a path that begins with '/'.
std::string remove_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool slash_at_end = false;
  for (std::string_view rest = path; !rest.empty();) {
    rest.remove_prefix(1);  // the '/' before each segment
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    const bool dots = segment == "." || segment == "..";
    if (!dots) kept.push_back(segment);
    if (segment == ".." && !kept.empty()) kept.pop_back();
    slash_at_end = dots;
  }
  std::string out;
  out.reserve(path.size());
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (slash_at_end || out.empty()) out.push_back('/');
  return out;
}

}  // namespace

bool Url::is_loopback() const {
  if (!ipv6) return host == "localhost" || (host.starts_with("127.") && is_ipv4(host));
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

std::string Url::authority() const {
  std::string out = ipv6 ? "[" + host + "]" : host;
  if (!default_port()) out.append(":").append(std::to_string(port));
  return out;
}

std::string Url::origin() const { return scheme + "://" + authority(); }

std::string Url::str() const {
  std::string out = origin();
  out.append(path.empty() ? "/" : path);
  if (has_query) out.append("?").append(query);
  if (has_fragment) out.append("#").append(fragment);
  return out;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return fail(Errc::kTooLarge, "url too large");
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; }))
    return fail(Errc::kMalformed, "url characters");
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return fail(Errc::kUnsupported, "url scheme");
  Url url;
  url.scheme.resize(colon);
  std::ranges::transform(text.substr(0, colon), url.scheme.begin(), detail::lower);
  if (url.scheme != "http" && url.scheme != "https") return fail(Errc::kUnsupported, "url scheme");
  text.remove_prefix(colon + 1);
  if (!text.starts_with("//")) return fail(Errc::kMalformed, "url host");
  text.remove_prefix(2);

  const std::string_view authority = text.substr(0, text.find_first_of("/?#"));
  STINT_TRY(read_authority(authority, url));
  text.remove_prefix(authority.size());
  if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
    url.has_fragment = true;
    url.fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    url.has_query = true;
    url.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  url.path = text;
  STINT_TRY(check_path(url.path));
  STINT_TRY(check_query(url.query));
  STINT_TRY(check_query(url.fragment));
  return url;
}

Result<std::string> normalise_path(std::string_view path) {
  STINT_TRY(check_path(path));
  if (path.empty()) return std::string("/");
  return remove_dot_segments(normalise_escapes(path));
}

Result<std::string> normalise_htu(std::string_view text) {
  const Url url = STINT_TRY(parse_url(text));
  return url.origin() + STINT_TRY(normalise_path(url.path));
}

}  // namespace stint::codec
