// Domain rules 1-7 over single tasks; trees of tasks are authority's live view.
#include "stint/domain/task.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <functional>

#include "tasks_for_test.h"

namespace stint::domain {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

struct OpenRow {
  const char* name;
  std::function<void(OpenOrder&)> change;
  Errc code;
  std::string_view reason;
};
class OpenRefuses : public testing::TestWithParam<OpenRow> {};
TEST_P(OpenRefuses, WithReason) {
  OpenOrder order = order_for_test();
  GetParam().change(order);
  const auto got = open(std::move(order), TaskLimits(), TaskId({1}), kNow);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, GetParam().code);
  EXPECT_EQ(got.error().reason.text(), GetParam().reason);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, OpenRefuses,
    testing::Values(OpenRow{"no_purpose", [](auto& o) { o.purpose = ""; }, Errc::kMalformed,
                            "purpose is missing"},
                    OpenRow{"purpose_forges_lines", [](auto& o) { o.purpose = "a\nb"; },
                            Errc::kMalformed, "control character in purpose or reference"},
                    OpenRow{"long_purpose", [](auto& o) { o.purpose = std::string(1025, 'x'); },
                            Errc::kTooLarge, "purpose or reference too long"},
                    OpenRow{"agent_name", [](auto& o) { o.agent = "Coder"; }, Errc::kMalformed,
                            "agent name"},
                    OpenRow{"human_like_agent", [](auto& o) { o.human = "agent:x"; },
                            Errc::kMalformed, "human name"},
                    OpenRow{"no_key", [](auto& o) { o.binding.thumbprint = ""; }, Errc::kMalformed,
                            "key thumbprint"},
                    OpenRow{"no_grant", [](auto& o) { o.grants.clear(); }, Errc::kMalformed,
                            "a task needs at least one grant"},
                    OpenRow{"past_deadline", [](auto& o) { o.life = 0s; }, Errc::kMalformed,
                            "deadline is not in the future"},
                    OpenRow{"too_long", [](auto& o) { o.life = 25h; }, Errc::kMalformed,
                            "deadline is past the longest allowed"},
                    OpenRow{"attended_without_limit", [](auto& o) { o.attended = true; },
                            Errc::kMalformed, "an attended task needs a presence limit"},
                    OpenRow{"negative_budget", [](auto& o) { o.budget.requests = -1; },
                            Errc::kMalformed, "negative budget"}),
    [](const auto& p) { return p.param.name; });

