#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model.h"
#include "node.h"

namespace stint::sim {

struct Plan {
  std::uint64_t seed = 1;
  std::size_t nodes = 3, steps = 1500;
  Planted planted = Planted::kNone;
  bool keep_trace = false;  // the whole of it, not its end alone
};

struct Outcome {
  std::optional<std::string> violation;
  std::uint64_t trace_hash = 0;
  std::size_t steps = 0, events = 0;
  std::deque<std::string> trace;
  Probes probes;
};

// Runs one fleet from one seed: clients ask, clocks are set, processes freeze and are killed, the
// network and the database fail; then faults stop, and what was owed must be done.
Outcome simulate(const Plan& plan);

// The rare branches that a run of many seeds must have taken.
const std::vector<std::string>& rare_branches();

}  // namespace stint::sim
