#include <gtest/gtest.h>

#include <set>
#include <string>

#include "fleet.h"

namespace stint::sim {
namespace {

constexpr std::uint64_t kSeeds = 50;  // of each of four

std::string told(const Outcome& run, std::uint64_t seed) {
  std::string out = "seed " + std::to_string(seed) + ": " + run.violation.value_or("") +
                    "\nagain: stint-sim --seed=" + std::to_string(seed) + "\n";
  for (const auto& line : run.trace) out += line + "\n";
  return out;
}

TEST(Simulation, OneSeedGivesOneRun) {
  std::set<std::uint64_t> traces;
  std::uint64_t doubts = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const Outcome a = simulate({.seed = seed}), b = simulate({.seed = seed});
    EXPECT_EQ(a.trace_hash, b.trace_hash) << seed;
    EXPECT_EQ(a.events, b.events) << seed;
    EXPECT_EQ(a.probes, b.probes) << seed;
    traces.insert(a.trace_hash);
    for (const auto& [name, count] : a.probes)
      if (name.starts_with("in doubt: ")) doubts += count;
  }
  EXPECT_EQ(traces.size(), 8U);
  EXPECT_GT(doubts, 0U);  // how long the writer looks for what came of a commit is the seed's too
}

// S1-S4, S7; rules 2-7 and 10.
class Seeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, EveryInvariantHoldsAndEachRareBranchRan) {
  Probes all;
  for (std::uint64_t seed = GetParam(); seed < GetParam() + kSeeds; ++seed) {
    const Outcome run = simulate({.seed = seed});
    ASSERT_FALSE(run.violation) << told(run, seed);
    for (const auto& [name, count] : run.probes) all[name] += count;
  }
  for (const auto& name : rare_branches()) EXPECT_GT(all[name], 0U) << name;
}

INSTANTIATE_TEST_SUITE_P(Simulation, Seeds, testing::Values(1, 51, 101, 151),
                         [](const auto& from) { return "from_" + std::to_string(from.param); });

struct Bug {
  const char* name;
  Planted planted;
  std::string_view found_as;
  std::uint64_t within;  // seeds
};
// Each stands for a mistake that the code could have. Those of the follower, of the reaper, of node
// ids and of the view's bound take away a part of the service itself, the others what it relies on.
constexpr Bug kBugs[] = {
    {"a_close_is_acknowledged_and_not_kept", Planted::kLosesTheClose, "I1", 10},
    {"a_view_without_a_bound", Planted::kTrustsForLong, "I2", 40},
    {"a_clock_that_stands_still_with_its_process", Planted::kClockStops, "I2", 40},
    {"two_nodes_take_themselves_for_one", Planted::kOneNodeId, "I3", 10},
    {"the_reaper_makes_no_checkpoint", Planted::kNeverPublishes, "I3", 10},
    {"a_commit_loses_its_decisions", Planted::kLosesTheIntent, "I4", 10},
    {"a_commit_in_doubt_is_taken_for_a_no", Planted::kSaysNo, "I5", 40},
    {"a_lost_commit_is_taken_for_a_yes", Planted::kSaysYes, "I5", 40},
    {"a_feed_says_that_it_has_read", Planted::kAnswersUnread, "I5", 40},
    {"a_task_that_cannot_be_asked_about_is_taken_for_closed", Planted::kTakesSilenceForEnd, "I5",
     40},
    {"a_view_does_not_follow_other_nodes", Planted::kFollowsNobody, "I5", 10},
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
