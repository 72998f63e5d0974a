#include "lease.h"

namespace stint::authority {
namespace {

constexpr store::Sql kRead = "SELECT holder, fence, beat FROM lease WHERE name = $1";
constexpr store::Sql kPut =
    "INSERT INTO lease (name, holder, fence, beat) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (name) DO UPDATE SET holder = $2, fence = $3, beat = $4";

constexpr NodeId kNobody{};

}  // namespace

std::optional<Lease::Row> Lease::read(store::Reader& reader) const {
  return reader.one<Row>(kRead, name_);
}

std::optional<std::uint64_t> Lease::held() const {
  if (!store_.shared()) return 0;
  const std::lock_guard lock(mutex_);
  if (fence_ == 0 || clock_.mono() >= until_) return std::nullopt;
  return fence_;
}

Status Lease::check(store::Tx& tx) const {
  if (!store_.shared()) return {};
  const auto row = read(tx);
  if (tx.error()) return fail(*tx.error());
  const std::lock_guard lock(mutex_);
  if (fence_ == 0 || !row || row->holder != node_ || row->fence != fence_)
    return fail(Errc::kConflict, "another node does this work now");
  return {};
}

// Carried out on the row as it stands, which may not be the one that was judged.
Result<std::uint64_t> Lease::beat(store::Tx& tx, const std::optional<Row>& expected) const {
  const auto row = read(tx);
  if (tx.error()) return fail(*tx.error());
  const bool mine = row && row->holder == node_;
  if (!mine && row != expected) return fail(Errc::kConflict, "another node does this work now");
  const std::uint64_t fence = row ? row->fence + (mine ? 0 : 1) : 1;
  tx.no_event();
  tx.run(kPut, name_, node_, fence, row ? row->beat + 1 : 1);
  return fence;
}

Status Lease::keep() {
  if (!store_.shared()) return {};
  const MonoTime asked = clock_.mono();
  const auto row = STINT_TRY(store_.read([this](store::Reader& reader) { return read(reader); }));
  const bool free = !row || row->holder == kNobody, mine = row && row->holder == node_;
  if (!free && !mine) {
    const std::lock_guard lock(mutex_);
    fence_ = 0;
    if (row != seen_) {
      seen_ = row;
      since_ = asked;
    }
    if (asked - since_ < kTaken) return {};
  }
  const auto fence = store_.write_sync([this, row](store::Tx& tx) { return beat(tx, row); });
  const std::lock_guard lock(mutex_);
  if (!fence) {
    if (fence.error().code != Errc::kConflict) return fail(fence.error());
    fence_ = 0;  // somebody was faster
    return {};
  }
  fence_ = *fence;
  until_ = asked + kTaken - 2 * kKept;  // before anybody may think that it is free
  return {};
}

void Lease::give_up() {
  if (!store_.shared() || !held()) return;
  const auto given = store_.write_sync([this](store::Tx& tx) -> Status {
    STINT_TRY(check(tx));
    tx.no_event();
    tx.run("UPDATE lease SET holder = $2 WHERE name = $1", name_, kNobody);
    return {};
  });
  const std::lock_guard lock(mutex_);
  fence_ = 0;
  (void)given;  // else its beat stands still, and it is taken a little later
}

}  // namespace stint::authority
