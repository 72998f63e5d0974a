#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "stint/base/error.h"
#include "stint/store/event.h"

namespace stint::store {

// Events as they lie in the database: those that were committed together, one row for many. A row
// of its own for each costs as much CPU as making the event (store_bench).
//
// A body is its events one after another, numbers little-endian:
//   u32 size of bytes · i64 time (ms) · u8 size of kind · u8 1 with a task, else 0 · kind ·
//   16 bytes of the task, if any · bytes
// Their leaf hashes lie beside it, so that publishing the log reads no event.

inline constexpr std::size_t kBlockEvents = 128;  // at most
inline constexpr std::size_t kBlockBytes = 64 * 1024;  // of events' bytes; one event may be larger

// The first events of a span that go into one block: at least one, unless there is none.
std::span<const StoredEvent> next_block(std::span<const StoredEvent> events);

struct BlockText {
  std::string leaves, body;
};
BlockText encode_block(std::span<const StoredEvent> events);

// An event inside a block's body.
struct EventView {
  Seq seq;
  WallTime time;
  std::string_view kind;
  std::optional<TaskId> task;
  std::string_view bytes;
  Hash leaf;

  StoredEvent stored() const {
    return {seq, time, std::string(kind), task, std::string(bytes), leaf};
  }
};
// Calls `take` for each event in order until it returns false. Errors: kInternal, a damaged block;
// nothing is taken from one whose sizes disagree.
Status decode_block(Seq first, std::uint64_t count, std::string_view leaves, std::string_view body,
                    const std::function<bool(const EventView&)>& take);

}  // namespace stint::store
