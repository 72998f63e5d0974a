#include "repeats.h"

#include <utility>

namespace stint::authority {

bool Repeats::first(const Key& key, MonoTime now) {
  const std::lock_guard lock(mutex_);
  const auto at = keys_.find(key);
  if (at == keys_.end()) {
    if (keys_.size() < kKeys) keys_.emplace(key, Since{.at = now});
    return true;
  }
  if (now - at->second.at < kEvery) {
    ++at->second.more;
    return false;
  }
  if (at->second.more > 0) over_.push_back({key, at->second.more});
  at->second = {.at = now};
  return true;
}

void Repeats::add(const Key& key, std::int64_t count, MonoTime now) {
  const std::lock_guard lock(mutex_);
  keys_.try_emplace(key, Since{.at = now}).first->second.more += count;
}

std::vector<Repeats::Counted> Repeats::due(MonoTime now) {
  const std::lock_guard lock(mutex_);
  for (auto at = keys_.begin(); at != keys_.end();) {
    if (now - at->second.at < kEvery) {
      ++at;
      continue;
    }
    if (at->second.more > 0) over_.push_back({at->first, at->second.more});
    at = keys_.erase(at);
  }
  return std::exchange(over_, {});
}

}  // namespace stint::authority
