// stint-sim [--from=N] [--seeds=N]: runs fleets, one a seed, and prints what they did.
// stint-sim --seed=N: one of them, with its whole trace.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>

#include "fleet.h"

namespace {

std::optional<std::uint64_t> number(std::string_view argument, std::string_view name) {
  if (!argument.starts_with(name)) return std::nullopt;
  argument.remove_prefix(name.size());
  std::uint64_t value = 0;
  const auto end = argument.data() + argument.size();
  if (std::from_chars(argument.data(), end, value).ptr != end) return std::nullopt;
  return value;
}

int replay(std::uint64_t seed) {
  const auto run = stint::sim::simulate({.seed = seed, .keep_trace = true});
  for (const auto& line : run.trace) fmt::print("{}\n", line);
  fmt::print("seed {}: {} steps, {} events, trace {:016x}: {}\n", seed, run.steps, run.events,
             run.trace_hash, run.violation.value_or("every invariant held"));
  return run.violation ? 1 : 0;
}

int run_many(std::uint64_t from, std::uint64_t seeds) {
  stint::sim::Probes probes;
  std::size_t steps = 0, events = 0, bad = 0;
  for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
    const auto run = stint::sim::simulate({.seed = seed});
    steps += run.steps;
    events += run.events;
    for (const auto& [name, count] : run.probes) probes[name] += count;
    if (!run.violation) continue;
    ++bad;
    fmt::print("seed {}: {}\n  again: stint-sim --seed={}\n", seed, *run.violation, seed);
    for (const auto& line : run.trace) fmt::print("    {}\n", line);
  }
  for (const auto& name : stint::sim::rare_branches()) {
    if (probes[name] > 0) continue;
    fmt::print("never ran: {}\n", name);
    ++bad;
  }
  for (const auto& [name, count] : probes) fmt::print("{:>10}  {}\n", count, name);
  fmt::print("{} seeds, {} steps, {} events, {} findings\n", seeds, steps, events, bad);
  return bad == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t from = 1, seeds = 200;
  std::optional<std::uint64_t> one;
  for (int i = 1; i < argc; ++i) {
    if (const auto value = number(argv[i], "--from=")) {
      from = *value;
    } else if (const auto many = number(argv[i], "--seeds=")) {
      seeds = *many;
    } else if (const auto single = number(argv[i], "--seed=")) {
      one = *single;
    } else {
      fmt::print(stderr, "usage: stint-sim [--from=N] [--seeds=N] | --seed=N\n");
      return 2;
    }
  }
  return one ? replay(*one) : run_many(from, seeds);
}
