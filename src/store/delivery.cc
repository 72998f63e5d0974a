#include "delivery.h"

#include <algorithm>

namespace stint::store {
namespace {

constexpr Error kLost{Errc::kInternal, "the database has lost events that were committed"};

}  // namespace

void Delivery::observe(Store::Observer observer) {
  const std::lock_guard lock(mutex_);
  observers_.push_back(std::make_shared<const Store::Observer>(std::move(observer)));
}

void Delivery::follow(Store::Follower follower) {
  const std::lock_guard lock(mutex_);
  follower_ = std::move(follower);
  held_ = false;
}

bool Delivery::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

void Delivery::confirm_by(const Clock* on, std::function<void(MonoTime begun)> confirm) {
  const std::lock_guard lock(mutex_);
  confirm_clock_ = on;
  confirm_ = std::move(confirm);
}

MonoTime Delivery::asking() const {
  const std::lock_guard lock(mutex_);
  // What comes while nobody follows reaches no view.
  return confirm_ && !held_ ? confirm_clock_->mono() : MonoTime();
}

void Delivery::committed(MonoTime begun) {
  const std::lock_guard lock(mutex_);
  if (confirm_ && begun != MonoTime()) confirm_(begun);
}

void Delivery::deliver(std::span<const EventView> events) {
  if (events.empty()) return;
  size_.store(events.back().seq + 1, std::memory_order_release);
  last_ = events.back().leaf;
  for (const auto& observer : observers_) (*observer)(events);
}

void Delivery::own(std::span<const EventView> events, const std::function<void()>& apply) {
  const std::lock_guard lock(mutex_);
  if (events.empty()) return apply();
  const Seq size = size_.load(std::memory_order_relaxed);
  // Others came between while nobody followed: these come with them, by catch_up().
  if (events.front().seq > size) return;
  const auto seen = std::min<Seq>(size - events.front().seq, events.size());
  if (seen == events.size()) return;
  apply();
  deliver(events.subspan(seen));
}

Result<bool> Delivery::same_log(Reader& reader, Seq end) {
  const std::lock_guard lock(mutex_);
  const Seq size = size_.load(std::memory_order_relaxed);
  if (!last_) return true;
  if (size > end) return false;
  std::optional<Hash> there;
  read_leaves(reader, size - 1, [&](const Hash& leaf) {
    there = leaf;
    return false;
  });
  if (reader.error()) return fail(*reader.error());
  if (there != last_) return fail(kLost);
  return true;
}

Status Delivery::catch_up(Reader& reader, Seq until) {
  const std::lock_guard lock(mutex_);
  const Seq from = size_.load(std::memory_order_relaxed);
  if (from >= until || held_) return {};
  Status followed;
  read_blocks(reader, from, [&](const BlockRow& block) {
    std::vector<EventView> events;
    block.each(reader, [&](const EventView& e) {
      if (e.seq >= size_.load(std::memory_order_relaxed) && e.seq < until) events.push_back(e);
      return true;
    });
    if (reader.error()) return false;
    if (follower_ && !events.empty()) {
      following_ = std::this_thread::get_id();
      followed = follower_(events);
      following_ = std::thread::id();
    }
    if (!followed) return false;
    deliver(events);
    return size_.load(std::memory_order_relaxed) < until;
  });
  STINT_TRY(followed);
  if (reader.error()) return fail(*reader.error());
  if (size_.load(std::memory_order_relaxed) < until) return fail(Errc::kInternal, "log has a gap");
  return {};
}

Status deliver_new(ReadConnection& reading, Sql size, Delivery& delivery, bool& checked) {
  const Seq seen = delivery.size();  // before the snapshot, which may be older than our own commit
  STINT_TRY(reading.begin());
  Reader reader(reading);
  const Seq end = reader.one<Seq>(size).value_or(0);
  if (reader.error()) return fail(*reader.error());
  if (end < seen) return fail(kLost);
  if (!checked) checked = STINT_TRY(delivery.same_log(reader, end));
  STINT_TRY(delivery.catch_up(reader, end));
  return reading.end();
}

}  // namespace stint::store
