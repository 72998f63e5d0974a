#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/policy/facts.h"

namespace stint::authority {

// What is refused over and over: the first within a second has an entry of its own, the others are
// counted. So whoever asks in vain a thousand times a second fills neither the queue nor the disk,
// and none of it is unsaid.
//
// Threads: any. Limits: kKeys agents, operations and reasons at once; whatever comes then has an
// entry of its own. Reasons are literals.
class Repeats {
 public:
  static constexpr std::chrono::seconds kEvery{1};
  static constexpr std::size_t kKeys = 10'000;

  struct Key {
    std::string agent;
    policy::Operation operation = policy::Operation::kOpen;
    std::string_view reason;
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
  // What was counted in seconds that are over; forgets it.
  std::vector<Counted> due(MonoTime now);

 private:
  struct Since {
    MonoTime at;
    std::int64_t more = 0;
  };
  std::mutex mutex_;
  std::map<Key, Since> keys_;
  std::vector<Counted> over_;  // counted before the second that runs
};

}  // namespace stint::authority
