// Promise S7 and rule 9: an approval is used once, only for its call, and never by the wrong
// person.
#include "stint/domain/approval.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <functional>

#include "tasks_for_test.h"

namespace stint::domain {
namespace {

using namespace std::chrono_literals;
const std::vector<std::string> kApprovers{"approvers"}, kOthers{"staff"};

TEST(Approval, PassesOnceAndOnlyOnce) {
  Approval a = approval_for_test();
  ASSERT_TRUE(answer(a, Answer::kOnce, "bob@example.com", kApprovers, std::nullopt, kNow));
  EXPECT_TRUE(consume(a, a.call, kNow).has_value());
  EXPECT_EQ(consume(a, a.call, kNow).error().reason.text(), "the approval is spent");
}

// Every member of the call is part of what was approved.
TEST(Approval, IsForExactlyItsCall) {
  const std::vector<std::function<void(Call&)>> changes = {
      [](Call& c) { c.task = TaskId({9}); },
      [](Call& c) { c.upstream = "other"; },
      [](Call& c) { c.action = "git.push"; },
      [](Call& c) { c.action_class = ActionClass::kRead; },
      [](Call& c) { c.resource = "demo/b.git"; },
      [](Call& c) { c.method = "GET"; },
      [](Call& c) { c.target += "?x"; },
      [](Call& c) { c.arguments += " "; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Approval a = approval_for_test();
    ASSERT_TRUE(answer(a, Answer::kOnce, "bob@example.com", kApprovers, std::nullopt, kNow));
    Call other = a.call;
    changes[i](other);
    const auto got = consume(a, other, kNow);
    ASSERT_FALSE(got.has_value()) << i;
    EXPECT_EQ(got.error().reason.text(), "the approval is for another call") << i;
    EXPECT_TRUE(consume(a, a.call, kNow).has_value()) << "a wrong try must not spend it";
  }
}

TEST(Approval, RefusesTheWrongPersonOrMoment) {
  struct Row {
    const char* name;
    std::function<void(Approval&)> change;
    Answer given;
    const char* human;
    const std::vector<std::string>& groups;
    WallTime at;
    std::string_view reason;
  };
  const Row rows[] = {
      {"group", [](auto&) {}, Answer::kOnce, "bob@x", kOthers, kNow, "not in an approver group"},
      {"expired", [](auto&) {}, Answer::kOnce, "bob@x", kApprovers, kNow + 10min,
       "the approval has expired"},
      {"four_eyes", [](auto& a) { a.four_eyes = true; }, Answer::kOnce, "alice@x", kApprovers, kNow,
       "four eyes: the task's own human may not approve"},
      {"for_task", [](auto&) {}, Answer::kForTask, "bob@x", kApprovers, kNow,
       "policy allows this call once only"},
      {"settled", [](auto& a) { a.state = ApprovalState::kRefused; }, Answer::kOnce, "bob@x",
       kApprovers, kNow, "the approval is settled"},
  };
  for (const Row& row : rows) {
    Approval a = approval_for_test();
    row.change(a);
    const auto before = a;
    const auto got = answer(a, row.given, row.human, row.groups, "alice@x", row.at);
    ASSERT_FALSE(got.has_value()) << row.name;
    EXPECT_EQ(got.error().reason.text(), row.reason) << row.name;
    EXPECT_EQ(a, before) << row.name;
  }
}

TEST(Approval, OwnHumanMayStillSayNo) {
  Approval a = approval_for_test();
  a.four_eyes = true;
  EXPECT_TRUE(answer(a, Answer::kNoAndEnd, "alice@x", kApprovers, "alice@x", kNow).has_value());
  EXPECT_EQ(consume(a, a.call, kNow).error().reason.text(), "the approval was refused");
}

TEST(Approval, ForTaskHoldsForTheSameActionOnly) {
  Approval a = approval_for_test();
  a.for_task_allowed = true;
  ASSERT_TRUE(answer(a, Answer::kForTask, "bob@x", kApprovers, std::nullopt, kNow));
  Call again = a.call;
  again.arguments = R"({"delete":"refs/heads/other"})";
  EXPECT_TRUE(consume(a, again, kNow + 1h).has_value());
  again.action = "git.push";
  EXPECT_EQ(consume(a, again, kNow).error().reason.text(), "the approval is for another call");
}

RC_GTEST_PROP(ApprovalRules, SettlesOnceWhateverTheOrder,
              (const std::vector<std::uint8_t>& script)) {
  Approval a = approval_for_test();
  int settled = 0, passed = 0;
  bool yes = false;
  for (const auto op : script) {
    if (op % 2 == 0) {
      const auto given = static_cast<Answer>(op / 2 % 4);
      if (answer(a, given, "bob@x", kApprovers, std::nullopt, kNow)) {
        ++settled;
        yes = given == Answer::kOnce;
      }
    } else if (consume(a, a.call, kNow)) {
      ++passed;
    }
    RC_ASSERT(settled <= 1);
    RC_ASSERT(passed <= (yes ? 1 : 0));
  }
}

}  // namespace
}  // namespace stint::domain
