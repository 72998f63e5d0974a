#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/crypto/digest.h"

namespace stint::store {

// Position of an event: 0, 1, 2, … without gaps. It is also the index of its leaf in the log's
// Merkle tree, so `Seq` of the next event is the size of the tree.
using Seq = std::uint64_t;

using Hash = crypto::Digest;

// C2SP tlog-tiles: an entry's length is a uint16.
inline constexpr std::size_t kMaxEventBytes = 65'535;

// An event to append, already in its canonical bytes. `kind` is a literal and repeats what the
// bytes say, so that readers may filter without parsing.
struct EventBytes {
  std::string_view kind;
  std::optional<TaskId> task;
  std::string bytes;
  WallTime time;
};

// An event as it stands in the log. leaf = SHA-256(0x00 || bytes), RFC 6962 section 2.1.
struct StoredEvent {
  Seq seq;
  WallTime time;
  std::string kind;
  std::optional<TaskId> task;
  std::string bytes;
  Hash leaf;
};

// The same, borrowed.
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

// Events to append, one after another in one text, as they will lie in the database: a call's
// record is written once, and copied whole on its way.
class EventRun {
 public:
  // `write(std::string&)` appends the event's canonical bytes and returns a Status. Errors: its
  // own, kTooLarge (over kMaxEventBytes, a kind over 255 bytes); the run is then as it was.
  template <class Write>
  Status add(std::string_view kind, std::optional<TaskId> task, WallTime time, Write&& write) {
    if (kind.size() > 255) return fail(Errc::kTooLarge, "event kind over 255 bytes");
    const std::size_t start = begin(kind, task, time), bytes = body_.size();
    Status written = write(body_);
    if (written && body_.size() - bytes > kMaxEventBytes)
      written = fail(Errc::kTooLarge, "event over 65535 bytes");
    end(start, bytes, written.has_value());
    return written;
  }
  Status add(const EventBytes& event);
  void add(const EventRun& other);
  void clear();

  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  const std::string& body() const { return body_; }  // laid out as event_block.h says

 private:
  std::size_t begin(std::string_view kind, std::optional<TaskId> task, WallTime time);
  void end(std::size_t start, std::size_t bytes, bool keep);
  std::string body_;
  std::size_t count_ = 0;
};

}  // namespace stint::store
