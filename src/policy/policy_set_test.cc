// What a policy set decides, and why.
#include <string>
#include <thread>
#include <vector>

#include "encode.h"
#include "engine.h"
#include "sets_for_test.h"

namespace stint::policy {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(PolicySet, NoPolicyDeniesEverything) {
  const PolicySet none = compiled("");
  const Decision d = none.decide(granted_read());
  EXPECT_EQ(d.outcome, Outcome::kDeny);
  EXPECT_EQ(d.reason, "no policy permits it");
  EXPECT_FALSE(d.error);
}

TEST(PolicySet, AFailingPermitDeniesWhatAnotherPermits) {
  const PolicySet set = compiled(
      "@id(\"all\") permit(principal, action, resource);\n"
      "@id(\"overflows\") permit(principal, action, resource)"
      " when { context.task.age * 2 > 1 };");
  Facts f = granted_read();
  EXPECT_EQ(set.decide(f).outcome, Outcome::kPermit);
  f.task.age_seconds = std::int64_t{1} << 62;
  const Decision d = set.decide(f);
  EXPECT_EQ(d.outcome, Outcome::kDeny);
  EXPECT_TRUE(d.error);
  EXPECT_EQ(d.reason, "a policy failed to evaluate");
  EXPECT_THAT(d.policies, IsEmpty());
}

struct Unreadable {
  const char* name;
  void (*spoil)(Facts&);
  const char* reason;
};
TEST(PolicySet, FactsThatCannotBeReadDeny) {
  const PolicySet set = compiled(
      "@id(\"all\") permit(principal, action, resource);\n"
      "@id(\"never\") forbid(principal, action, resource) when { context.request.path == \"x\" ||"
      " context.task.grants.contains(\"x\") || context.request.arguments.hasTag(\"x\") ||"
      " (context.request has ip && context.request.ip.isInRange(ip(\"10.0.0.0/8\"))) };");
  const Unreadable rows[] = {
      {"utf8", [](Facts& f) { f.request.path = "\xff"; }, "the facts could not be read"},
      {"ip", [](Facts& f) { f.request.ip = "no-address"; }, "the facts could not be read"},
      {"text", [](Facts& f) { f.request.path = std::string(70'000, 'a'); },
       "the facts are over a limit"},
      {"list", [](Facts& f) { f.task.grants.assign(257, "a"); }, "the facts are over a limit"},
      {"sum", [](Facts& f) { f.task.grants.assign(200, std::string(400, 'a')); },
       "the facts are over a limit"},
  };
  Facts fine = granted_read();
  fine.request.ip = "192.0.2.7";
  EXPECT_EQ(set.decide(fine).outcome, Outcome::kPermit);
  for (const Unreadable& row : rows) {
    Facts f = fine;
    row.spoil(f);
    const Decision d = set.decide(f);
    EXPECT_EQ(d.outcome, Outcome::kDeny) << row.name;
    EXPECT_TRUE(d.error) << row.name;
    EXPECT_EQ(d.reason, row.reason) << row.name;
  }
}

// Rule 9: a human cannot approve their own high-risk call where policy asks for four eyes.
TEST(PolicySet, FourEyesIsAskedForAndHeldTo) {
  const PolicySet set = compiled(
      "@id(\"all\") permit(principal, action, resource);\n"
      "@id(\"two\") @ask(\"security\") forbid(principal, action, resource)"
      " when { context.class == \"delete\" }"
      " unless { context.approval.granted && context.approval.four_eyes };");
  Facts f = granted_read();
  f.action_class = "delete";
  Decision d = set.decide(f);
  EXPECT_EQ(d.outcome, Outcome::kAsk);
  EXPECT_THAT(d.approvers, ElementsAre("security"));
  EXPECT_TRUE(d.four_eyes);
  f.approval = ApprovalFacts{.granted = true, .by = "ann", .four_eyes = false};
  EXPECT_EQ(set.decide(f).outcome, Outcome::kAsk);
  f.approval->four_eyes = true;
  EXPECT_EQ(set.decide(f).outcome, Outcome::kPermit);
}

TEST(PolicySet, SeveralAsksNameAllGroupsAndForTaskNeedsAll) {
  const std::string ask =
      " forbid(principal, action, resource) unless { context.approval.granted };\n";
  const std::string all = "@id(\"all\") permit(principal, action, resource);\n";
  const PolicySet both = compiled(all + "@id(\"a\") @ask(\"zed\") @for_task(\"allowed\")" + ask +
                                  "@id(\"b\") @ask" + ask);
  Decision d = both.decide(granted_read());
  EXPECT_EQ(d.outcome, Outcome::kAsk);
  EXPECT_THAT(d.policies, ElementsAre("a", "b"));
  EXPECT_THAT(d.approvers, ElementsAre("approvers", "zed"));
  EXPECT_FALSE(d.for_task);
  EXPECT_FALSE(d.four_eyes);
  const PolicySet one = compiled(all + "@ask(\"zed\") @for_task(\"allowed\")" + ask);
  d = one.decide(granted_read());
  EXPECT_TRUE(d.for_task);
  EXPECT_THAT(d.policies, ElementsAre("own.cedar:2"));
}

// Heads that name an agent or an upstream are looked up, not evaluated: both ways must agree.
TEST(PolicySet, HeadsMatchOnlyTheirOwn) {
  const PolicySet set = compiled(
      "@id(\"coder-forge\") permit(principal == Agent::\"coder\", action == Action::\"call\","
      " resource == Upstream::\"forge\");\n"
      "@id(\"any-wiki\") permit(principal, action, resource == Upstream::\"wiki\");\n"
      "@id(\"ci-opens\") permit(principal == Agent::\"ci\","
      " action in [Action::\"task.open\", Action::\"token.mint\"], resource);\n"
      "@id(\"not-this-task\") forbid(principal, action, resource == Task::\"forge\");");
  Facts f = granted_read();
  EXPECT_THAT(set.decide(f).policies, ElementsAre("coder-forge"));
  f.upstream.name = "wiki";
  EXPECT_THAT(set.decide(f).policies, ElementsAre("any-wiki"));
  f.agent.name = "ci";
  EXPECT_THAT(set.decide(f).policies, ElementsAre("any-wiki"));
  f.upstream.name = "forge";
  EXPECT_EQ(set.decide(f).reason, "no policy permits it");
  f.operation = Operation::kOpen;
  EXPECT_THAT(set.decide(f).policies, ElementsAre("ci-opens"));
  f.task.id = "forge";
  EXPECT_THAT(set.decide(f).policies, ElementsAre("not-this-task"));
  EXPECT_EQ(set.decide(f).outcome, Outcome::kDeny);
}

// The same for a condition that starts with an action's name, a failing rest included.
TEST(PolicySet, AConditionThatStartsWithAnActionMatchesOnlyIt) {
  const PolicySet set = compiled(
      "@id(\"all\") permit(principal, action, resource);\n"
      "@id(\"no-push\") forbid(principal, action, resource) when { context.action == \"git.push\" "
      "};\n"
      "@id(\"no-open\") forbid(principal, action, resource) when { \"task.open\" == context.action "
      "};\n"
      "@id(\"fails\") forbid(principal, action, resource)"
      " when { context.action == \"git.gc\" && 9223372036854775807 + context.task.depth > 0 };");
  Facts f = granted_read();
  f.task.depth = 1;
  EXPECT_THAT(set.decide(f).policies, ElementsAre("all"));
  f.action = "git.push";
  EXPECT_THAT(set.decide(f).policies, ElementsAre("no-push"));
  f.action = "git.gc";
  EXPECT_TRUE(set.decide(f).error);
  f.operation = Operation::kOpen;
  EXPECT_THAT(set.decide(f).policies, ElementsAre("no-open"));
}

TEST(PolicySet, ArgumentsAreTags) {
  const PolicySet set = compiled(
      "permit(principal, action, resource) when { context.request.arguments.hasTag(\"force\") &&"
      " context.request.arguments.getTag(\"force\") == \"false\" };");
  Facts f = granted_read();
  EXPECT_EQ(set.decide(f).outcome, Outcome::kDeny);
  f.request.arguments["force"] = "false";
  EXPECT_EQ(set.decide(f).outcome, Outcome::kPermit);
}

TEST(PolicySet, EveryFactConformsToThePublishedSchema) {
  const PolicySet set = pack();
  const auto& inside = Inside::of(set);
  Facts f = granted_read();
  f.human = HumanFacts{"ann", {"staff"}, true};
  f.request.ip = "2001:db8::1";
  f.request.arguments["a"] = "b";
  f.task.requests_left = 3;
  f.task.bytes_left = 4;
  f.task.grants = {"forge:git.fetch"};
  f.approval = ApprovalFacts{true, "ann", 3, true};
  for (const Operation op :
       {Operation::kCall, Operation::kOpen, Operation::kDelegate, Operation::kMint}) {
    f.operation = op;
    EXPECT_EQ(inside.evaluate(f, kAllFacts, true).kind, Verdict::Kind::kPermit) << text(op);
  }
  f.operation = Operation::kCall;
  Facts least = granted_read();
  EXPECT_EQ(inside.evaluate(least, kAllFacts, true).kind, Verdict::Kind::kPermit);
  // The check can fail: the schema wants approval.
  f.approval.reset();
  EXPECT_EQ(inside.evaluate(f, kAllFacts, true).kind, Verdict::Kind::kUnreadable);
}

TEST(PolicySet, HostileBytesAreRefused) {
  const PolicySet set = pack();
  const auto& inside = Inside::of(set);
  const auto good = encode(granted_read(), kAllFacts);
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(inside.evaluate(*good).kind, Verdict::Kind::kPermit);
  for (std::size_t n = 0; n < good->size(); ++n) {
    EXPECT_EQ(inside.evaluate(std::string_view(*good).substr(0, n)).kind,
              Verdict::Kind::kUnreadable);
  }
  EXPECT_EQ(inside.evaluate(*good + "x").kind, Verdict::Kind::kUnreadable);
}

TEST(PolicySet, SaysWhatItReads) {
  const PolicySet set = compiled(
      "@id(\"a\") @because(\"b\") @unless_text(\"c\") permit(principal, action, resource)\n"
      "when { context.granted && context has human && principal.owner == \"x\" };");
  EXPECT_THAT(set.reads(), ElementsAre("granted", "human", "human.id", "human.groups",
                                       "human.present", "principal.owner"));
  ASSERT_EQ(set.policies().size(), 1u);
  EXPECT_EQ(set.find("a"), &set.policies()[0]);
  EXPECT_EQ(set.find("z"), nullptr);
  EXPECT_EQ(set.policies()[0].because, "b");
  EXPECT_EQ(set.policies()[0].unless, "c");
  EXPECT_EQ(set.policies()[0].line, 1u);
}

TEST(PolicySet, ThePackNeverReadsTheClock) {
  // So repeated calls of one task are remembered.
  const auto reads = pack().reads();
  for (const char* changing : {"task.age", "request.hour", "request.minute", "request.path"}) {
    EXPECT_THAT(reads, testing::Not(Contains(changing)));
  }
}

TEST(PolicySet, ThreadsShareASet) {
  const PolicySet set = pack();
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&set, &wrong, t] {
      for (int i = 0; i < 500; ++i) {
        Facts f = granted_read();
        f.agent.name = "agent-" + std::to_string((i + t) % 50);
        f.granted = (i % 3) != 0;
        if ((set.decide(f).outcome == Outcome::kPermit) != f.granted) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Explain, SaysWhichPolicyWhichFactAndWhatToChange) {
  const PolicySet set = pack();
  Facts f = granted_read();
  f.action = "git.ref.delete";
  f.action_class = "delete";
  f.resource = "acme/app.git";
  const std::string ask = explain(set, f, set.decide(f));
  EXPECT_EQ(
      ask,
      "Held for approval: git.ref.delete (delete) at forge on acme/app.git by agent coder: an "
      "approval is needed.\n"
      "  high-risk-asks (policies/high_risk.cedar line 2): Exporting, deleting, sharing, "
      "changing privileges and handing out credentials are asked.\n"
      "    class is \"delete\"\n"
      "    approval is true\n"
      "    approval.granted is false\n"
      "What would have to change:\n"
      "  a member of approvers approves exactly this call\n");
  f.granted = false;
  f.action_class = "read";
  const std::string outside = explain(set, f, set.decide(f));
  EXPECT_THAT(outside, HasSubstr("no policy permits it"));
  EXPECT_THAT(outside, HasSubstr("a grant for forge:git.ref.delete that covers acme/app.git"));
  f.task.environment = "production";
  const std::string reference = explain(set, f, set.decide(f));
  EXPECT_THAT(reference, HasSubstr("task.has_reference is false"));
  EXPECT_THAT(reference, HasSubstr("the task is opened with a reference"));
  f = granted_read();
  f.risk.score = 50;
  EXPECT_THAT(explain(set, f, set.decide(f)), HasSubstr("a proof that answers a new nonce"));
  f.action_class = "delete";
  f.granted = false;
  EXPECT_THAT(explain(set, f, set.decide(f)), HasSubstr("an approval alone would not do"));
  f.approval.reset();
  const std::string failed = explain(set, f, set.decide(f));
  EXPECT_THAT(failed, HasSubstr("a policy failed to evaluate"));
  EXPECT_THAT(failed, HasSubstr("high-risk-asks"));
  EXPECT_THAT(failed, HasSubstr("approval.granted is absent"));
  f = granted_read();
  EXPECT_THAT(explain(set, f, set.decide(f)), HasSubstr("Permitted: git.fetch (read) at forge"));
}

TEST(Outcome, HasWordsAndProblems) {
  EXPECT_EQ(text(Outcome::kAsk), "ask");
  EXPECT_EQ(problem(Outcome::kAsk), "urn:stint:problem:approval-required");
  EXPECT_EQ(problem(Outcome::kDeny), "urn:stint:problem:denied");
  EXPECT_EQ(problem(Outcome::kPermit), "");
}

}  // namespace
}  // namespace stint::policy
