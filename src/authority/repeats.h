#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/id.h"
#include "stint/policy/facts.h"

namespace stint::authority {

// What is refused over and over: the first has an entry of its own, the others within a while of it
// are counted. The while doubles each time that the same is back, from kEvery up to kLongest. So
// whoever asks in vain, be it a thousand times a second or patiently all day, fills neither the
// queue nor the disk, and none of it is unsaid.
//
// Threads: any. Limits: kKeysOfAgent tasks and humans an agent, then all it is refused for one
// reason is one; kKeys in all, then what comes is counted of no agent. Reasons are literals.
class Repeats {
 public:
  static constexpr std::chrono::seconds kEvery{1}, kLongest{60};
  static constexpr std::chrono::seconds kRemembered = 2 * kLongest;
  static constexpr std::size_t kKeys = 10'000, kKeysOfAgent = 16;

  struct Key {
    std::string agent;  // "": of several, when there were too many
    policy::Operation operation = policy::Operation::kCall;
    std::string_view reason;
    std::optional<TaskId> task;  // absent also: of several
    std::optional<std::string> human;
    auto operator<=>(const Key&) const = default;
  };
  struct Counted {
    Key key;
    std::int64_t count = 0;
  };

  // Whether this one has an entry of its own. If not, it is counted.
  bool first(const Key& key, MonoTime now);
  // What could not be written is to be counted after all.
  void add(const Key& key, std::int64_t count, MonoTime now);
  // What was counted in whiles that are over.
  std::vector<Counted> due(MonoTime now);
  // What was counted in any.
  std::vector<Counted> all();

 private:
  struct Since {
    MonoTime at;
    std::chrono::seconds window = kEvery;
    std::int64_t more = 0;

    bool over(MonoTime now) const { return now - at >= window; }
    void again(MonoTime now) {
      at = now;
      window = std::min(2 * window, kLongest);
    }
  };
  Key kept_as(const Key& key) const;
  void tell(const Key& key, Since& since);

  std::mutex mutex_;
  std::map<Key, Since> keys_;
  std::vector<Counted> over_;  // counted before the while that runs
};

}  // namespace stint::authority
