#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "stint/audit/event.h"

namespace stint::audit {

// Reads a log from its first entry and tells what the service's own rules forbid: the hashes can be
// right and the story wrong. Rules are those of a task (docs/events.md, "Order"): what follows a
// close, what a child may be, approvals used once, nothing released without a permit.
//
// Memory: a few hundred bytes a task, and an id for each decision still waiting for its outcome.
// Threads: one at a time.
class Story {
 public:
  struct Finding {
    std::uint64_t index;
    std::string_view kind;  // of the event
    Reason rule;            // a literal
    std::optional<TaskId> task;
  };

  // A read may have been permitted up to this long after its task's close: a node may permit on a
  // view that is 2 s old (feed.max_age is at most that), and two nodes' clocks may differ by 1 s.
  static constexpr std::chrono::milliseconds kReadWindow{3000};

  // Entries in order, without gaps. Returns what this entry did wrong.
  std::vector<Finding> add(std::uint64_t index, const Entry& entry);
  // What is wrong with the log as a whole: children alive under a closed parent.
  std::vector<Finding> finish() const;

 private:
  struct Task {
    WallTime opened, deadline, stopped;  // stopped: paused or closed
    std::optional<TaskId> parent;
    std::vector<TaskId> children;
    std::vector<domain::Grant> grants;
    domain::State state = domain::State::kActive;
    int depth = 0;
    std::uint64_t closed_at = 0;  // index
    bool receipt = false;
  };
  struct Held {
    TaskId task = unset;
    domain::ApprovalState state = domain::ApprovalState::kPending;
  };
  struct Permit {
    TaskId task = unset;
    bool read = false;
  };
  class Check;  // one entry against the state; in story.cc
  std::unordered_map<TaskId, Task> tasks_;
  std::unordered_map<DecisionId, Permit> permits_;  // without outcome yet
  std::unordered_map<ApprovalId, Held> approvals_;
};

}  // namespace stint::audit
