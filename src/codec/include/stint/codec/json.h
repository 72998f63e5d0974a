#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"

// Strict JSON (RFC 8259 within I-JSON, RFC 7493) and canonical JSON (RFC 8785).
//
// Threads:   any; a Value is a plain value.
// Ownership: a parsed Value owns its strings; accessors return views into the object given.
// Blocking:  never. Never throws but std::bad_alloc.
namespace stint::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;
using String = boost::json::string;

struct Limits {
  std::size_t bytes = 64 * 1024;  // of text, checked before anything is allocated
  std::size_t depth = 32;         // of nested arrays and objects
};

// One value and nothing after it but white space. Numbers written as integers must fit int64 and
// become int64; others become the nearest double.
// Errors: kTooLarge "json too large", "json too deep"; kMalformed "json duplicate key" (compared
// after unescaping), "json integer range", "json number range", "json utf-8", "json trailing data",
// "json incomplete", "json surrogate", "json syntax".
Result<Value> parse(std::string_view text, Limits limits = {});

// The same, and the value must be an object: else kMalformed "json not an object".
Result<Object> parse_object(std::string_view text, Limits limits = {});

// RFC 8785. Members are sorted by UTF-16 code units; numbers are written as ECMAScript does, so an
// integer beyond 2^53 comes out as the nearest double: carry such numbers as strings.
// The value's strings must be UTF-8 (parse() gives nothing else); a NaN or an infinity, which JSON
// cannot carry, is a programming error and ends the process.
std::string canonical(const Value& value);
std::string canonical(const Object& object);

// Compact text in the members' own order; parse(write(v)) == v. Same preconditions.
std::string write(const Value& value);
std::string write(const Object& object);

// Members by name. Errors: kMissing "json member missing"; kMalformed "json member type".
Result<std::string_view> string_at(const Object& object, std::string_view key);
Result<std::int64_t> int_at(const Object& object, std::string_view key);
Result<bool> bool_at(const Object& object, std::string_view key);
Result<const Array*> array_at(const Object& object, std::string_view key);    // never null
Result<const Object*> object_at(const Object& object, std::string_view key);  // never null

// The same for members that may be absent: nullopt or nullptr then. An explicit null is not
// absence: it is kMalformed "json member type".
Result<std::optional<std::string_view>> optional_string_at(const Object&, std::string_view key);
Result<std::optional<std::int64_t>> optional_int_at(const Object&, std::string_view key);
Result<std::optional<bool>> optional_bool_at(const Object&, std::string_view key);
Result<const Array*> optional_array_at(const Object&, std::string_view key);
Result<const Object*> optional_object_at(const Object&, std::string_view key);

// An array of strings and nothing else: kMalformed "json member type" otherwise.
Result<std::vector<std::string>> strings(const Array& array);

// Errors: kUnknownKey "json unknown member".
Status only_keys(const Object& object, std::span<const std::string_view> allowed);
Status only_keys(const Object& object, std::initializer_list<std::string_view> allowed);

}  // namespace stint::json
