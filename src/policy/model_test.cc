#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "encode.h"
#include "engine.h"
#include "stint/policy/pack.h"

namespace stint::policy {
namespace {

using Names = std::set<std::string>;

const PolicySet& pack() {
  static const PolicySet set = *PolicySet::compile(shipped_pack());
  return set;
}

// The shipped pack once more, in the plainest words: which rule forbids, which permits.
Names forbids(const Facts& f, bool approved, bool fresh) {
  const Names high_risk = {"export", "delete", "share", "privilege", "credential"};
  const Names low_risk = {"read", "write", "execute"};
  const std::map<std::string, int> level = {
      {"public", 0}, {"internal", 1}, {"confidential", 2}, {"restricted", 3}};
  const bool call = f.operation == Operation::kCall;
  const bool mint = f.operation == Operation::kMint;
  Names out;
  if (f.agent.status != "active") out.insert("agent-is-active");
  if (f.task.environment == "production" && f.task.reference.empty()) {
    out.insert("production-needs-reference");
  }
  if (f.risk.score >= 90) out.insert("risk-closes");
  if (f.risk.score >= 70 && (call || mint) && !approved) out.insert("risk-asks");
  if (f.risk.score >= 50 && (call || mint) && !fresh) out.insert("risk-steps-up");
  if (!call) return out;
  if (level.at(f.upstream.sensitivity) > level.at(f.task.ceiling)) out.insert("within-ceiling");
  if (high_risk.contains(f.action_class) && !approved) out.insert("high-risk-asks");
  if (!high_risk.contains(f.action_class) && !low_risk.contains(f.action_class) && !approved) {
    out.insert("unclassified-asks");
  }
  if (f.task.inherits_human_read && f.action_class != "read") {
    out.insert("inherited-read-only-reads");
  }
  return out;
}

Names permits(const Facts& f) {
  switch (f.operation) {
    case Operation::kCall:
      return f.granted ? Names{"within-grants"} : Names{};
    case Operation::kOpen:
      return f.task.autonomous ? Names{} : Names{"open-for-a-human"};
    case Operation::kDelegate:
      return {"delegate-within-parent"};
    case Operation::kMint:
      return {"mint-in-task"};
  }
  __builtin_trap();
}

std::vector<std::string> list(const Names& names) { return {names.begin(), names.end()}; }

Decision model(const Facts& f) {
  const Names no = forbids(f, f.approval->granted, f.request.fresh_proof);
  const Names yes = permits(f);
  if (no.empty() && yes.empty()) return {.reason = "no policy permits it"};
  if (no.empty()) {
    return {.outcome = Outcome::kPermit, .policies = list(yes), .reason = "permitted by policy"};
  }
  Decision d{
      .policies = list(no), .close = no.contains("risk-closes"), .reason = "a policy forbids it"};
  // What neither an approval nor a fresh proof lifts stays.
  const bool hopeless = yes.empty() || !forbids(f, true, true).empty();
  if (hopeless) return d;
  if (no.contains("risk-steps-up")) {
    d.step_up = true;
    d.reason = "a fresh proof is needed";
    return d;
  }
  d.outcome = Outcome::kAsk;
  d.approvers = {"approvers"};
  d.for_task = no == Names{"unclassified-asks"};
  d.reason = "an approval is needed";
  return d;
}

template <class T>
T pick(const std::vector<T>& values) {
  return *rc::gen::elementOf(values);
}

Facts any_facts() {
  const std::vector<std::string> levels = {"public", "internal", "confidential", "restricted"};
  const std::vector<std::string> classes = {"read",         "write", "execute",   "export",
                                            "delete",       "share", "privilege", "credential",
                                            "unclassified", "odd"};
  // Mostly fine, so that each rule also decides alone.
  const auto rarely = [] { return *rc::gen::inRange(0, 6) == 0; };
  Facts f;
  f.operation = static_cast<Operation>(*rc::gen::inRange(0, 8) % 5 % 4);
  f.action = pick<std::string>({"git.fetch", "git.push"});
  f.action_class = pick(classes);
  f.granted = !rarely();
  f.resource = pick<std::string>({"", "acme/app.git"});
  f.upstream.name = pick<std::string>({"forge", "wiki"});
  f.upstream.sensitivity = rarely() ? pick(levels) : "public";
  f.task.ceiling = rarely() ? pick(levels) : "restricted";
  f.task.id = pick<std::string>({"task_1", "task_2"});
  f.task.environment = pick<std::string>({"", "production", "development"});
  f.task.reference = rarely() ? "" : "OPS-1";
  f.task.autonomous = rarely();
  f.task.inherits_human_read = rarely();
  f.task.age_seconds = *rc::gen::inRange(0, 5);
  f.agent.name = pick<std::string>({"coder", "ci"});
  f.agent.status = rarely() ? pick<std::string>({"suspended", "retired"}) : "active";
  f.risk.score = rarely() ? pick<std::int64_t>({49, 50, 69, 70, 89, 90, 100}) : 0;
  f.request.fresh_proof = *rc::gen::arbitrary<bool>();
  f.request.path = pick<std::string>({"/a", "/b"});
  f.request.ip = pick<std::string>({"", "192.0.2.1"});
  f.approval->granted = rarely();
  f.approval->four_eyes = *rc::gen::arbitrary<bool>();
  if (!f.task.autonomous) f.human = HumanFacts{"ann", {"staff"}, *rc::gen::arbitrary<bool>()};
  return f;
}

void explain_difference(const Decision& want, const Decision& got) {
  RC_ASSERT(text(got.outcome) == text(want.outcome));
  RC_ASSERT(got.reason == want.reason);
  RC_ASSERT(got.policies == want.policies);
  RC_ASSERT(got.approvers == want.approvers);
  RC_ASSERT(got.step_up == want.step_up);
  RC_ASSERT(got.close == want.close);
  RC_ASSERT(got == want);
}

RC_GTEST_PROP(ShippedPack, DecidesAsThePlainModelDoes, ()) {
  for (int i = 0; i < 20; ++i) {
    const Facts f = any_facts();
    explain_difference(model(f), pack().decide(f));
  }
}

// Rule 9 and "nobody is asked for what no approval could permit".
RC_GTEST_PROP(ShippedPack, AnAskIsPermittedOnceApproved, ()) {
  Facts f = any_facts();
  if (pack().decide(f).outcome != Outcome::kAsk) return;
  f.approval->granted = f.approval->four_eyes = true;
  RC_ASSERT(pack().decide(f).outcome == Outcome::kPermit);
}

// The memo and the projection are an optimisation only. The policies here read odd corners: bare
// records, `has`, a whole record compared, sets, tags, arithmetic that can fail.
const PolicySet& odd_corners() {
  static const PolicySet set = *PolicySet::compile({{"odd.cedar", R"(
    permit(principal, action, resource) when { context.granted };
    permit(principal, action, resource) when { context has human && context.human.present };
    forbid(principal == Agent::"ci", action == Action::"call", resource == Upstream::"wiki")
      when { context.request has ip && context.request.ip.isInRange(ip("192.0.2.0/24")) };
    @ask("a") forbid(principal, action, resource) when { context.task.age * 4611686018427387904 > 3 }
      unless { context.approval.granted && context.approval.four_eyes };
    forbid(principal, action == Action::"call", resource)
      when { context.action == "git.push" && context.task.age * 4611686018427387904 == 0 };
    forbid(principal, action == Action::"call", resource)
      when { resource.labels.contains("frozen") && context.request.path like "/b*" };
    permit(principal, action, resource)
      when { (if context.task has requests_left then context.task.requests_left else 9) > 8 };
  )"}});
  return set;
}

RC_GTEST_PROP(Memo, DecidesAsWithoutIt, ()) {
  for (int i = 0; i < 20; ++i) {
    Facts f = any_facts();
    if (*rc::gen::arbitrary<bool>()) f.upstream.labels = {"frozen"};
    if (*rc::gen::arbitrary<bool>()) f.task.requests_left = *rc::gen::inRange(0, 12);
    if (*rc::gen::inRange(0, 9) == 0) f.approval.reset();
    for (const PolicySet* set : {&pack(), &odd_corners()}) {
      const Decision plain = set->decide_plainly(f);
      RC_ASSERT(set->decide(f) == plain);
      RC_ASSERT(set->decide(f) == plain);  // now remembered
    }
  }
}

// Equal keys mean equal decisions: a key holds every fact that a policy can read. Change any one
// fact: either the key changes, or the plain decision does not.
RC_GTEST_PROP(Memo, TheKeyHoldsEveryFactThatMatters, ()) {
  Facts f = any_facts();
  Facts g = any_facts();
  const std::vector<void (*)(Facts&, const Facts&)> changes = {
      [](Facts& a, const Facts& b) { a.operation = b.operation; },
      [](Facts& a, const Facts& b) { a.action = b.action; },
      [](Facts& a, const Facts& b) { a.action_class = b.action_class; },
      [](Facts& a, const Facts& b) { a.granted = b.granted; },
      [](Facts& a, const Facts& b) { a.resource = b.resource; },
      [](Facts& a, const Facts& b) { a.upstream = b.upstream; },
      [](Facts& a, const Facts& b) { a.task = b.task; },
      [](Facts& a, const Facts& b) { a.task.age_seconds = b.task.age_seconds; },
      [](Facts& a, const Facts& b) { a.human = b.human; },
      [](Facts& a, const Facts& b) { a.agent = b.agent; },
      [](Facts& a, const Facts& b) { a.request = b.request; },
      [](Facts& a, const Facts& b) { a.risk = b.risk; },
      [](Facts& a, const Facts& b) { a.approval = b.approval; },
  };
  for (const auto change : changes) {
    Facts changed = f;
    change(changed, g);
    for (const PolicySet* set : {&pack(), &odd_corners()}) {
      const std::uint64_t mask = Inside::of(*set).mask;
      if (*encode(f, mask) == *encode(changed, mask)) {
        RC_ASSERT(set->decide_plainly(f) == set->decide_plainly(changed));
      }
    }
  }
}

TEST(Memo, IsBoundedAndKeepsTheLatest) {
  const Memo memo;
  const auto decision = std::make_shared<const Decision>();
  for (int i = 0; i < 20'000; ++i) memo.keep(std::to_string(i), decision);
  int kept = 0;
  for (int i = 0; i < 20'000; ++i) kept += memo.find(std::to_string(i)) != nullptr;
  EXPECT_LE(kept, 4096);
  EXPECT_NE(memo.find("19999"), nullptr);
  EXPECT_EQ(memo.find("never"), nullptr);
  memo.keep(std::string(4096, 'a'), decision);
  EXPECT_EQ(memo.find(std::string(4096, 'a')), nullptr);
}

}  // namespace
}  // namespace stint::policy
