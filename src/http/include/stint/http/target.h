#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"

namespace stint::http {

// A request target that means one thing to every server that may read it. Only parse_target()
// makes one.
//
// `path` and `query` are as sent, so that what was judged is what is forwarded; `segments` are
// decoded once, for matching. "/" has the one segment ""; "/a/" has "a" and "".
struct Target {
  std::string path;                   // "/a%20b/c", begins with '/'
  std::vector<std::string> segments;  // {"a b", "c"}, never empty
  std::string query;                  // without '?'; as sent
  bool has_query = false;             // "/a?" has an empty one

  std::string text() const { return has_query ? path + '?' + query : path; }
};

inline constexpr std::size_t kMaxTargetBytes = 8 * 1024;
inline constexpr std::size_t kMaxSegments = 256;

// Reads a request target in origin-form (RFC 9112 section 3.2.1) and refuses whatever two servers
// could read as two different paths: absolute-form, authority-form, "*", a fragment, empty segments
// other than a trailing one, dot segments in any spelling ("%2e", "..;x"), encoded slash,
// backslash, percent and control characters, raw backslash, non-ASCII, invalid escapes, escapes
// that are not UTF-8.
//
// Threads: any. Limits: kMaxTargetBytes, kMaxSegments, before memory is taken.
// Errors:  kTooLarge, kWrongTarget, kMalformed; the first decides.
Result<Target> parse_target(std::string_view target);

// One parameter of a query, decoded ('+' is a space). Repeated names stay repeated.
struct QueryParameter {
  std::string name, value;
  bool operator==(const QueryParameter&) const = default;
};
inline constexpr std::size_t kMaxQueryParameters = 256;

// Errors: kMalformed (an escape that is none), kLimit.
Result<std::vector<QueryParameter>> parse_query(std::string_view query);

}  // namespace stint::http
