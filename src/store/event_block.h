#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/store/event.h"

namespace stint::store {

// Events as they lie in the database: those that were committed together, one row for many. A row
// of its own for each cost as much CPU as making the event (docs/adr/0005).
//
// A body is its events one after another, numbers little-endian:
//   u32 size of bytes · i64 time (ms) · u8 size of kind · u8 1 with a task, else 0 · kind ·
//   16 bytes of the task, if any · bytes
// Their leaf hashes lie beside it, so that publishing the log reads no event.

inline constexpr std::size_t kBlockEvents = 64;        // at most
inline constexpr std::size_t kBlockBytes = 32 * 1024;  // of body; one event may be larger

// Calls `take` for each event in order until it returns false. Errors: kInternal, a damaged block:
// what was taken of it before is void.
Status decode_block(Seq first, std::uint64_t count, std::string_view leaves, std::string_view body,
                    const std::function<bool(const EventView&)>& take);

// The events of a transaction that is under way. The writer thread's.
class EventBatch {
 public:
  // Empties it; `first`: seq of the next event.
  void start(Seq first);
  Seq next() const { return first_ + starts_.size(); }
  std::size_t count() const { return starts_.size(); }
  bool empty() const { return starts_.empty(); }
  void append(const EventRun& run);  // hashes each
  void cut(std::size_t count);       // takes back all after the first `count`

  // What follows borrows until the next change.
  struct Block {
    Seq first;
    std::size_t count;
    std::string_view leaves, body;
  };
  std::vector<Block> blocks() const;
  std::vector<EventView> events() const;

 private:
  Seq first_ = 0;
  std::string body_, leaves_;
  std::vector<std::size_t> starts_;  // of each event in the body
};

}  // namespace stint::store
