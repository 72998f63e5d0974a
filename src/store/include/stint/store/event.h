#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
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

}  // namespace stint::store
