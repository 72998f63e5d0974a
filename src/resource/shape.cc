#include "shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "stint/codec/utf8.h"

namespace stint::resource {
namespace {

// A number and one of the units; no unit gives units[0] when that is "".
std::optional<std::int64_t> parse_with_unit(
    std::string_view text, std::span<const std::pair<std::string_view, std::int64_t>> units) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || text.starts_with('-')) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, factor] : units) {
    if (name != unit) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
    return number * factor;
  }
  return std::nullopt;
}

bool complain(const yaml::Node& at, std::string message, Report& report) {
  report.at(at, std::move(message));
  return false;
}

bool in_range(const yaml::Node& node, const Field& f, std::optional<std::int64_t> value,
              std::string_view form, Report& report) {
  if (!value) return complain(node, fmt::format("{} must be {}", quoted(f.name), form), report);
  if (*value >= f.least && *value <= f.most) return true;
  const std::string_view unit = f.type == Type::kDuration ? "s"
                                : f.type == Type::kSize   ? " bytes"
                                                          : "";
  const std::string upper = f.most == std::numeric_limits<std::int64_t>::max()
                                ? ""
                                : fmt::format(" and at most {}{}", f.most, unit);
  return complain(node,
                  fmt::format("{} must be at least {}{}{}", quoted(f.name), f.least, unit, upper),
                  report);
}

bool is_text(const yaml::Node& node, const Field& f, Report& report) {
  if (node.is_scalar() && is_one_line(node.scalar)) return true;
  return complain(node, fmt::format("{} must be text on one line", quoted(f.name)), report);
}

bool is_list(const yaml::Node& node, const Field& f, Report& report) {
  if (!node.is_sequence())
    return complain(node, fmt::format("{} must be a list", quoted(f.name)), report);
  if (node.seq.size() > kMaxList)
    return complain(node, fmt::format("{} is too long a list", quoted(f.name)), report);
  return true;
}

bool is_choice(const yaml::Node& node, const Field& f, Report& report) {
  if (node.is_scalar() && std::ranges::find(f.choices, node.scalar) != f.choices.end()) return true;
  return complain(node,
                  fmt::format("{} must be one of {}{}", quoted(f.name), fmt::join(f.choices, ", "),
                              node.is_scalar() ? hint(node.scalar, f.choices) : ""),
                  report);
}

}  // namespace

bool is_one_line(std::string_view text) {
  return text.size() <= kMaxText && codec::is_utf8(text) && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

const Field* Shape::find(std::string_view wanted) const {
  const auto it = std::ranges::find(fields, wanted, &Field::name);
  return it == fields.end() ? nullptr : &*it;
}

std::vector<std::string_view> Shape::names() const {
  std::vector<std::string_view> out;
  for (const Field& f : fields) out.push_back(f.name);
  return out;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  return parse_with_unit(text, kUnits);
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"", 1}, {"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"TiB", 1LL << 40}};
  return parse_with_unit(text, kUnits);
}

bool conforms(const yaml::Node& node, const Field& f, Report& report) {
  switch (f.type) {
    case Type::kText:
      return is_text(node, f, report);
    case Type::kInt:
      return in_range(node, f, yaml::as_int(node), "a whole number", report);
    case Type::kBool:
      return yaml::as_bool(node) ||
             complain(node, fmt::format("{} must be true or false", quoted(f.name)), report);
    case Type::kDuration:
      return in_range(node, f, node.is_scalar() ? parse_duration(node.scalar) : std::nullopt,
                      "a duration such as 90s, 5m, 1h or 2d", report);
    case Type::kSize:
      return in_range(node, f, node.is_scalar() ? parse_size(node.scalar) : std::nullopt,
                      "a size such as 4096, 64KiB, 16MiB or 1GiB", report);
    case Type::kChoice:
      return is_choice(node, f, report);
    case Type::kTexts: {
      if (!is_list(node, f, report)) return false;
      bool good = true;
      for (const yaml::Node& n : node.seq) good = is_text(n, f, report) && good;
      return good;
    }
    case Type::kMap:
      return conforms(node, *f.shape, report);
    case Type::kMaps: {
      if (!is_list(node, f, report)) return false;
      bool good = true;
      for (const yaml::Node& n : node.seq) good = conforms(n, *f.shape, report) && good;
      return good;
    }
    case Type::kObject:
      return node.is_map() ||
             complain(node, fmt::format("{} must be a map", quoted(f.name)), report);
  }
  __builtin_trap();
}

bool conforms(const yaml::Node& node, const Shape& shape, Report& report) {
  if (!node.is_map()) return complain(node, fmt::format("{} must be a map", shape.name), report);
  bool good = true;
  for (const auto& [key, value] : node.map) {
    const Field* field = shape.find(key.scalar);
    if (field != nullptr) {
      good = conforms(value, *field, report) && good;
      continue;
    }
    good = complain(key,
                    fmt::format("unknown key {} in {}{}", quoted(key.scalar), shape.name,
                                hint(key.scalar, shape.names())),
                    report);
  }
  for (const Field& f : shape.fields)
    if (f.required && node.find(f.name) == nullptr)
      good = complain(node, fmt::format("{} needs {}", shape.name, quoted(f.name)), report);
  return good;
}

std::string text_at(const yaml::Node& map, std::string_view key, std::string_view otherwise) {
  const yaml::Node* n = map.find(key);
  return n == nullptr ? std::string(otherwise) : n->scalar;
}

std::vector<std::string> texts_at(const yaml::Node& map, std::string_view key) {
  std::vector<std::string> out;
  if (const yaml::Node* n = map.find(key))
    for (const yaml::Node& item : n->seq) out.push_back(item.scalar);
  return out;
}

std::int64_t int_at(const yaml::Node& map, std::string_view key, std::int64_t otherwise) {
  const yaml::Node* n = map.find(key);
  return n == nullptr ? otherwise : yaml::as_int(*n).value_or(otherwise);
}

bool bool_at(const yaml::Node& map, std::string_view key, bool otherwise) {
  const yaml::Node* n = map.find(key);
  return n == nullptr ? otherwise : yaml::as_bool(*n).value_or(otherwise);
}

std::chrono::seconds duration_at(const yaml::Node& map, std::string_view key,
                                 std::chrono::seconds otherwise) {
  const yaml::Node* n = map.find(key);
  if (n == nullptr) return otherwise;
  return std::chrono::seconds(parse_duration(n->scalar).value_or(otherwise.count()));
}

std::int64_t size_at(const yaml::Node& map, std::string_view key, std::int64_t otherwise) {
  const yaml::Node* n = map.find(key);
  return n == nullptr ? otherwise : parse_size(n->scalar).value_or(otherwise);
}

}  // namespace stint::resource
