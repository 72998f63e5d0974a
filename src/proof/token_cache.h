#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "stint/domain/grant.h"
#include "stint/jose/access_token.h"

namespace stint::proof {

// Tokens whose signature was checked, by their digest. Bounded; the oldest leave first: a token
// lives for minutes, so age says as much as use does.
//
// Threads: any; sharded mutexes, held for a look-up.
class TokenCache {
 public:
  struct Entry {
    jose::VerifiedToken token;
    std::shared_ptr<const std::vector<domain::Grant>> grants;
  };

  explicit TokenCache(std::size_t capacity)
      : per_shard_(std::max<std::size_t>(capacity / kShards, 1)) {}

  std::optional<Entry> find(const crypto::Digest& digest) {
    Shard& s = shard(digest);
    const std::scoped_lock lock(s.mutex);
    const auto at = s.entries.find(digest);
    if (at == s.entries.end()) return std::nullopt;
    return at->second;
  }

  void put(const crypto::Digest& digest, Entry entry) {
    Shard& s = shard(digest);
    const std::scoped_lock lock(s.mutex);
    if (!s.entries.emplace(digest, std::move(entry)).second) return;
    s.order.push_back(digest);
    if (s.order.size() <= per_shard_) return;
    s.entries.erase(s.order.front());
    s.order.pop_front();
  }

  void clear() {
    for (Shard& s : shards_) {
      const std::scoped_lock lock(s.mutex);
      s.entries.clear();
      s.order.clear();
    }
  }

  std::size_t size() const {
    std::size_t n = 0;
    for (const Shard& s : shards_) {
      const std::scoped_lock lock(s.mutex);
      n += s.entries.size();
    }
    return n;
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct Hash {
    // A digest is a good hash already. Nobody chooses one: only signed tokens get in.
    std::size_t operator()(const crypto::Digest& d) const noexcept {
      std::size_t h;
      std::memcpy(&h, d.data(), sizeof h);
      return h;
    }
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<crypto::Digest, Entry, Hash> entries;
    std::deque<crypto::Digest> order;
  };
  Shard& shard(const crypto::Digest& d) { return shards_[d[31] % kShards]; }

  std::array<Shard, kShards> shards_;
  const std::size_t per_shard_;
};

}  // namespace stint::proof
