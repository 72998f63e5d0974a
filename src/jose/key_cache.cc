#include "stint/jose/key_cache.h"

#include <functional>
#include <list>
#include <mutex>
#include <unordered_map>

namespace stint::jose {

namespace {
constexpr std::size_t kShards = 16;
constexpr std::size_t kMaxHeader = 2 * 1024;
}  // namespace

struct KeyCache::Shard {
  struct Entry {
    std::string header;
    std::shared_ptr<const ProofKey> key;
  };
  mutable std::mutex mutex;
  std::size_t capacity = 0;
  mutable std::list<Entry> used;                                        // most recent first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> at;  // views into `used`
};

KeyCache::KeyCache(std::size_t capacity) : shards_(std::make_unique<Shard[]>(kShards)) {
  for (std::size_t i = 0; i < kShards; ++i)
    shards_[i].capacity = std::max<std::size_t>(1, (capacity + kShards - 1) / kShards);
}
KeyCache::~KeyCache() = default;

std::shared_ptr<const ProofKey> KeyCache::find(std::string_view header_part) const {
  if (header_part.size() > kMaxHeader) return nullptr;
  const Shard& shard = shards_[std::hash<std::string_view>()(header_part) % kShards];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.at.find(header_part);
  if (found == shard.at.end()) return nullptr;
  shard.used.splice(shard.used.begin(), shard.used, found->second);
  return found->second->key;
}

void KeyCache::put(std::string_view header_part, std::shared_ptr<const ProofKey> key) {
  if (header_part.size() > kMaxHeader) return;
  Shard& shard = shards_[std::hash<std::string_view>()(header_part) % kShards];
  const std::lock_guard lock(shard.mutex);
  if (shard.at.contains(header_part)) return;
  shard.used.push_front({std::string(header_part), std::move(key)});
  shard.at.emplace(shard.used.front().header, shard.used.begin());
  if (shard.used.size() > shard.capacity) {
    shard.at.erase(shard.used.back().header);
    shard.used.pop_back();
  }
}

std::size_t KeyCache::size() const {
  std::size_t n = 0;
  for (std::size_t i = 0; i < kShards; ++i) {
    const std::lock_guard lock(shards_[i].mutex);
    n += shards_[i].used.size();
  }
  return n;
}

}  // namespace stint::jose
