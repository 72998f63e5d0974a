#include "stint/merkle/tile.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "merkle_model.h"
#include "stint/merkle/proof.h"

namespace stint::merkle {
namespace {

struct PathRow {
  std::string_view text;
  TileId tile;
};
constexpr auto kH = TileKind::kHashes;
constexpr auto kE = TileKind::kEntries;
const PathRow kPaths[] = {
    {"tile/0/000", {kH, 0, 0, 256}},
    {"tile/0/x001/x234/067", {kH, 0, 1234067, 256}},  // C2SP tlog-tiles, "Merkle Tree"
    {"tile/2/000.p/17", {kH, 2, 0, 17}},
    {"tile/entries/x001/000", {kE, 0, 1000, 256}},
    {"tile/entries/999.p/255", {kE, 0, 999, 255}},
    {"tile/63/x018/x446/x744/x073/x709/x551/615", {kH, 63, ~std::uint64_t{0}, 256}},
};

TEST(TilePath, WritesAndReads) {
  for (const PathRow& row : kPaths) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(path(row.tile), row.text);
    const auto got = parse_tile_path(row.text);
    ASSERT_TRUE(got.has_value()) << got.error().reason.text();
    EXPECT_EQ(*got, row.tile);
  }
}

struct BadPath {
  std::string_view text, reason;
};
const BadPath kBadPaths[] = {
    {"", "tile path without tile/"},
    {"/tile/0/000", "tile path without tile/"},
    {"tile/0", "tile path without level"},
    {"tile//000", "tile level not 0 to 63"},
    {"tile/64/000", "tile level not 0 to 63"},
    {"tile/-1/000", "tile level not 0 to 63"},
    {"tile/00/000", "tile path not canonical"},
    {"tile/0/", "tile index not in groups of 3"},
    {"tile/0/00", "tile index not in groups of 3"},
    {"tile/0/0000", "tile index not in groups of 3"},
    {"tile/0/x001", "tile index not in groups of 3"},
    {"tile/0/001/000", "tile index not in groups of 3"},
    {"tile/0/x000/000", "tile path not canonical"},
    {"tile/0/-01", "tile index not in groups of 3"},
    {"tile/0/+01", "tile index not in groups of 3"},
    {"tile/0/../000", "tile index not in groups of 3"},
    {"tile/0/000.p/0", "partial tile width not 1 to 255"},
    {"tile/0/000.p/256", "partial tile width not 1 to 255"},
    {"tile/0/000.p/", "partial tile width not 1 to 255"},
    {"tile/0/000.p/01", "tile path not canonical"},
    {"tile/0/000.p/1/", "partial tile width not 1 to 255"},
    {"tile/0/x018/x446/x744/x073/x709/x551/616", "tile index too large"},
    {"tile/entries", "tile path without level"},
    {"tile/entries/", "tile index not in groups of 3"},
};

TEST(TilePath, RefusesWithTheStatedReason) {
  for (const BadPath& row : kBadPaths) {
    SCOPED_TRACE(row.text);
    const auto got = parse_tile_path(row.text);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
  }
  EXPECT_EQ(parse_tile_path("tile/0/" + std::string(200, '0')).error().reason.text(),
            "tile path too long");
}

RC_GTEST_PROP(TilePath, RoundTrips, (std::uint64_t index, std::uint8_t level)) {
  const TileId tile{kH, static_cast<std::uint8_t>(level % 64), index,
                    *rc::gen::inRange<std::uint32_t>(1, 257)};
  RC_ASSERT(parse_tile_path(path(tile)).value() == tile);
}

// C2SP tlog-tiles, "Partial Tiles": the two examples in words.
TEST(Tiles, OfSeventyThousandEntries) {
  std::map<std::pair<int, bool>, std::pair<int, std::uint32_t>> seen;  // (level, full) -> count, w
  for (const TileId& t : tiles_of(70'000)) {
    if (t.kind != kH) continue;
    auto& [count, width] = seen[{t.level, t.width == kTileWidth}];
    ++count;
    width = t.width;
  }
  using Seen = std::pair<int, std::uint32_t>;
  EXPECT_EQ((seen[{0, true}]), (Seen{273, 256}));
  EXPECT_EQ((seen[{0, false}]), (Seen{1, 112}));
  EXPECT_EQ((seen[{1, true}]), (Seen{1, 256}));
  EXPECT_EQ((seen[{1, false}]), (Seen{1, 17}));
  EXPECT_EQ((seen[{2, false}]), (Seen{1, 1}));
  EXPECT_EQ(seen.size(), 5U);

  const auto small = tiles_of(256);
  EXPECT_EQ(small, (std::vector<TileId>{{kE, 0, 0, 256}, {kH, 0, 0, 256}, {kH, 1, 0, 1}}));
  EXPECT_TRUE(tiles_of(0).empty());
}

TEST(Tiles, GrownAreThoseWhoseContentChanged) {
  for (std::uint64_t old = 0; old < 700; old += 13) {
    for (std::uint64_t size = old; size < 1400; size += 131) {
      const auto before = tiles_of(old);
      std::vector<TileId> expected;
      for (const TileId& t : tiles_of(size)) {
        if (std::ranges::find(before, t) == before.end()) expected.push_back(t);
      }
      ASSERT_EQ(tiles_grown(old, size), expected) << old << " -> " << size;
    }
  }
}

TEST(Tiles, ExistWithinTheTreeOnly) {
  EXPECT_TRUE(tile_exists({kH, 0, 0, 112}, 112));
  EXPECT_TRUE(tile_exists({kH, 0, 0, 5}, 112));
  EXPECT_FALSE(tile_exists({kH, 0, 0, 113}, 112));
  EXPECT_FALSE(tile_exists({kH, 0, 1, 1}, 256));
  EXPECT_TRUE(tile_exists({kH, 1, 0, 1}, 256));
  EXPECT_FALSE(tile_exists({kH, 1, 0, 1}, 255));
  EXPECT_FALSE(tile_exists({kH, 63, 0, 1}, ~std::uint64_t{0}));
  EXPECT_FALSE(tile_exists({kH, 0, ~std::uint64_t{0}, 1}, 1000));
  EXPECT_FALSE(tile_exists({kH, 0, 0, 0}, 1000));
}

TEST(Bundle, HoldsEntriesWithTheirLengths) {
  std::string bundle;
  ASSERT_TRUE(append_entry(bundle, ""));
  ASSERT_TRUE(append_entry(bundle, "abc"));
  ASSERT_TRUE(append_entry(bundle, std::string(65'535, 'z')));
  const std::size_t whole = bundle.size();
  EXPECT_EQ(append_entry(bundle, std::string(65'536, 'z')).error().reason.text(),
            "log entry over 65535 bytes");
  EXPECT_EQ(bundle.size(), whole);

  const auto entries = parse_bundle(bundle, 3);
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ((*entries)[0], "");
  EXPECT_EQ((*entries)[1], "abc");
  EXPECT_EQ((*entries)[2].size(), 65'535U);
  EXPECT_EQ(parse_bundle(bundle, 2).error().reason.text(), "entry bundle trailing bytes");
  EXPECT_EQ(parse_bundle(bundle, 4).error().reason.text(), "entry bundle cut short");
  EXPECT_EQ(parse_bundle(bundle.substr(0, whole - 1), 3).error().reason.text(),
            "entry bundle cut short");
  EXPECT_EQ(parse_bundle(bundle, 0).error().reason.text(), "entry bundle width");
  EXPECT_EQ(parse_hashes(std::string(31, 'x'), 1).error().reason.text(), "hash tile length");
  EXPECT_EQ(parse_hashes(std::string(32, 'x'), 2).error().reason.text(), "hash tile length");
}

// What a server keeps: every full tile, and the partial ones of the last size.
struct Kept {
  std::map<TileId, std::string> tiles;
  TileBuilder builder;
  void append(std::span<const Hash> leaves) {
    for (auto& t : builder.append(leaves)) tiles[t.id] = t.bytes;
    for (auto& t : builder.partials()) tiles[t.id] = t.bytes;
  }
  TileNodes::Fetch fetch() const {
    return [this](const TileId& id) -> Result<std::string> {
      const auto it = tiles.find(id);
      if (it == tiles.end()) return fail(Errc::kNotFound, "tile not kept");
      return it->second;
    };
  }
};

TEST(TileBuilder, WritesTheTilesOfTheTree) {
  const std::size_t n = 70'000;
  const auto leaves = model::leaves(n);
  Kept kept;
  Frontier frontier;
  for (std::size_t at = 0; at < n;) {
    const std::size_t step = std::min<std::size_t>(n - at, 1 + at * 7 % 3001);
    const auto part = std::span(leaves).subspan(at, step);
    kept.append(part);
    for (const Hash& h : part) frontier.append(h);
    at += step;
    ASSERT_EQ(kept.builder.size(), at);
    ASSERT_EQ(kept.builder.root(), frontier.root());
  }
  for (const TileId& t : tiles_of(n)) {
    if (t.kind == kH) EXPECT_TRUE(kept.tiles.contains(t)) << path(t);
  }
  const TileNodes nodes(n, kept.fetch());
  EXPECT_EQ(root_at(n, nodes).value(), frontier.root());
  // An older size is read from the tiles of the newer tree.
  for (const std::size_t old : {1U, 255U, 256U, 257U, 65'535U, 65'536U, 69'999U}) {
    EXPECT_EQ(root_at(old, nodes).value(), model::root(leaves, 0, old)) << old;
    const auto proof = consistency_proof(old, n, nodes);
    ASSERT_TRUE(proof.has_value());
    EXPECT_TRUE(verify_consistency(old, n, model::root(leaves, 0, old), frontier.root(), *proof));
  }
  for (const std::size_t i : {0U, 255U, 256U, 65'535U, 65'536U, 69'888U, 69'999U}) {
    const auto proof = inclusion_proof(i, n, nodes);
    ASSERT_TRUE(proof.has_value());
    EXPECT_TRUE(verify_inclusion(i, n, leaves[i], *proof, frontier.root())) << i;
  }
  EXPECT_EQ(nodes.node(0, n).error().reason.text(), "node beyond tree");

  // Taken up from what was kept, it goes on as if it had never stopped.
  auto resumed = TileBuilder::from(n, kept.fetch());
  ASSERT_TRUE(resumed.has_value());
  EXPECT_EQ(resumed->root(), frontier.root());
  const Hash more = leaf_hash("one more");
  resumed->append({&more, 1});
  frontier.append(more);
  EXPECT_EQ(resumed->root(), frontier.root());
}

TEST(TileBuilder, EmptyTree) {
  TileBuilder builder;
  EXPECT_EQ(builder.root(), empty_root());
  EXPECT_TRUE(builder.partials().empty());
  EXPECT_EQ(tile_root(model::leaves(256)), model::root(model::leaves(256), 0, 256));
}

}  // namespace
}  // namespace stint::merkle
