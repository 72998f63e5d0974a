#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "stint/codec/json.h"

namespace stint::json {
namespace {

std::unexpected<Error> missing() { return fail(Errc::kMissing, "json member missing"); }
std::unexpected<Error> wrong_type() { return fail(Errc::kMalformed, "json member type"); }

std::string_view view(boost::json::string_view s) { return {s.data(), s.size()}; }

const Value* find(const Object& object, std::string_view key) {
  return object.if_contains(boost::json::string_view(key.data(), key.size()));
}

template <class T>
Result<T> present(Result<std::optional<T>> value) {
  if (!value) return std::unexpected(value.error());
  if (!*value) return missing();
  return **value;
}
template <class T>
Result<const T*> present(Result<const T*> value) {
  if (value && *value == nullptr) return missing();
  return value;
}

}  // namespace

Result<std::optional<std::string_view>> optional_string_at(const Object& object,
                                                           std::string_view key) {
  const Value* value = find(object, key);
  if (value == nullptr) return std::optional<std::string_view>();
  if (!value->is_string()) return wrong_type();
  return std::optional<std::string_view>(view(value->get_string()));
}

Result<std::optional<std::int64_t>> optional_int_at(const Object& object, std::string_view key) {
  const Value* value = find(object, key);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (value->is_int64()) return std::optional<std::int64_t>(value->get_int64());
  // Only a value that our own code built is unsigned.
  if (value->is_uint64() && std::in_range<std::int64_t>(value->get_uint64()))
    return std::optional<std::int64_t>(static_cast<std::int64_t>(value->get_uint64()));
  return wrong_type();
}

Result<std::optional<bool>> optional_bool_at(const Object& object, std::string_view key) {
  const Value* value = find(object, key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_bool()) return wrong_type();
  return std::optional<bool>(value->get_bool());
}

Result<const Array*> optional_array_at(const Object& object, std::string_view key) {
  const Value* value = find(object, key);
  if (value == nullptr) return static_cast<const Array*>(nullptr);
  if (!value->is_array()) return wrong_type();
  return &value->get_array();
}

Result<const Object*> optional_object_at(const Object& object, std::string_view key) {
  const Value* value = find(object, key);
  if (value == nullptr) return static_cast<const Object*>(nullptr);
  if (!value->is_object()) return wrong_type();
  return &value->get_object();
}

Result<std::string_view> string_at(const Object& object, std::string_view key) {
  return present(optional_string_at(object, key));
}
Result<std::int64_t> int_at(const Object& object, std::string_view key) {
  return present(optional_int_at(object, key));
}
Result<bool> bool_at(const Object& object, std::string_view key) {
  return present(optional_bool_at(object, key));
}
Result<const Array*> array_at(const Object& object, std::string_view key) {
  return present(optional_array_at(object, key));
}
Result<const Object*> object_at(const Object& object, std::string_view key) {
  return present(optional_object_at(object, key));
}

Result<std::vector<std::string>> strings(const Array& array) {
  std::vector<std::string> out;
  out.reserve(array.size());
  for (const Value& item : array) {
    if (!item.is_string()) return wrong_type();
    out.emplace_back(view(item.get_string()));
  }
  return out;
}

Status only_keys(const Object& object, std::span<const std::string_view> allowed) {
  for (const auto& member : object)
    if (std::ranges::find(allowed, view(member.key())) == allowed.end())
      return fail(Errc::kUnknownKey, "json unknown member");
  return {};
}
Status only_keys(const Object& object, std::initializer_list<std::string_view> allowed) {
  return only_keys(object, std::span<const std::string_view>(allowed.begin(), allowed.size()));
}

}  // namespace stint::json
