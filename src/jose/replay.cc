#include "stint/jose/replay.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "stint/crypto/digest.h"

namespace stint::jose {

namespace {

constexpr std::size_t kShards = 16;
// A window is four steps, and five generations are kept: an entry made at the very end of its
// generation still lives for a whole window.
constexpr std::int64_t kSteps = 4;
constexpr std::size_t kGenerations = kSteps + 1;

// Half a SHA-256: a collision would refuse an honest proof, and finding one takes 2^64 work.
using Name = std::array<std::uint64_t, 2>;
constexpr Name kFree{0, 0};

// Open addressing with linear probing; at most three quarters full.
class NameSet {
 public:
  // False when it was there.
  bool insert(const Name& name) {
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    Name& slot = find(name);
    if (slot == name) return false;
    slot = name;
    ++count_;
    return true;
  }
  bool contains(const Name& name) { return count_ != 0 && find(name) == name; }
  std::size_t size() const { return count_; }
  std::size_t memory() const { return slots_.capacity() * sizeof(Name); }
  void clear() {
    slots_ = {};
    count_ = 0;
  }

 private:
  Name& find(const Name& name) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = name[1] & mask;
    while (slots_[i] != kFree && slots_[i] != name) i = (i + 1) & mask;
    return slots_[i];
  }
  void grow() {
    std::vector<Name> old = std::move(slots_);
    slots_.assign(std::max<std::size_t>(16, old.size() * 2), kFree);
    for (const Name& name : old)
      if (name != kFree) find(name) = name;
  }

  std::vector<Name> slots_;
  std::size_t count_ = 0;
};

}  // namespace

struct ReplayCache::Impl {
  struct Shard {
    mutable std::mutex mutex;
    std::int64_t newest = 0;  // generation number
    std::array<NameSet, kGenerations> sets;
  };

  std::array<std::uint8_t, 16> seed;
  std::int64_t step_ms;
  std::size_t max_entries;
  std::atomic<std::size_t> count{0};
  std::array<Shard, kShards> shards;

  Name name_of(std::string_view jkt, std::string_view jti) const {
    std::string text;
    text.reserve(seed.size() + 8 + jkt.size() + jti.size());
    text.append(seed.begin(), seed.end());
    // The length keeps ("ab", "c") and ("a", "bc") apart.
    const std::uint64_t length = jkt.size();
    text.append(reinterpret_cast<const char*>(&length), sizeof length).append(jkt).append(jti);
    const crypto::Digest digest = crypto::sha256(text);
    Name name;
    std::memcpy(name.data(), digest.data(), sizeof name);
    name[0] |= 1;  // never kFree
    return name;
  }

  // Drops what is older than a window; never moves back.
  void turn(Shard& shard, std::int64_t generation) {
    if (generation <= shard.newest) return;
    const std::int64_t turns =
        std::min<std::int64_t>(generation - shard.newest, static_cast<std::int64_t>(kGenerations));
    for (std::int64_t i = 0; i < turns; ++i) {
      NameSet& set = shard.sets[static_cast<std::size_t>(generation - i) % kGenerations];
      count -= set.size();
      set.clear();
    }
    shard.newest = generation;
  }

  Status insert(const Name& name, std::int64_t generation) {
    Shard& shard = shards[(name[0] >> 8) % kShards];
    const std::lock_guard lock(shard.mutex);
    turn(shard, generation);
    for (NameSet& set : shard.sets)
      if (set.contains(name)) return fail(Errc::kReplayed, "proof replayed");
    if (count.fetch_add(1) >= max_entries) {
      --count;
      return fail(Errc::kLimit, "replay cache full");
    }
    // A clock that stepped back records into the newest generation, which is kept longest.
    shard.sets[static_cast<std::size_t>(shard.newest) % kGenerations].insert(name);
    return {};
  }
};

ReplayCache::ReplayCache(std::chrono::seconds window, std::size_t max_entries, Entropy& entropy)
    : impl_(std::make_unique<Impl>()) {
  impl_->seed = random_bytes<16>(entropy);
  const std::int64_t ms = std::chrono::milliseconds(window).count();
  impl_->step_ms = std::max<std::int64_t>(1, (ms + kSteps - 1) / kSteps);
  impl_->max_entries = max_entries;
}
ReplayCache::~ReplayCache() = default;

Status ReplayCache::once(std::string_view jkt, std::string_view jti, WallTime now) {
  const Name name = impl_->name_of(jkt, jti);
  const std::int64_t generation = std::max<std::int64_t>(0, unix_millis(now)) / impl_->step_ms;
  auto got = impl_->insert(name, generation);
  if (!got && got.error().code == Errc::kLimit) {
    // Old entries of shards that saw no proof lately still count: let them leave, try once more.
    for (Impl::Shard& shard : impl_->shards) {
      const std::lock_guard lock(shard.mutex);
      impl_->turn(shard, generation);
    }
    got = impl_->insert(name, generation);
  }
  return got;
}

std::size_t ReplayCache::size() const { return impl_->count; }

std::size_t ReplayCache::memory() const {
  std::size_t n = sizeof(Impl);
  for (const Impl::Shard& shard : impl_->shards) {
    const std::lock_guard lock(shard.mutex);
    for (const NameSet& set : shard.sets) n += set.memory();
  }
  return n;
}

}  // namespace stint::jose
