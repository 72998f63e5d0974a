#include "stint/store/log_publisher.h"

#include <algorithm>
#include <utility>

#include "log_rows.h"
#include "stint/merkle/tile.h"

namespace stint::store {
namespace {

constexpr Sql kLatest = "SELECT size, root, note, time FROM checkpoint ORDER BY size DESC LIMIT 1";
constexpr Sql kAt = "SELECT size, root, note, time FROM checkpoint WHERE size = $1";
constexpr Sql kTile = "SELECT data FROM tile WHERE level = $1 AND idx = $2";
constexpr Sql kPutTile =
    "INSERT INTO tile (level, idx, data) VALUES ($1, $2, $3) "
    "ON CONFLICT (level, idx) DO UPDATE SET data = excluded.data";
constexpr Sql kPutCheckpoint =
    "INSERT INTO checkpoint (size, root, note, time) VALUES ($1, $2, $3, $4)";

// Leaves in one transaction: 2 MiB of hashes, so that a long backlog never holds up the writer.
constexpr std::size_t kChunk = 65'536;
constexpr std::size_t kHashSize = std::tuple_size_v<Hash>;

struct FoundCheckpoint {
  CheckpointRow row;
  static FoundCheckpoint from_row(Row& row) {
    return {{row.get<Seq>(), row.get<Hash>(), row.get<std::string>(), row.get<WallTime>()}};
  }
};

std::optional<CheckpointRow> unwrap(std::optional<FoundCheckpoint> found) {
  if (!found) return std::nullopt;
  return std::move(found->row);
}

void put(Tx& tx, const std::vector<merkle::TileData>& tiles) {
  for (const merkle::TileData& t : tiles) {
    tx.run(kPutTile, t.id.level, t.id.index, Blob{t.bytes});
  }
}

}  // namespace

struct LogPublisher::State {
  Store& store;
  merkle::TileBuilder builder;
  Seq published = 0;  // size of the last checkpoint
};

LogPublisher::LogPublisher(std::unique_ptr<State> state) : state_(std::move(state)) {}
LogPublisher::LogPublisher(LogPublisher&&) noexcept = default;
LogPublisher::~LogPublisher() = default;

Result<LogPublisher> LogPublisher::open(Store& store) {
  // In one snapshot: another node signs what it commits while this one opens.
  const auto [last, size] =
      STINT_TRY(store.read([](Reader& r) { return std::pair(latest_checkpoint(r), log_size(r)); }));
  auto state = std::make_unique<State>(State{store, {}, last ? last->size : 0});
  if (!last) return LogPublisher(std::move(state));
  if (last->size > size) {
    return fail(Errc::kInternal, "log is shorter than its checkpoint");
  }
  const auto fetch = [&store](const merkle::TileId& id) -> Result<std::string> {
    auto data = STINT_TRY(tile(store, id.level, id.index, static_cast<std::uint16_t>(id.width)));
    if (!data) return fail(Errc::kInternal, "log tile is missing");
    return *std::move(data);
  };
  state->builder = STINT_TRY(merkle::TileBuilder::from(last->size, fetch));
  if (state->builder.root() != last->root) {
    return fail(Errc::kInternal, "log tiles do not give the root of the checkpoint");
  }
  return LogPublisher(std::move(state));
}

Result<std::optional<CheckpointRow>> LogPublisher::publish(const Sign& sign, WallTime now,
                                                           const Guard& guard) {
  Store& store = state_->store;
  const Seq size = store.size();
  merkle::TileBuilder builder = state_->builder;  // kept only once it is stored
  if (builder.size() >= size) return std::nullopt;
  const Seq published = state_->published;
  const auto allowed = [&](Tx& tx) -> Status {
    tx.no_event();
    if (guard) STINT_TRY(guard(tx));
    const auto last = tx.one<Seq>("SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1");
    if (last.value_or(0) != published)
      return fail(Errc::kConflict, "another checkpoint was signed meanwhile");
    return {};
  };
  while (true) {
    const std::size_t count = std::min<Seq>(size - builder.size(), kChunk);
    const auto leaves = STINT_TRY(leaf_hashes(store, builder.size(), count));
    if (leaves.size() != count) return fail(Errc::kInternal, "log has a gap");
    const std::vector<merkle::TileData> full = builder.append(leaves);
    if (builder.size() == size) {
      CheckpointRow row{size, builder.root(), {}, now};
      row.note = STINT_TRY(sign(row.size, row.root));
      STINT_TRY(store.write_sync([&](Tx& tx) -> Status {
        STINT_TRY(allowed(tx));
        put(tx, full);
        put(tx, builder.partials());
        tx.run(kPutCheckpoint, row.size, row.root, row.note, row.time);
        return {};
      }));
      state_->builder = std::move(builder);
      state_->published = size;
      return row;
    }
    // Full tiles are final: should the checkpoint never come, the next run writes the same.
    STINT_TRY(store.write_sync([&](Tx& tx) -> Status {
      STINT_TRY(allowed(tx));
      put(tx, full);
      return {};
    }));
  }
}

Result<std::optional<CheckpointRow>> latest_checkpoint(Store& store) {
  return store.read([](Reader& r) { return latest_checkpoint(r); });
}

std::optional<CheckpointRow> latest_checkpoint(Reader& reader) {
  return unwrap(reader.one<FoundCheckpoint>(kLatest));
}

Result<std::optional<CheckpointRow>> checkpoint_at(Store& store, Seq size) {
  return store.read([&](Reader& r) { return unwrap(r.one<FoundCheckpoint>(kAt, size)); });
}

Result<std::optional<std::string>> tile(Store& store, std::uint8_t level, std::uint64_t index,
                                        std::uint16_t width) {
  return store.read([&](Reader& r) -> std::optional<std::string> {
    auto data = r.one<std::string>(kTile, level, index);
    if (!data || data->size() < width * kHashSize) return std::nullopt;
    data->resize(width * kHashSize);
    return data;
  });
}

Result<std::vector<Hash>> leaf_hashes(Store& store, Seq from, std::size_t count) {
  return store.read([&](Reader& reader) {
    std::vector<Hash> out;
    if (count == 0) return out;
    read_leaves(reader, from, [&](const Hash& leaf) {
      out.push_back(leaf);
      return out.size() < count;
    });
    return out;
  });
}

}  // namespace stint::store
