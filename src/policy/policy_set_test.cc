#include "stint/policy/policy_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "encode.h"
#include "engine.h"
#include "stint/policy/pack.h"

namespace stint::policy {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

PolicySet compiled(const std::string& text, const Vocabulary& known = {}) {
  auto set = PolicySet::compile({{"own.cedar", text}}, known);
  if (!set) {
    ADD_FAILURE() << set.error().front().message;
    std::abort();
  }
  return *set;
}

PolicySet pack() {
  auto set = PolicySet::compile(shipped_pack());
  if (!set) {
    for (const auto& p : set.error()) ADD_FAILURE() << p.file << ":" << p.line << " " << p.message;
    std::abort();
  }
  return *set;
}

Facts granted_read() {
  Facts f;
  f.action = "git.fetch";
  f.action_class = "read";
  f.granted = true;
  f.agent.name = "coder";
  f.upstream.name = "forge";
  return f;
}

struct Refused {
  const char* name;
  std::string text;
  std::size_t line, column;
  std::vector<const char*> words;
};
class Refuses : public testing::TestWithParam<Refused> {};

TEST_P(Refuses, WithItsPlace) {
  const Refused& r = GetParam();
  Vocabulary known{.actions = {"git.push", "git.fetch"},
                   .upstreams = {"forge"},
                   .agents = {"coder"},
                   .has_actions = true,
                   .has_upstreams = true,
                   .has_agents = true};
  const auto set = PolicySet::compile(
      {{"fine.cedar", "@id(\"fine\") permit(principal, action, resource);"}, {"own.cedar", r.text}},
      known);
  ASSERT_FALSE(set.has_value());
  ASSERT_FALSE(set.error().empty());
  const PolicyProblem& p = set.error().front();
  EXPECT_EQ(p.file, "own.cedar");
  EXPECT_EQ(p.line, r.line) << p.message;
  EXPECT_EQ(p.column, r.column) << p.message;
  for (const char* word : r.words) EXPECT_THAT(p.message, HasSubstr(word));
}

const std::string kHead = "permit(principal, action, resource)\n";
const std::string kForbid = "forbid(principal, action, resource)\n";

INSTANTIATE_TEST_SUITE_P(
    Policy, Refuses,
    testing::Values(
        Refused{"syntax", kHead + "when { context.granted }", 2, 25, {"unexpected end"}},
        Refused{"attribute", kHead + "when { context.grantd };", 2, 8, {"grantd", "`granted`"}},
        Refused{"nested_attribute",
                kHead + "when { context.task.purpos == \"\" };",
                2,
                8,
                {"purpos", "`purpose`"}},
        Refused{"cedar_action",
                "permit(principal, action == Action::\"task.opn\", resource);",
                1,
                29,
                {"task.opn", "task.open"}},
        Refused{"entity_type",
                "permit(principal == Agnt::\"x\", action, resource);",
                1,
                21,
                {"Agnt", "Agent"}},
        Refused{"type_error", kHead + "when { context.task.age == \"old\" };", 2, 8, {"type"}},
        Refused{"optional_unguarded", kHead + "when { context.human.present };", 2, 8, {"human"}},
        Refused{"never_true", kHead + "when { false };", 1, 1, {}},
        Refused{
            "template", "permit(principal == ?principal, action, resource);", 1, 21, {"template"}},
        Refused{"upstream_action",
                kHead + "when { context.action == \"git.psh\" };",
                2,
                26,
                {"unknown action `git.psh`", "did you mean `git.push`?"}},
        Refused{"upstream",
                "permit(principal, action, resource == Upstream::\"forg\");",
                1,
                49,
                {"unknown upstream `forg`", "`forge`"}},
        Refused{"agent",
                "permit(principal == Agent::\"codr\", action, resource);",
                1,
                28,
                {"unknown agent `codr`", "`coder`"}},
        Refused{"annotation",
                "@becuase(\"x\")\n" + kHead + ";",
                1,
                1,
                {"unknown annotation `@becuase`", "`because`"}},
        Refused{"id_form", "@id(\"Not_Kebab\")\n" + kHead + ";", 1, 1, {"@id must be"}},
        Refused{"id_taken",
                "@id(\"fine\")\n" + kHead + ";",
                1,
                1,
                {"policy id `fine` is taken by fine.cedar line 1"}},
        Refused{"ask_on_permit",
                "@ask(\"a\")\n" + kHead + "when { context.approval.granted };",
                1,
                1,
                {"@ask belongs on a forbid"}},
        Refused{"ask_unread",
                "@ask(\"a\")\n" + kForbid + "when { context.granted };",
                1,
                1,
                {"@ask without context.approval.granted"}},
        Refused{"ask_group",
                "@ask(\"a b\")\n" + kForbid + "unless { context.approval.granted };",
                1,
                1,
                {"name of a group"}},
        Refused{"for_task_alone",
                "@for_task(\"allowed\")\n" + kForbid + ";",
                1,
                1,
                {"@for_task without @ask"}},
        Refused{"step_up_unread", "@step_up\n" + kForbid + ";", 1, 1, {"@step_up without"}},
        Refused{"close_and_ask",
                "@ask(\"a\") @close\n" + kForbid + "unless { context.approval.granted };",
                1,
                11,
                {"@close with @ask"}},
        Refused{"second_line", kHead + ";\n\n" + kHead + "when { context.x };", 5, 8, {"`x`"}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(PolicySet, RefusesOverLimits) {
  const auto big = PolicySet::compile({{"big.cedar", std::string(256 * 1024 + 1, ' ')}});
  ASSERT_FALSE(big.has_value());
  EXPECT_THAT(big.error(),
              ElementsAre(PolicyProblem{"big.cedar", 0, 0, "policy file over 256 KiB"}));
  const auto bytes = PolicySet::compile({{"bytes.cedar", "permit\xff"}});
  ASSERT_FALSE(bytes.has_value());
  EXPECT_EQ(bytes.error().front().message, "the files are not UTF-8 text");
}

std::string repeat(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

// Cedar alone dies of the first and accepts, unchecked, the others.
TEST(PolicySet, RefusesWhatWouldExhaustTheStack) {
  const std::string chained = "a policy nested or chained more than 256 deep";
  const std::pair<std::string, std::string> rows[] = {
      {repeat("(", 1000) + "true" + repeat(")", 1000), "more than 32 nested brackets"},
      {repeat("[", 33) + "1" + repeat("]", 33) + " == [1]", "more than 32 nested brackets"},
      {"context" + repeat(".a", 5000), chained},
      {"context.task.grants" + repeat(".contains(1)", 700), chained},
      {"1" + repeat("+1", 5000) + " == 2", chained},
      {repeat("if true then true else ", 700) + "true", chained},
      {"context.granted" + repeat("||context.granted", 400), chained},
      {"context.granted } " + repeat("when{context.granted}", 100) + "when { context.granted",
       chained},
      {"context.granted" + repeat("||context.granted", 1000), "a policy of more than 16 KiB"},
      {repeat("!", 5) + "context.granted", "too many occurrences"},
      {"\"", "a string without an end"},
  };
  for (const auto& [condition, message] : rows) {
    const std::string head = "permit(principal, action, resource) when { ";
    const auto set = PolicySet::compile({{"deep.cedar", head + condition + " };"}});
    ASSERT_FALSE(set.has_value()) << message;
    EXPECT_THAT(set.error().front().message, HasSubstr(message));
  }
  // What is under the limits still works.
  const PolicySet set = compiled("permit(principal, action, resource) when { context.granted" +
                                 repeat("||context.granted", 240) + " };");
  EXPECT_EQ(set.decide(granted_read()).outcome, Outcome::kPermit);
}

TEST(PolicySet, OneMistakeIsOneProblem) {
  const auto set = PolicySet::compile({{"own.cedar", kHead + "when { context.grantd };\n" + kHead +
                                                         "when { context.clas == \"\" };"}});
  ASSERT_FALSE(set.has_value());
  ASSERT_EQ(set.error().size(), 2u);
  EXPECT_EQ(set.error()[0].line, 2u);
  EXPECT_EQ(set.error()[1].line, 4u);
}

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
