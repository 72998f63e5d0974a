#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/store/event.h"
#include "stint/store/store.h"

namespace stint::store {

// A signed statement about the log's first `size` events.
struct CheckpointRow {
  Seq size;
  Hash root;
  std::string note;  // C2SP signed-note text
  WallTime time;
};

// Turns committed events into tiles and checkpoints. One publisher a log.
//
// A tile is one row: level, index, and up to 256 hashes; a wider partial tile replaces a narrower
// one, whose hashes are its prefix. Level-0 tiles hold leaf hashes (C2SP tlog-tiles).
//
// Threads:  publish() from one thread at a time, never the writer's; the static readers from any.
// Blocking: on the database.
class LogPublisher {
 public:
  // Recomputes the root from the last checkpoint's saved tree and the tiles' right edge: kInternal
  // when they do not give the root that was signed.
  static Result<LogPublisher> open(Store& store);
  LogPublisher(LogPublisher&&) noexcept;
  ~LogPublisher();

  // Given (size, root), returns the signed note.
  using Sign = std::function<Result<std::string>(Seq size, const Hash& root)>;

  // In each transaction that publishes: its error refuses it.
  using Guard = std::function<Status(Tx& tx)>;

  // Reads what was appended since the last time, writes its tiles and, in the same transaction, the
  // checkpoint row. Nothing new: nullopt. After an error the next call starts from what is stored.
  // kConflict: another published meanwhile, open() anew.
  Result<std::optional<CheckpointRow>> publish(const Sign& sign, WallTime now,
                                               const Guard& guard = {});

 private:
  struct State;
  explicit LogPublisher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// For serving the log. Absent: nullopt.
Result<std::optional<CheckpointRow>> latest_checkpoint(Store& store);
std::optional<CheckpointRow> latest_checkpoint(Reader& reader);  // errors are the reader's
Result<std::optional<CheckpointRow>> checkpoint_at(Store& store, Seq size);
// The first `width` (1-256) hashes of a tile; nullopt when it is not published as wide as that.
Result<std::optional<std::string>> tile(Store& store, std::uint8_t level, std::uint64_t index,
                                        std::uint16_t width);
// Leaf hashes of [from, from+count), fewer at the end of the log.
Result<std::vector<Hash>> leaf_hashes(Store& store, Seq from, std::size_t count);

}  // namespace stint::store
