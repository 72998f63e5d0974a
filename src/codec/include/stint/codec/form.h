#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stint/base/error.h"

// application/x-www-form-urlencoded, for OAuth bodies and query strings (RFC 6749 appendix B).
//
// Threads: any for const methods. Ownership: a Form owns its text; accessors return views into it.
// Never throws but std::bad_alloc.
namespace stint::codec {

struct FormLimits {
  std::size_t bytes = 64 * 1024;
  std::size_t parameters = 64;
};

class Form {
 public:
  using Parameter = std::pair<std::string, std::string>;

  const std::vector<Parameter>& parameters() const { return parameters_; }
  bool empty() const { return parameters_.empty(); }

  // A parameter sent without a value counts as omitted (RFC 6749 s3.1): nullopt, or skipped.
  // Errors: kMalformed "form parameter repeated" (with or without a value).
  Result<std::optional<std::string_view>> optional(std::string_view name) const;
  // Also kMissing "form parameter missing".
  Result<std::string_view> require(std::string_view name) const;
  // For those that may be repeated (RFC 8693 `resource`, `audience`).
  std::vector<std::string_view> all(std::string_view name) const;

  // No name twice, but for those named. Errors: kMalformed "form parameter repeated".
  Status no_repeats(std::span<const std::string_view> except = {}) const;

  void add(std::string_view name, std::string_view value);
  // Text that parse_form() reads back: space as '+', all but `A-Za-z0-9-._~` escaped.
  std::string str() const;

  bool operator==(const Form&) const = default;

 private:
  std::vector<Parameter> parameters_;
};

// The empty text is the empty form. `name` alone is a name with an empty value.
// Errors: kTooLarge "form too large", "form too many parameters"; kMalformed "form escape",
// "form characters" (raw control, space or non-ASCII), "form utf-8" (after decoding),
// "form empty parameter" (`&&`, or no name).
Result<Form> parse_form(std::string_view text, FormLimits limits = {});

}  // namespace stint::codec
