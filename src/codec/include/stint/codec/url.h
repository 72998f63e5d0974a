#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "stint/base/error.h"

// Absolute http and https URLs (RFC 3986), strictly: ASCII, no userinfo, no zone id, and no host
// that a resolver could read as another address (`127.1`, `0x7f000001`).
//
// Threads: any. Limits: kMaxUrlBytes. Never throws but std::bad_alloc.
namespace stint::codec {

inline constexpr std::size_t kMaxUrlBytes = 8 * 1024;

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address without its brackets
  bool ipv6 = false;
  std::uint16_t port = 0;  // filled with the scheme's default when absent
  std::string path;        // as written, "" or from the first '/'
  std::string query;       // as written, without '?'
  bool has_query = false;
  std::string fragment;  // as written, without '#'
  bool has_fragment = false;

  bool is_https() const { return scheme == "https"; }
  bool default_port() const { return port == (is_https() ? 443 : 80); }
  // 127.0.0.0/8, ::1 and `localhost`: a textual answer, nothing is resolved.
  bool is_loopback() const;
  std::string authority()
      const;                   // host, in brackets if IPv6, and the port unless it is the default
  std::string origin() const;  // scheme://authority
  // origin, path ("/" when empty), query, fragment; parse_url(str()) gives the same Url but for
  // "/".
  std::string str() const;
};

// Errors: kTooLarge "url too large"; kUnsupported "url scheme"; kMalformed "url characters",
// "url escape", "url userinfo", "url host", "url port".
Result<Url> parse_url(std::string_view text);

// The form in which two spellings of an HTTP target URI are compared (RFC 9449 s4.3, RFC 3986
// s6.2.2 and s6.2.3): scheme and host in lower case, default port dropped, unreserved escapes
// decoded and the others in upper case, dot segments removed, empty path "/", no query, no
// fragment. Idempotent. Errors: those of parse_url.
Result<std::string> normalise_htu(std::string_view text);

// The path part of the above, for a raw path that begins with '/' or is empty.
// Errors: kMalformed "url characters", "url escape".
Result<std::string> normalise_path(std::string_view path);

}  // namespace stint::codec
