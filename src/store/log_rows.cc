#include "log_rows.h"

#include <cstring>

#include "schema.h"

namespace stint::store {
namespace {

constexpr Sql kSize = "SELECT first + count FROM event ORDER BY first DESC LIMIT 1";
constexpr Sql kOpened = "SELECT seq FROM event_opened WHERE task = $1";
constexpr Sql kBlocks =
    "SELECT first, count, leaves, body FROM event WHERE first >= "
    "coalesce((SELECT max(first) FROM event WHERE first <= $1), 0) ORDER BY first";
constexpr Sql kLeaves =
    "SELECT first, count, leaves FROM event WHERE first >= "
    "coalesce((SELECT max(first) FROM event WHERE first <= $1), 0) ORDER BY first";
constexpr Sql kBlocksOf =
    "SELECT e.first, e.count, e.leaves, e.body FROM event_task t JOIN event e ON e.first = t.first "
    "WHERE t.span = $1 AND t.task = $2 ORDER BY t.first";

struct LeavesRow {
  Seq first;
  std::uint64_t count;
  std::string leaves;
  static LeavesRow from_row(Row& row) {
    return {row.get<Seq>(), row.get<std::uint64_t>(), row.get<std::string>()};
  }
};

}  // namespace

Seq log_size(Reader& reader) { return reader.one<Seq>(kSize).value_or(0); }

std::optional<Seq> task_opened_at(Reader& reader, TaskId task) {
  return reader.one<Seq>(kOpened, task);
}

void read_blocks(Reader& reader, Seq from, const TakeBlock& take) {
  reader.scan<BlockRow>(kBlocks, [&](const BlockRow& row) { return take(row); }, from);
}

void read_blocks_of(Reader& reader, TaskId task, Seq span, const TakeBlock& take) {
  reader.scan<BlockRow>(kBlocksOf, [&](const BlockRow& row) { return take(row); }, span, task);
}

void read_leaves(Reader& reader, Seq from, const std::function<bool(const Hash&)>& take) {
  std::optional<Seq> next;
  reader.scan<LeavesRow>(
      kLeaves,
      [&](const LeavesRow& row) {
        // Not signed: a hash in another's place would be wrong for good.
        if (row.leaves.size() != row.count * sizeof(Hash) ||
            next.value_or(row.first) != row.first) {
          reader.fail({Errc::kInternal, "an event block is damaged"});
          return false;
        }
        next = row.first + row.count;
        for (std::size_t at = 0; at + sizeof(Hash) <= row.leaves.size(); at += sizeof(Hash)) {
          if (row.first + at / sizeof(Hash) < from) continue;
          Hash leaf;
          std::memcpy(leaf.data(), row.leaves.data() + at, sizeof leaf);
          if (!take(leaf)) return false;
        }
        return true;
      },
      from);
}

}  // namespace stint::store
