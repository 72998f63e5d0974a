#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "stint/policy/pack.h"
#include "stint/policy/policy_set.h"

namespace stint::policy {
namespace {

Facts request(int i) {
  Facts f;
  f.action = "git.fetch";
  f.action_class = "read";
  f.granted = true;
  f.resource = "acme/app.git";
  f.agent = {
      .name = fmt::format("agent-{}", i % 16), .owner = "platform-team@example.com", .labels = {}};
  f.upstream = {.name = fmt::format("forge-{}", i % 100),
                .kind = "git",
                .sensitivity = "internal",
                .labels = {}};
  f.task.id = "task_00000000000000000000000000000000";
  f.task.purpose = "fix the typo in README";
  f.task.grants = {"forge:git.fetch", "forge:git.push"};
  f.human = HumanFacts{"ann@example.com", {"engineering", "approvers"}, true};
  f.request.ip = "192.0.2.7";
  f.request.method = "GET";
  f.request.path = "/acme/app.git/info/refs";
  return f;
}

// The pack and n more: a quarter names one upstream in its head, half starts with an action's name,
// an eighth must be evaluated for every call; all read what changes with every call.
PolicySet with(int n) {
  std::vector<PolicyFile> files = shipped_pack();
  std::string text;
  for (int i = 0; i < n; ++i) {
    const std::string head = fmt::format("@id(\"more-{}\") forbid(principal, action, resource", i);
    if (i % 4 == 0) {
      text += fmt::format("{} == Upstream::\"forge-{}\") when {{ context.task.age > {} }};\n", head,
                          i % 100 + 1, i);
    } else if (i % 8 == 1) {
      text += fmt::format("{}) when {{ context.task.age > 1000 + {} }};\n", head, i);
    } else {
      text += fmt::format("{}) when {{ context.action == \"a.{}\" && context.task.age > {} }};\n",
                          head, i, i);
    }
  }
  files.push_back({"more.cedar", text});
  auto set = PolicySet::compile(files);
  if (!set) std::abort();
  return *set;
}

// Calls of 16 agents: repeated, as the calls of a task are.
void repeated(benchmark::State& state) {
  const PolicySet set = with(static_cast<int>(state.range(0)));
  std::vector<Facts> all;
  for (int i = 0; i < 16; ++i) all.push_back(request(i));
  std::size_t i = 0;
  for (auto _ : state) {
    const Decision d = set.decide(all[i++ % all.size()]);
    if (d.outcome != Outcome::kPermit) {
      state.SkipWithError("not permitted");
      break;
    }
  }
}
BENCHMARK(repeated)->Arg(0)->Arg(1000);

// Every call is new to the memo.
void fresh(benchmark::State& state) {
  const PolicySet set = with(static_cast<int>(state.range(0)));
  Facts f = request(0);
  std::int64_t i = 0;
  for (auto _ : state) {
    f.task.ceiling = "confidential";
    f.risk.score = i % 50;
    f.agent.name = fmt::format("agent-{}", ++i);
    const Decision d = set.decide(f);
    if (d.outcome != Outcome::kPermit) {
      state.SkipWithError("not permitted");
      break;
    }
  }
}
BENCHMARK(fresh)->Arg(0)->Arg(1000);

// All facts handed over, nothing remembered.
void plain(benchmark::State& state) {
  const PolicySet set = with(static_cast<int>(state.range(0)));
  const Facts f = request(0);
  for (auto _ : state) {
    const Decision d = set.decide_plainly(f);
    if (d.outcome != Outcome::kPermit) {
      state.SkipWithError("not permitted");
      break;
    }
  }
}
BENCHMARK(plain)->Arg(0)->Arg(1000);

void compile(benchmark::State& state) {
  for (auto _ : state) {
    const PolicySet set = with(static_cast<int>(state.range(0)));
    if (set.policies().empty()) {
      state.SkipWithError("nothing compiled");
      break;
    }
  }
}
BENCHMARK(compile)->Arg(0)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace stint::policy
