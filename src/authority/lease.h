#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/store/store.h"

namespace stint::authority {

using NodeId = std::array<std::uint8_t, 16>;  // of one process; made anew at each start

// Work that one node of a fleet does: signing checkpoints, sweeping. Held by whoever keeps the
// lease's row alive; when its beat has stood still for kTaken by another node's own clock, that
// node takes it. No clock is compared with another's.
//
// The lease says who should work; the fence decides who may write: check() in the transaction of
// every change that only the holder may make, so that a holder who was frozen, or cut off, and
// comes back writes nothing (two holders are possible for a moment, two writers are not).
//
// A store of one process has no leases: always held.
//
// Threads:  any. Blocking: keep() and give_up() on the store.
class Lease {
 public:
  static constexpr std::chrono::milliseconds kKept{500};    // how often keep() should be called
  static constexpr std::chrono::milliseconds kTaken{3500};  // without a beat: anybody's

  Lease(store::Store& store, const Clock& clock, std::string_view name, NodeId node)
      : store_(store), clock_(clock), name_(name), node_(node) {}
  Lease(const Lease&) = delete;

  // Keeps it, or takes it when nobody does. Errors: the store's; it is then held no longer than it
  // was going to be.
  Status keep();
  // Lets another node take it at once.
  void give_up();

  // The fence while it is held by this node: grows with each new holder.
  std::optional<std::uint64_t> held() const;
  // Errors: kConflict when another node holds it by now.
  Status check(store::Tx& tx) const;

 private:
  struct Row {
    NodeId holder;
    std::uint64_t fence, beat;
    bool operator==(const Row&) const = default;
    static Row from_row(store::Row& row) {
      return {row.get<NodeId>(), row.get<std::uint64_t>(), row.get<std::uint64_t>()};
    }
  };
  std::optional<Row> read(store::Reader& reader) const;
  Result<std::uint64_t> beat(store::Tx& tx, const std::optional<Row>& expected) const;

  store::Store& store_;
  const Clock& clock_;
  const std::string_view name_;  // literal
  const NodeId node_;

  mutable std::mutex mutex_;
  std::uint64_t fence_ = 0;  // 0: not held
  MonoTime until_;           // held until then, unless it is kept
  std::optional<Row> seen_;  // another's row
  MonoTime since_;           // and since when it stands still
};

}  // namespace stint::authority
