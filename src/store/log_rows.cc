#include "log_rows.h"

#include <algorithm>
#include <cstring>

#include "schema.h"

namespace stint::store {
namespace {

constexpr Sql kSize = "SELECT first + count FROM event ORDER BY first DESC LIMIT 1";
constexpr Sql kOpened = "SELECT seq FROM event_opened WHERE task = $1";
// By pages: a scan may be left at any row, and PostgreSQL gives the rows of a statement whole.
constexpr std::int64_t kPage = 128;         // blocks, of 32 KiB at most but for a few
constexpr std::int64_t kLeavesPage = 1024;  // of 2 KiB at most
// From the block that holds $1.
constexpr Sql kBlocks =
    "SELECT first, count, leaves, body FROM event WHERE first >= "
    "coalesce((SELECT max(first) FROM event WHERE first <= $1), 0) ORDER BY first LIMIT $2";
constexpr Sql kLeaves =
    "SELECT first, count, leaves FROM event WHERE first >= "
    "coalesce((SELECT max(first) FROM event WHERE first <= $1), 0) ORDER BY first LIMIT $2";
constexpr Sql kPutBlock = "INSERT INTO event (first, count, leaves, body) VALUES ($1, $2, $3, $4)";
constexpr Sql kPutTask = "INSERT INTO event_task (span, task, first) VALUES ($1, $2, $3)";
constexpr Sql kPutOpened =
    "INSERT INTO event_opened (task, seq) VALUES ($1, $2) ON CONFLICT (task) DO NOTHING";
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

// Row by row from the block that holds `from` on, until `take` returns false.
template <class T>
void scan_blocks(Reader& reader, Sql sql, Seq from, std::int64_t page,
                 const std::function<bool(const T&)>& take) {
  Seq next = from;
  for (bool more = true; more && !reader.error();) {
    std::int64_t rows = 0;
    reader.scan<T>(
        sql,
        [&](const T& row) {
          ++rows;
          const Seq end = row.first + std::max<std::uint64_t>(row.count, 1);
          if (end <= next) return true;  // no block holds `next` yet: the one before it
          next = end;
          return more = take(row);
        },
        next, page);
    more = more && rows == page;
  }
}

}  // namespace

Seq log_size(Reader& reader) { return reader.one<Seq>(kSize).value_or(0); }

std::optional<Seq> task_opened_at(Reader& reader, TaskId task) {
  return reader.one<Seq>(kOpened, task);
}

void read_blocks(Reader& reader, Seq from, const TakeBlock& take) {
  scan_blocks<BlockRow>(reader, kBlocks, from, kPage, take);
}

void read_blocks_of(Reader& reader, TaskId task, Seq span, const TakeBlock& take) {
  reader.scan<BlockRow>(kBlocksOf, [&](const BlockRow& row) { return take(row); }, span, task);
}

void read_leaves(Reader& reader, Seq from, const std::function<bool(const Hash&)>& take) {
  std::optional<Seq> next;
  scan_blocks<LeavesRow>(reader, kLeaves, from, kLeavesPage, [&](const LeavesRow& row) {
    // Not signed: a hash in another's place would be wrong for good.
    if (row.leaves.size() != row.count * sizeof(Hash) || next.value_or(row.first) != row.first) {
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
  });
}

Status write_blocks(const EventBatch& batch, std::span<const EventView> events, const PutRow& put) {
  std::vector<TaskId> tasks;
  for (const EventBatch::Block& block : batch.blocks()) {
    STINT_TRY(put(kPutBlock, {block.first, block.count, Blob{block.leaves}, Blob{block.body}}));
    tasks.clear();
    for (const EventView& e : events.first(block.count)) {
      if (!e.task) continue;
      tasks.push_back(*e.task);
      if (e.kind == kTaskOpened) STINT_TRY(put(kPutOpened, {*e.task, e.seq}));
    }
    events = events.subspan(block.count);
    std::ranges::sort(tasks);
    const auto repeated = std::ranges::unique(tasks);
    tasks.erase(repeated.begin(), repeated.end());
    for (const TaskId& task : tasks)
      STINT_TRY(put(kPutTask, {block.first >> kSpanBits, task, block.first}));
  }
  return {};
}

}  // namespace stint::store
