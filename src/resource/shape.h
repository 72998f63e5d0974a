#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report.h"
#include "stint/codec/yaml.h"

// What a YAML map may hold, as tables: parse() reads by them, and the published JSON Schema is
// generated from them, so neither can say what the other does not.
namespace stint::resource {

enum class Type : std::uint8_t {
  kText,  // any text of one line
  kInt,   // within least..most
  kBool,
  kDuration,  // "90s", "5m", "1h", "2d"; least..most in seconds
  kSize,      // "1048576", "16KiB", "1MiB", "2GiB"; least..most in bytes
  kChoice,    // one of `choices`
  kTexts,     // a list of kText
  kMap,       // a map of `shape`
  kMaps,      // a list of maps of `shape`
  kObject,    // any map: JSON written as YAML
};

struct Shape;

struct Field {
  std::string_view name;
  Type type;
  std::string_view doc;
  bool required = false;
  std::span<const std::string_view> choices{};
  const Shape* shape = nullptr;
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

struct Shape {
  std::string_view name;
  std::string_view doc;
  std::span<const Field> fields;

  const Field* find(std::string_view name) const;
  std::vector<std::string_view> names() const;
};

// What every text, list and size may be at most.
inline constexpr std::size_t kMaxText = 4096;
inline constexpr std::size_t kMaxList = 1000;
inline constexpr std::int64_t kMaxSize = 1LL << 50;
bool is_one_line(std::string_view text);  // UTF-8 without control characters, of kMaxText at most

// Reports everything in `node` that the shape does not allow. True: every value has its type and
// every required one is there, so the readers below find what they expect.
bool conforms(const yaml::Node& node, const Shape& shape, Report& report);
bool conforms(const yaml::Node& value, const Field& field, Report& report);

std::optional<std::int64_t> parse_duration(std::string_view text);  // seconds
std::optional<std::int64_t> parse_size(std::string_view text);      // bytes

// Values of a map that conforms; the default when absent.
std::string text_at(const yaml::Node& map, std::string_view key, std::string_view otherwise = "");
std::vector<std::string> texts_at(const yaml::Node& map, std::string_view key);
std::int64_t int_at(const yaml::Node& map, std::string_view key, std::int64_t otherwise);
bool bool_at(const yaml::Node& map, std::string_view key, bool otherwise);
std::chrono::seconds duration_at(const yaml::Node& map, std::string_view key,
                                 std::chrono::seconds otherwise);
std::int64_t size_at(const yaml::Node& map, std::string_view key, std::int64_t otherwise);

// The tables.
std::span<const Shape* const>
resource_shapes();  // human, agent, upstream, credential, group, issuer
const Shape& config_shape();

}  // namespace stint::resource
