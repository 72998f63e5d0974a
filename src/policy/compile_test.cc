// What is no policy set, and where it says so.
#include <string>
#include <vector>

#include "sets_for_test.h"

namespace stint::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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

}  // namespace
}  // namespace stint::policy
