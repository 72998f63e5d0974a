#include "repeats.h"

#include <utility>

namespace stint::authority {

// An agent chooses whom and what it names: it must not have as many entries as it finds names.
Repeats::Key Repeats::kept_as(const Key& key) const {
  if (keys_.contains(key)) return key;
  Key coarse{.agent = key.agent, .operation = key.operation, .reason = key.reason};
  if (keys_.contains(coarse)) {
    if (keys_.size() >= kKeys) return coarse;
  } else if (keys_.size() >= kKeys) {
    coarse.agent.clear();
    return coarse;
  }
  std::size_t of_agent = 0;
  for (auto at = keys_.lower_bound(Key{.agent = key.agent});
       at != keys_.end() && at->first.agent == key.agent && of_agent < kKeysOfAgent; ++at)
    ++of_agent;
  return of_agent < kKeysOfAgent ? key : coarse;
}

void Repeats::tell(const Key& key, Since& since) {
  if (since.more > 0) over_.push_back({key, std::exchange(since.more, 0)});
}

bool Repeats::first(const Key& key, MonoTime now) {
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = keys_.try_emplace(kept_as(key), Since{.at = now});
  Since& since = at->second;
  const bool of_nobody = at->first.agent.empty();
  if (fresh && !of_nobody) return true;
  if (!since.over(now) || of_nobody) {
    ++since.more;
    return false;
  }
  tell(at->first, since);
  since.again(now);
  return true;
}

void Repeats::add(const Key& key, std::int64_t count, MonoTime now) {
  const std::lock_guard lock(mutex_);
  keys_.try_emplace(kept_as(key), Since{.at = now}).first->second.more += count;
}

std::vector<Repeats::Counted> Repeats::due(MonoTime now) {
  const std::lock_guard lock(mutex_);
  for (auto at = keys_.begin(); at != keys_.end();) {
    Since& since = at->second;
    if (since.over(now) && since.more > 0) {
      tell(at->first, since);
      // Nothing else begins another while for these.
      if (at->first.agent.empty()) since.again(now);
    }
    at = now - since.at >= kRemembered && since.more == 0 ? keys_.erase(at) : std::next(at);
  }
  return std::exchange(over_, {});
}

std::vector<Repeats::Counted> Repeats::all() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, since] : keys_) tell(key, since);
  return std::exchange(over_, {});
}

}  // namespace stint::authority
