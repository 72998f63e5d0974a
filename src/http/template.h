#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/http/target.h"

// One route template taken apart, and the two questions that a table asks about a pair.
namespace stint::http::route {

struct Segment {
  enum class Kind : std::uint8_t { kLiteral, kParameter, kRest };
  Kind kind = Kind::kLiteral;
  std::string text;  // the literal, decoded, or the parameter's name
};

struct Template {
  std::vector<std::string> methods;        // sorted; empty: any
  std::vector<Segment> path;               // never empty; kRest only last
  std::vector<QueryParameter> conditions;  // sorted by name, names unique

  bool takes_method(std::string_view method) const;
};

Result<Template> parse(std::string_view text);

// Some request matches both.
bool overlap(const Template& a, const Template& b);
// Every request that matches `a` matches `b`.
bool within(const Template& a, const Template& b);

}  // namespace stint::http::route