// Rule 1: iat >= opened and exp <= min(deadline, iat + ttl), at any moment and for any limits.
RC_GTEST_PROP(TaskRules, TokenLifeLiesInsideTheTask, ()) {
  const Task t = [] {
    OpenOrder o = order_for_test();
    o.life = seconds(*rc::gen::inRange(1, 3600));
    const auto now = kNow + milliseconds(*rc::gen::inRange(0, 999));
    return *open(std::move(o), TaskLimits(), TaskId({1}), now);
  }();
  const auto ttl = seconds(*rc::gen::inRange(1, 600));
  // Also by the clock of a node that is behind the one that opened it.
  const auto now = kNow + milliseconds(*rc::gen::inRange(-29'000, 3'700'000));
  const auto life = token_life(t, ttl, now);
  if (now >= t.deadline) {
    RC_ASSERT(!life.has_value());
    return;
  }
  if (!life) {
    RC_ASSERT(life.error().reason.text() == "the task is about to end");
    RC_ASSERT(std::min(t.deadline, now + ttl) - std::max(now, t.opened) < seconds(1));
    return;
  }
  RC_ASSERT(life->issued >= t.opened);
  RC_ASSERT(life->issued <= std::max(now, t.opened));
  RC_ASSERT(life->expires <= t.deadline);
  RC_ASSERT(life->expires <= now + ttl);
  RC_ASSERT(life->expires > life->issued);
}

// Rules 2 and 7 over random scripts, against a model that remembers only what has happened.
RC_GTEST_PROP(TaskRules, StateMachineAgreesWithItsHistory,
              (const std::vector<std::pair<std::uint8_t, std::uint8_t>>& script)) {
  Task t = task_for_test();
  std::optional<How> closed_as;
  std::optional<Why> paused_for;
  std::uint64_t version = t.version;
  for (const auto& [op, arg] : script) {
    const auto how = static_cast<How>(arg % 10);
    const auto why = static_cast<Why>(arg % 5);
    switch (op % 3) {
      case 0: {
        const bool first = close(t, how, kNow);
        RC_ASSERT(first == !closed_as.has_value());
        if (first) closed_as = how, paused_for.reset();
        break;
      }
      case 1:
        RC_ASSERT(pause(t, why, kNow).has_value() == !closed_as.has_value());
        if (!closed_as && !paused_for) paused_for = why;
        break;
      case 2: {
        const bool ok = !closed_as && paused_for == why;
        RC_ASSERT(resume(t, why, kNow).has_value() == ok);
        if (ok) paused_for.reset();
      }
    }
    RC_ASSERT(t.how == closed_as);
    RC_ASSERT(t.why == paused_for);
    RC_ASSERT((t.state == State::kClosed) == closed_as.has_value());
    RC_ASSERT((t.state == State::kPaused) == paused_for.has_value());
    const bool may_act = !closed_as && !paused_for;
    RC_ASSERT(live(t, kNow).has_value() == may_act);
    RC_ASSERT(token_life(t, 5min, kNow).has_value() == may_act);  // rule 7: no new token
    RC_ASSERT(t.version >= version);
    version = t.version;
  }
}

struct ChildRow {
  const char* name;
  std::function<void(Task&, OpenOrder&)> change;
  Errc code;
  std::string_view reason;
};
class DelegateRefuses : public testing::TestWithParam<ChildRow> {};
TEST_P(DelegateRefuses, WithReason) {
  Task parent = task_for_test();
  parent.ceiling = Sensitivity::kConfidential;
  parent.budget.requests = 10;
  parent.spend.requests = 4;
  OpenOrder order = order_for_test();
  order.agent = "helper";
  order.ceiling = Sensitivity::kConfidential;
  order.budget.requests = 6;
  {
    const auto fine = delegate(parent, order, TaskLimits(), TaskId({2}), kNow);
    ASSERT_TRUE(fine.has_value()) << fine.error().reason.text();  // the row alone must refuse
  }
  GetParam().change(parent, order);
  const auto got = delegate(parent, std::move(order), TaskLimits(), TaskId({2}), kNow);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, GetParam().code);
  EXPECT_EQ(got.error().reason.text(), GetParam().reason);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, DelegateRefuses,
    testing::Values(
        ChildRow{"closed_parent", [](auto& p, auto&) { close(p, How::kCompleted, kNow); },
                 Errc::kTaskClosed, "the task is closed"},
        ChildRow{"paused_parent", [](auto& p, auto&) { (void)pause(p, Why::kRisk, kNow); },
                 Errc::kTaskPaused, "the task is paused"},
        ChildRow{"expired_parent", [](auto& p, auto&) { p.deadline = kNow; }, Errc::kExpired,
                 "the task is past its deadline"},
        ChildRow{"too_deep", [](auto& p, auto&) { p.depth = 4; }, Errc::kMalformed,
                 "delegation too deep"},
        ChildRow{"other_action", [](auto&, auto& o) { o.grants[0].actions = {"git.ref.delete"}; },
                 Errc::kDenied, "grants exceed the parent's"},
        ChildRow{"other_repository", [](auto&, auto& o) { o.grants[0].resources = {"demo/b.git"}; },
                 Errc::kDenied, "grants exceed the parent's"},
        ChildRow{"every_repository", [](auto&, auto& o) { o.grants[0].resources.clear(); },
                 Errc::kDenied, "grants exceed the parent's"},
        ChildRow{"sensitivity", [](auto&, auto& o) { o.ceiling = Sensitivity::kRestricted; },
                 Errc::kDenied, "sensitivity exceeds the parent's"},
        ChildRow{"budget", [](auto&, auto& o) { o.budget.requests = 7; }, Errc::kDenied,
                 "budget exceeds what the parent has left"},
        ChildRow{"unlimited_budget", [](auto&, auto& o) { o.budget.requests.reset(); },
                 Errc::kDenied, "budget exceeds what the parent has left"}),
    [](const auto& p) { return p.param.name; });

TEST(TaskRules, ChildTakesHumanReferenceAndDeadlineFromItsParent) {
  Task parent = task_for_test();
  parent.human = "alice@example.com";
  parent.reference = "T-1";
  parent.environment = "production";
  OpenOrder order = order_for_test();
  order.human = "mallory@example.com";
  order.environment = "development";
  order.life = 10h;
  const auto child = delegate(parent, order, TaskLimits(), TaskId({2}), kNow + 1min);
  ASSERT_TRUE(child.has_value()) << child.error().reason.text();
  EXPECT_EQ(child->human, "alice@example.com");
  EXPECT_EQ(child->reference, "T-1");
  EXPECT_EQ(child->environment, "production");
  EXPECT_EQ(child->deadline, parent.deadline);
  EXPECT_EQ(child->depth, 1);
  EXPECT_EQ(child->parent, parent.id);
}

TEST(TaskRules, TimeEndsOrPausesATask) {
  OpenOrder order = order_for_test();
  order.life = 1h;
  order.idle_limit = 60s;
  order.attended = true;
  order.presence_limit = 30s;
  Task t = *open(order, TaskLimits(), TaskId({1}), kNow);
  EXPECT_FALSE(due(t, kNow + 29s).pause.has_value());
  EXPECT_EQ(due(t, kNow + 30s).pause, Why::kSupervision);  // rule 8
  EXPECT_EQ(live(t, kNow + 30s).error().reason.text(), "the human's presence is gone");
  t.last_present = kNow + 50s;
  EXPECT_EQ(due(t, kNow + 60s).close, How::kIdle);
  EXPECT_EQ(live(t, kNow + 60s).error().reason.text(), "the task is past its idle limit");
  EXPECT_EQ(due(t, kNow + 1h).close, How::kExpired);
  ASSERT_TRUE(pause(t, Why::kOperator, kNow).has_value());
  EXPECT_FALSE(due(t, kNow + 10min).close.has_value());  // paused is not idle
  EXPECT_EQ(due(t, kNow + 1h).close, How::kExpired);     // but the deadline stands
}

}  // namespace
}  // namespace stint::domain
