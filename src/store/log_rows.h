#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "event_block.h"
#include "stint/store/tx.h"

namespace stint::store {

// The log's tables, read. Errors are the reader's.

struct BlockRow {
  Seq first;
  std::uint64_t count;
  std::string leaves, body;
  static BlockRow from_row(Row& row) {
    return {row.get<Seq>(), row.get<std::uint64_t>(), row.get<std::string>(),
            row.get<std::string>()};
  }
  // Events in order until `take` returns false. A damaged block fails the reader.
  void each(Reader& reader, const std::function<bool(const EventView&)>& take) const {
    if (const Status s = decode_block(first, count, leaves, body, take); !s) reader.fail(s.error());
  }
};

// Events committed: the seq of the next.
Seq log_size(Reader& reader);
std::optional<Seq> task_opened_at(Reader& reader, TaskId task);

// Blocks in order until `take` returns false: from the one that holds `from`; those of one span
// that tell of a task.
using TakeBlock = std::function<bool(const BlockRow&)>;
void read_blocks(Reader& reader, Seq from, const TakeBlock& take);
void read_blocks_of(Reader& reader, TaskId task, Seq span, const TakeBlock& take);

// The rows of a batch. `put(Sql, {parameters})` writes one.
using PutRow = std::function<Status(Sql, std::initializer_list<Param>)>;
Status write_blocks(const EventBatch& batch, std::span<const EventView> events, const PutRow& put);

// Leaf hashes from that of event `from` on, until `take` returns false. A damaged block or a gap
// fails the reader.
void read_leaves(Reader& reader, Seq from, const std::function<bool(const Hash&)>& take);

}  // namespace stint::store
