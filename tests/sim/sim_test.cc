#include <gtest/gtest.h>

#include <string>

#include "fleet.h"

namespace stint::sim {
namespace {

constexpr std::uint64_t kSeeds = 200;

std::string told(const Outcome& run, std::uint64_t seed) {
  std::string out = "seed " + std::to_string(seed) + ": " + run.violation.value_or("") +
                    "\nagain: stint-sim --seed=" + std::to_string(seed) + "\n";
  for (const auto& line : run.trace) out += line + "\n";
  return out;
}

TEST(Simulation, OneSeedGivesOneRun) {
  const Outcome a = simulate({.seed = 3}), b = simulate({.seed = 3}), c = simulate({.seed = 4});
  EXPECT_EQ(a.trace_hash, b.trace_hash);
  EXPECT_EQ(a.events, b.events);
  EXPECT_EQ(a.probes, b.probes);
  EXPECT_NE(a.trace_hash, c.trace_hash);
}

// S1-S4, S7; rules 2-7 and 10.
TEST(Simulation, EveryInvariantHoldsAndEachRareBranchRan) {
  Probes all;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Outcome run = simulate({.seed = seed});
    ASSERT_FALSE(run.violation) << told(run, seed);
    for (const auto& [name, count] : run.probes) all[name] += count;
  }
  for (const auto& name : rare_branches()) EXPECT_GT(all[name], 0U) << name;
}

struct Bug {
  const char* name;
  Planted planted;
  std::string_view found_as;
  std::uint64_t within;  // seeds
};
constexpr Bug kBugs[] = {
    {"a_close_is_acknowledged_and_not_kept", Planted::kLosesTheClose, "I1", 10},
    {"a_view_without_a_bound", Planted::kTrustsForLong, "I2", 40},
    {"two_nodes_take_themselves_for_one", Planted::kOneNodeId, "I3", 10},
    {"a_commit_loses_its_decisions", Planted::kLosesTheIntent, "I4", 10},
    {"a_commit_in_doubt_is_taken_for_a_no", Planted::kSaysNo, "I5", 40},
    {"a_lost_commit_is_taken_for_a_yes", Planted::kSaysYes, "I5", 40},
};
class PlantedBug : public testing::TestWithParam<Bug> {};

TEST_P(PlantedBug, IsFound) {
  const Bug& bug = GetParam();
  for (std::uint64_t seed = 1; seed <= bug.within; ++seed) {
    const Outcome run = simulate({.seed = seed, .planted = bug.planted});
    if (!run.violation || !run.violation->starts_with(bug.found_as)) continue;
    RecordProperty("seed", std::to_string(seed));
    RecordProperty("found", *run.violation);
    // And again: a seed is all that it takes.
    const Outcome again = simulate({.seed = seed, .planted = bug.planted});
    EXPECT_EQ(again.violation, run.violation);
    EXPECT_EQ(again.trace_hash, run.trace_hash);
    return;
  }
  FAIL() << "not found within " << bug.within << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Simulation, PlantedBug, testing::ValuesIn(kBugs),
                         [](const auto& bug) { return std::string(bug.param.name); });

}  // namespace
}  // namespace stint::sim
