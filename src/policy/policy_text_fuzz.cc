#include <cstdint>
#include <cstdlib>
#include <string>

#include "stint/policy/policy_set.h"

// A hostile policy file. Oracles: a refusal names a place inside the file; what compiles decides
// the same with and without memo and projection, and never through a failure of the engine itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stint::policy;
  const PolicyFile file{"fuzz.cedar", {reinterpret_cast<const char*>(data), size}};
  const auto set = PolicySet::compile({file});
  if (!set) {
    if (set.error().empty()) std::abort();
    for (const PolicyProblem& p : set.error()) {
      if (p.message.empty() || p.column > size + 1 || p.line > size + 1) std::abort();
    }
    return 0;
  }
  Facts f;
  f.action = "git.push";
  f.agent.name = "coder";
  f.upstream.name = "forge";
  for (unsigned i = 0; i < 16; ++i) {
    f.operation = static_cast<Operation>(i % 4);
    f.action_class = (i & 1) != 0 ? "read" : "delete";
    f.granted = (i & 2) != 0;
    f.risk.score = (i & 4) != 0 ? 80 : 0;
    if ((i & 8) != 0) f.human = HumanFacts{"ann", {"staff"}, true};
    const Decision plain = set->decide_plainly(f);
    if (!(set->decide(f) == plain) || !(set->decide(f) == plain)) std::abort();
    if (plain.reason.empty() || plain.reason == "the policy engine failed") std::abort();
    if (plain.error && plain.outcome != Outcome::kDeny) std::abort();
    if (explain(*set, f, plain).empty()) std::abort();
  }
  return 0;
}
