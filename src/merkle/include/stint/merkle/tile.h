#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/merkle/hash.h"
#include "stint/merkle/tree.h"

namespace stint::merkle {

// C2SP tlog-tiles. A hash tile holds `width` consecutive nodes of tree level 8*level, starting at
// index*256; an entry bundle holds `width` consecutive entries. 256 wide is full, less is partial.
inline constexpr std::uint32_t kTileWidth = 256;
inline constexpr std::size_t kMaxEntryBytes = 65'535;  // uint16 length prefix
inline constexpr unsigned kMaxTileLevel = 63;

enum class TileKind : std::uint8_t { kHashes, kEntries };

struct TileId {
  TileKind kind;
  std::uint8_t level;  // 0 for bundles
  std::uint64_t index;
  std::uint32_t width;  // 1..256
  bool operator==(const TileId&) const = default;
  auto operator<=>(const TileId&) const = default;
};

// "tile/0/x001/x234/067", "tile/2/000.p/17", "tile/entries/000". No leading slash.
std::string path(const TileId& tile);
// Strict inverse of path(). Limits: 128 bytes. Errors: kMalformed, with what is wrong.
Result<TileId> parse_tile_path(std::string_view path);

// Every tile (widest form only) of a tree of `size` entries: what an export holds. Bundles first,
// then level by level. Size 70,000: 273 full and one partial(112) at level 0, and so on.
std::vector<TileId> tiles_of(std::uint64_t size);
// The tiles that appear when the tree grows: what to write after an append.
std::vector<TileId> tiles_grown(std::uint64_t old_size, std::uint64_t size);
// Is this tile part of a published tree of `size` (also as an earlier partial form)?
bool tile_exists(const TileId& tile, std::uint64_t size);

std::string encode_hashes(std::span<const Hash> hashes);
// Errors: kMalformed "hash tile length".
Result<std::vector<Hash>> parse_hashes(std::string_view bytes, std::uint32_t width);

// Errors: kTooLarge "log entry over 65535 bytes". Nothing is appended then.
Status append_entry(std::string& bundle, std::string_view entry);
// Views into `bytes`. Errors: kMalformed "entry bundle cut short", "entry bundle trailing bytes".
Result<std::vector<std::string_view>> parse_bundle(std::string_view bytes, std::uint32_t width);

// The node that a full tile contributes to the level above. `hashes` is kTileWidth long.
Hash tile_root(std::span<const Hash> hashes);

struct TileData {
  TileId id;
  std::string bytes;
};

// Reads nodes out of hash tiles of a tree of `size`, each fetched once and kept. A node between
// tile levels is computed from the nearest level below. Not thread-safe: one per proof.
// Trusts the tiles: the proofs made from them are checked against a root by whoever uses them.
class TileNodes final : public NodeReader {
 public:
  using Fetch = std::function<Result<std::string>(const TileId&)>;
  TileNodes(std::uint64_t size, Fetch fetch) : size_(size), fetch_(std::move(fetch)) {}
  Result<Hash> node(unsigned level, std::uint64_t index) const override;

 private:
  std::uint64_t size_;
  Fetch fetch_;
  mutable std::map<std::pair<std::uint8_t, std::uint64_t>, std::vector<Hash>> kept_;
};

// Grows a tree and writes its hash tiles. Holds at most 255 hashes a level. One thread at a time.
class TileBuilder {
 public:
  TileBuilder() = default;
  // Takes up a stored tree by its partial tiles. Errors: fetch's, kMalformed.
  static Result<TileBuilder> from(std::uint64_t size, const TileNodes::Fetch& fetch);

  // Appends and returns the tiles that became full, lower levels first. Write once, never again.
  std::vector<TileData> append(std::span<const Hash> leaves);
  // The partial tiles of the present size: write them with each checkpoint.
  std::vector<TileData> partials() const;
  std::uint64_t size() const { return size_; }
  Hash root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<std::vector<Hash>> levels_;
};

}  // namespace stint::merkle
