#include "stint/merkle/tile.h"

#include <algorithm>
#include <utility>

namespace stint::merkle {
namespace {

constexpr unsigned kTileHeight = 8;  // log2(kTileWidth)

// How many nodes tree level 8 * level has in a tree of `size`.
std::uint64_t nodes_at(unsigned level, std::uint64_t size) {
  const unsigned shift = kTileHeight * level;
  return shift >= 64 ? 0 : size >> shift;
}

std::uint32_t width_of(std::uint64_t index, std::uint64_t nodes) {
  const std::uint64_t start = index * kTileWidth;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(kTileWidth, nodes - start));
}

void add_level(std::vector<TileId>& out, TileKind kind, unsigned level, std::uint64_t old_nodes,
               std::uint64_t nodes) {
  if (nodes == old_nodes) return;
  for (std::uint64_t index = old_nodes / kTileWidth; index <= (nodes - 1) / kTileWidth; ++index) {
    out.push_back({kind, static_cast<std::uint8_t>(level), index, width_of(index, nodes)});
  }
}

}  // namespace

std::vector<TileId> tiles_grown(std::uint64_t old_size, std::uint64_t size) {
  std::vector<TileId> out;
  if (size <= old_size) return out;
  add_level(out, TileKind::kEntries, 0, old_size, size);
  for (unsigned level = 0; nodes_at(level, size) != 0; ++level) {
    add_level(out, TileKind::kHashes, level, nodes_at(level, old_size), nodes_at(level, size));
  }
  return out;
}

std::vector<TileId> tiles_of(std::uint64_t size) { return tiles_grown(0, size); }

bool tile_exists(const TileId& tile, std::uint64_t size) {
  if (tile.width == 0 || tile.width > kTileWidth) return false;
  const std::uint64_t nodes = nodes_at(tile.level, size);
  if (nodes == 0 || tile.index > (nodes - 1) / kTileWidth) return false;
  return tile.width <= width_of(tile.index, nodes);
}

std::string encode_hashes(std::span<const Hash> hashes) {
  std::string out;
  out.reserve(hashes.size() * sizeof(Hash));
  for (const Hash& hash : hashes) out += view(hash);
  return out;
}

Result<std::vector<Hash>> parse_hashes(std::string_view bytes, std::uint32_t width) {
  if (width == 0 || width > kTileWidth || bytes.size() != width * sizeof(Hash)) {
    return fail(Errc::kMalformed, "hash tile length");
  }
  std::vector<Hash> out(width);
  for (std::size_t i = 0; i < width; ++i) {
    std::ranges::copy(bytes.substr(i * sizeof(Hash), sizeof(Hash)), out[i].begin());
  }
  return out;
}

Status append_entry(std::string& bundle, std::string_view entry) {
  if (entry.size() > kMaxEntryBytes) return fail(Errc::kTooLarge, "log entry over 65535 bytes");
  bundle += static_cast<char>(entry.size() >> 8);
  bundle += static_cast<char>(entry.size() & 0xff);
  bundle += entry;
  return {};
}

Result<std::vector<std::string_view>> parse_bundle(std::string_view bytes, std::uint32_t width) {
  if (width == 0 || width > kTileWidth) return fail(Errc::kMalformed, "entry bundle width");
  std::vector<std::string_view> out;
  out.reserve(width);
  while (out.size() < width) {
    if (bytes.size() < 2) return fail(Errc::kMalformed, "entry bundle cut short");
    const std::size_t length = static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[0])) << 8 |
                               static_cast<std::uint8_t>(bytes[1]);
    bytes.remove_prefix(2);
    if (bytes.size() < length) return fail(Errc::kMalformed, "entry bundle cut short");
    out.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (!bytes.empty()) return fail(Errc::kMalformed, "entry bundle trailing bytes");
  return out;
}

