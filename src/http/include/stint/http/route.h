#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stint/base/error.h"
#include "stint/http/target.h"

namespace stint::http {

// One line of an upstream's `actions`: METHODS PATH[?CONDITIONS]
//
//   GET /tickets/{id}              one segment, never empty
//   POST /tickets/{id}/replies
//   GET /files/{path...}           the rest: one segment or more
//   GET /tickets?format=csv        the query has format, exactly once, with this value
//   PUT,PATCH /tickets/{id}        either method
//   * /admin/{rest...}             any method
//
// Literals are compared byte by byte after one decoding; a template is written decoded. GET routes
// also take HEAD; a template cannot name HEAD. A trailing slash is another path.
class RouteTable;

struct RouteMatch {
  std::size_t index = 0;                                    // of the template given to compile()
  std::vector<std::pair<std::string, std::string>> params;  // decoded; rest joined with '/'
};

// Why a table was refused: which template (and which other one it collides with).
struct RouteProblem {
  Error error;
  std::size_t index = 0;
  std::size_t other = 0;  // equals index when it is about one template alone
};

inline constexpr std::size_t kMaxRoutes = 2000;
inline constexpr std::size_t kMaxTemplateBytes = 1024;

// Reads one template without building a table. Errors: kMalformed, kTooLarge, kUnsupported.
Status check_route(std::string_view text);

// Maps requests to actions. Of the templates that match, the most specific one wins; a table in
// which two templates can match one request and neither is more specific is refused, so the order
// in which they are written never matters.
//
// Threads:   any, const; shared snapshot, cheap to copy.
// Ownership: keeps its own copies.
// Limits:    kMaxRoutes, kMaxTemplateBytes. A match visits each node of the table at most once.
// Errors:    compile: kMalformed, kTooLarge, kLimit, kUnsupported, kConflict.
//            match: kNotFound, no template matches; kMalformed, a query parameter that decides is
//            repeated or the query can be cut in two ways (";").
// Closed:    an error is for the caller's `unmatched` rule (kNotFound) or a refusal (the others).
class RouteTable {
 public:
  RouteTable();  // matches nothing
  static std::expected<RouteTable, RouteProblem> compile(std::span<const std::string> templates);

  Result<RouteMatch> match(std::string_view method, const Target& target) const;
  std::size_t size() const;

 private:
  struct Impl;
  explicit RouteTable(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace stint::http
