#include "stint/crypto/hot_keys.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <vector>

#include "key_impl.h"

namespace stint::crypto {

namespace {
constexpr std::uint64_t kTold = std::numeric_limits<std::uint64_t>::max();
}

struct HotKeys::Impl {
  struct Entry {
    std::shared_ptr<PublicKey::Impl> key;
    std::uint64_t seen;  // good signatures at the last build
    bool pinned;
  };
  // What stays when the set is full: the keys that verified most since the last build.
  static std::uint64_t recent(const Entry& e) {
    return e.pinned ? kTold : e.key->good.load(std::memory_order_relaxed) - e.seen;
  }

  std::size_t capacity;
  mutable std::mutex mutex;
  std::vector<Entry> entries;
};

HotKeys::HotKeys(std::size_t capacity) : impl_(std::make_unique<Impl>()) {
  impl_->capacity = std::clamp<std::size_t>(capacity, 1, kMaxTables);
}
HotKeys::~HotKeys() = default;

bool HotKeys::available() { return P256Table::available(); }

bool HotKeys::deserves_table(const PublicKey& key) {
  if (!available() || key.kind() != KeyKind::kP256) return false;
  std::uint64_t due = key.impl_->due.load(std::memory_order_relaxed);
  return key.impl_->good.load(std::memory_order_relaxed) >= due &&
         key.impl_->due.compare_exchange_strong(due, kTold);
}

Status HotKeys::build(const PublicKey& key) { return add(key, false); }
Status HotKeys::build_pinned(const PublicKey& key) { return add(key, true); }

Status HotKeys::add(const PublicKey& key, bool pinned) {
  if (key.kind() != KeyKind::kP256) return fail(Errc::kUnsupported, "table for this kind of key");
  if (!available()) return fail(Errc::kUnsupported, "built without tables");
  auto table = P256Table::build(key.first(), key.second());  // outside the lock: 15 ms
  if (!table) return fail(Errc::kInternal, "table");

  const std::lock_guard lock(impl_->mutex);
  auto& entries = impl_->entries;
  const auto same = std::ranges::find(entries, key.impl_, &Impl::Entry::key);
  if (same != entries.end()) {
    same->pinned |= pinned;
    return {};
  }
  if (entries.size() >= impl_->capacity) {
    const auto least = std::ranges::min_element(entries, {}, Impl::recent);
    if (least->pinned) return fail(Errc::kLimit, "all tables are pinned");
    least->key->set_table(nullptr);
    least->key->due = least->key->good + kWorthIt;  // it may earn a place again
    entries.erase(least);
  }
  key.impl_->due = kTold;
  key.impl_->set_table(std::move(table));
  for (auto& e : entries) e.seen = e.key->good.load(std::memory_order_relaxed);
  entries.push_back({key.impl_, key.impl_->good.load(std::memory_order_relaxed), pinned});
  return {};
}

bool HotKeys::has_table(const PublicKey& key) { return key.impl_->has_table.load(); }

std::size_t HotKeys::size() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->entries.size();
}

}  // namespace stint::crypto