namespace {

// Joins `hashes`, a power of two of them, into their root.
Hash fold(std::span<const Hash> hashes) {
  std::vector<Hash> row(hashes.begin(), hashes.end());
  for (std::size_t n = row.size(); n > 1; n /= 2) {
    for (std::size_t i = 0; i < n / 2; ++i) row[i] = node_hash(row[2 * i], row[2 * i + 1]);
  }
  return row.front();
}

}  // namespace

Hash tile_root(std::span<const Hash> hashes) { return fold(hashes); }

Result<Hash> TileNodes::node(unsigned level, std::uint64_t index) const {
  const unsigned tile_level = level / kTileHeight;
  const unsigned above = level % kTileHeight;
  const std::uint64_t nodes = nodes_at(tile_level, size_);
  if (index >= nodes >> above) return fail(Errc::kMalformed, "node beyond tree");
  const std::uint64_t first = index << above;
  const std::uint64_t tile = first / kTileWidth;

  const auto key = std::pair(static_cast<std::uint8_t>(tile_level), tile);
  auto kept = kept_.find(key);
  if (kept == kept_.end()) {
    const TileId id{TileKind::kHashes, key.first, tile, width_of(tile, nodes)};
    const std::string bytes = STINT_TRY(fetch_(id));
    kept = kept_.emplace(key, STINT_TRY(parse_hashes(bytes, id.width))).first;
  }
  return fold(std::span(kept->second).subspan(first % kTileWidth, std::size_t{1} << above));
}

Result<TileBuilder> TileBuilder::from(std::uint64_t size, const TileNodes::Fetch& fetch) {
  TileBuilder builder;
  builder.size_ = size;
  for (unsigned level = 0; nodes_at(level, size) != 0; ++level) {
    const std::uint64_t nodes = nodes_at(level, size);
    std::vector<Hash>& row = builder.levels_.emplace_back();
    if (nodes % kTileWidth == 0) continue;
    const TileId id{TileKind::kHashes, static_cast<std::uint8_t>(level), nodes / kTileWidth,
                    static_cast<std::uint32_t>(nodes % kTileWidth)};
    const std::string bytes = STINT_TRY(fetch(id));
    row = STINT_TRY(parse_hashes(bytes, id.width));
  }
  return builder;
}

std::vector<TileData> TileBuilder::append(std::span<const Hash> leaves) {
  std::vector<TileData> full;
  for (const Hash& leaf : leaves) {
    ++size_;
    Hash node = leaf;
    for (std::size_t level = 0;; ++level) {
      if (level == levels_.size()) levels_.emplace_back();
      std::vector<Hash>& row = levels_[level];
      row.push_back(node);
      if (row.size() < kTileWidth) break;
      const std::uint64_t index = nodes_at(static_cast<unsigned>(level), size_) / kTileWidth - 1;
      full.push_back({{TileKind::kHashes, static_cast<std::uint8_t>(level), index, kTileWidth},
                      encode_hashes(row)});
      node = fold(row);
      row.clear();
    }
  }
  return full;
}

std::vector<TileData> TileBuilder::partials() const {
  std::vector<TileData> out;
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    const std::vector<Hash>& row = levels_[level];
    if (row.empty()) continue;
    const std::uint64_t index = nodes_at(static_cast<unsigned>(level), size_) / kTileWidth;
    out.push_back({{TileKind::kHashes, static_cast<std::uint8_t>(level), index,
                    static_cast<std::uint32_t>(row.size())},
                   encode_hashes(row)});
  }
  return out;
}

Hash TileBuilder::root() const {
  // A row is a run of equal subtrees: its own frontier, continued by the row above.
  std::vector<Hash> parts;
  for (std::size_t level = levels_.size(); level-- > 0;) {
    Frontier row;
    for (const Hash& hash : levels_[level]) row.append(hash);
    parts.insert(parts.end(), row.nodes().begin(), row.nodes().end());
  }
  if (parts.empty()) return empty_root();
  Hash root = parts.back();
  for (std::size_t i = parts.size() - 1; i-- > 0;) root = node_hash(parts[i], root);
  return root;
}

}  // namespace stint::merkle
