#include <charconv>
#include <optional>

#include "stint/merkle/tile.h"

namespace stint::merkle {
namespace {

constexpr std::size_t kMaxPath = 128;
constexpr std::string_view kPrefix = "tile/";
constexpr std::string_view kEntries = "entries/";
constexpr std::string_view kPartial = ".p/";

void append_group(std::string& out, std::uint64_t group) {
  out += static_cast<char>('0' + group / 100);
  out += static_cast<char>('0' + group / 10 % 10);
  out += static_cast<char>('0' + group % 10);
}

template <class T>
std::optional<T> decimal(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

// "x001/x234/067". Leading zero groups and the like are caught by parse_tile_path's comparison.
Result<std::uint64_t> parse_index(std::string_view text) {
  std::uint64_t index = 0;
  for (bool more = true; more;) {
    more = text.starts_with('x');
    if (more) text.remove_prefix(1);
    const auto group = decimal<std::uint16_t>(text.substr(0, 3));
    if (text.size() < 3 || !group) return fail(Errc::kMalformed, "tile index not in groups of 3");
    text.remove_prefix(3);
    if (__builtin_mul_overflow(index, 1000U, &index) ||
        __builtin_add_overflow(index, *group, &index)) {
      return fail(Errc::kMalformed, "tile index too large");
    }
    if (more) {
      if (!text.starts_with('/')) return fail(Errc::kMalformed, "tile index not in groups of 3");
      text.remove_prefix(1);
    }
  }
  if (!text.empty()) return fail(Errc::kMalformed, "tile index not in groups of 3");
  return index;
}

}  // namespace

std::string path(const TileId& tile) {
  std::string out(kPrefix);
  if (tile.kind == TileKind::kEntries) {
    out += kEntries;
  } else {
    out += std::to_string(tile.level);
    out += '/';
  }
  std::uint64_t divisor = 1;
  while (tile.index / divisor >= 1000) divisor *= 1000;
  for (; divisor > 1; divisor /= 1000) {
    out += 'x';
    append_group(out, tile.index / divisor % 1000);
    out += '/';
  }
  append_group(out, tile.index % 1000);
  if (tile.width != kTileWidth) {
    out += kPartial;
    out += std::to_string(tile.width);
  }
  return out;
}

Result<TileId> parse_tile_path(std::string_view whole) {
  if (whole.size() > kMaxPath) return fail(Errc::kMalformed, "tile path too long");
  std::string_view rest = whole;
  if (!rest.starts_with(kPrefix)) return fail(Errc::kMalformed, "tile path without tile/");
  rest.remove_prefix(kPrefix.size());

  TileId tile{TileKind::kEntries, 0, 0, kTileWidth};
  if (rest.starts_with(kEntries)) {
    rest.remove_prefix(kEntries.size());
  } else {
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return fail(Errc::kMalformed, "tile path without level");
    const auto level = decimal<std::uint8_t>(rest.substr(0, slash));
    if (!level || *level > kMaxTileLevel) return fail(Errc::kMalformed, "tile level not 0 to 63");
    tile.kind = TileKind::kHashes;
    tile.level = *level;
    rest.remove_prefix(slash + 1);
  }
  if (const std::size_t dot = rest.find(kPartial); dot != std::string_view::npos) {
    const auto width = decimal<std::uint32_t>(rest.substr(dot + kPartial.size()));
    if (!width || *width == 0 || *width >= kTileWidth) {
      return fail(Errc::kMalformed, "partial tile width not 1 to 255");
    }
    tile.width = *width;
    rest = rest.substr(0, dot);
  }
  tile.index = STINT_TRY(parse_index(rest));
  // One tile has one path: what does not come back the same had padding of some kind.
  if (path(tile) != whole) return fail(Errc::kMalformed, "tile path not canonical");
  return tile;
}

}  // namespace stint::merkle
