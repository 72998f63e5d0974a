#include "stint/audit/story.h"

#include <gtest/gtest.h>

#include <functional>

#include "log_for_test.h"

namespace stint::audit {
namespace {

std::vector<std::string> tell(const TestLog& log) {
  Story story;
  std::vector<std::string> out;
  const auto say = [&](const std::vector<Story::Finding>& findings) {
    for (const auto& f : findings) {
      out.push_back(std::to_string(f.index) + " " + std::string(f.kind) + ": " +
                    std::string(f.rule.text()));
    }
  };
  for (std::size_t i = 0; i < log.entries().size(); ++i) {
    say(story.add(i, parse(log.entries()[i]).value()));
  }
  say(story.finish());
  return out;
}

TEST(Story, HonestLogHasNoFinding) {
  TestLog log;
  tell_honest_story(log);
  EXPECT_EQ(tell(log), std::vector<std::string>{});
}

// What is told wrongly, after an honest opening at index 0. Domain rules 1-7 and promises S1, S7.
struct Case {
  const char* name;
  std::function<void(TestLog&, Honest&)> tell;
  std::vector<std::string> findings;
};

const TaskId kChild = test_id<TaskId>(9);

const Case kCases[] = {
    {"permit_after_close",
     [](TestLog& l, Honest& h) {
       l.append(h.closed(h.task), h.now);
       l.append(h.permit(1), h.now);
     },
     {"2 decision: permit after the task's close"}},
    {"read_within_window",
     [](TestLog& l, Honest& h) {
       l.append(h.closed(h.task), h.now);
       l.append(h.permit(1, domain::ActionClass::kRead), h.now + Story::kReadWindow);
     },
     {}},
    {"read_after_window",
     [](TestLog& l, Honest& h) {
       l.append(h.closed(h.task), h.now);
       l.append(h.permit(1, domain::ActionClass::kRead),
                h.now + Story::kReadWindow + std::chrono::milliseconds(1));
     },
     {"2 decision: permit after the task's close"}},
    {"deny_after_close",
     [](TestLog& l, Honest& h) {
       l.append(h.closed(h.task), h.now);
       Decided d = h.permit(1);
       d.verdict = Verdict::kDeny;
       l.append(d, h.now);
     },
     {}},
    {"refused_before_there_was_a_task",
     [](TestLog& l, Honest& h) {
       Decided d = h.permit(1);
       d.task.reset();
       d.action_class.reset();
       d.verdict = Verdict::kDeny;
       d.action = "task.open";
       l.append(d, h.now);
       l.append(
           DecisionsRepeated{.agent = "coder", .action = "task.open", .reason = "no", .count = 7},
           h.now);
     },
     {}},
    {"refused_again_in_a_task_that_never_was",
     [](TestLog& l, Honest& h) {
       l.append(DecisionsRepeated{.task = test_id<TaskId>(9),
                                  .agent = "coder",
                                  .action = "token.mint",
                                  .reason = "no",
                                  .count = 7},
                h.now);
     },
     {"1 decision.repeated: event of a task that was never opened"}},
    {"permit_without_a_task",
     [](TestLog& l, Honest& h) {
       Decided d = h.permit(1);
       d.task.reset();
       l.append(d, h.now);
     },
     {"1 decision: permit without a task"}},
    {"permit_while_paused",
     [](TestLog& l, Honest& h) {
       l.append(TaskPaused{.task = h.task, .actor = Actor::server()}, h.now);
       l.append(h.permit(1), h.now);
     },
     {"2 decision: permit while the task is paused"}},
    {"mint_after_close",
     [](TestLog& l, Honest& h) {
       l.append(h.closed(h.task), h.now);
       l.append(h.token(1), h.now);
       l.append(HandleIssued{.task = h.task, .handle = test_id<HandleId>(1), .thumbprint = "t"},
                h.now);
       l.append(
           HandleUsed{.task = h.task, .handle = test_id<HandleId>(1), .token = test_id<TokenId>(1)},
           h.now);
     },
     {"2 token.minted: token minted after the task's close",
      "3 handle.issued: handle issued to a stopped task",
      "4 handle.used: handle used of a stopped task"}},
    {"token_outlives_task",
     [](TestLog& l, Honest& h) {
       TokenMinted t = h.token(1);
       t.expires = kStart + std::chrono::hours(2);
       l.append(t, h.now);
     },
     {"1 token.minted: token's life not inside its task's"}},
    {"token_before_task",
     [](TestLog& l, Honest& h) {
       TokenMinted t = h.token(1);
       t.issued -= std::chrono::seconds(1);
       l.append(t, h.now);
     },
     {"1 token.minted: token's life not inside its task's"}},
    {"outside_grants",
     [](TestLog& l, Honest& h) {
       Decided d = h.permit(1);
       d.action = "git.admin";
       l.append(d, h.now);
     },
     {"1 decision: permit outside the task's grants"}},
    {"child_left_alive",
     [](TestLog& l, Honest& h) {
       l.append(h.opened(kChild, h.task, 1), h.now);
       l.append(h.closed(h.task), h.now);
     },
     {"2 task.closed: task closed without closing its child"}},
    {"child_works_on",
     [](TestLog& l, Honest& h) {
       l.append(h.opened(kChild, h.task, 1), h.now);
       l.append(h.closed(h.task), h.now);
       Decided d = h.permit(1);
       d.task = kChild;
       l.append(d, h.now);
       l.append(h.closed(kChild), h.now);
     },
     {"3 decision: permit after the task's close"}},
    {"child_of_closed",
     [](TestLog& l, Honest& h) {
       l.append(h.closed(h.task), h.now);
       l.append(h.opened(kChild, h.task, 1), h.now);
       l.append(h.closed(kChild), h.now);
     },
     {"2 task.opened: child opened by a stopped task"}},
    {"child_too_wide",
     [](TestLog& l, Honest& h) {
       TaskOpened c = h.opened(kChild, h.task, 2);
       c.grants = {{.upstream = "wiki", .actions = {"page.read"}}};
       c.deadline += std::chrono::seconds(1);
       l.append(c, h.now);
     },
     {"1 task.opened: child's deadline after its parent's",
      "1 task.opened: child's grants exceed its parent's",
      "1 task.opened: child's depth is not its parent's and one"}},
    {"narrowing_widens",
     [](TestLog& l, Honest& h) {
       TaskNarrowed n{.task = h.task, .grants = {{.upstream = "git", .actions = {"git.fetch"}}}};
       l.append(n, h.now);
       n.grants[0].actions = {"git.fetch", "git.push"};
       l.append(n, h.now);
     },
     {"2 task.narrowed: task's grants widened"}},
    {"closed_twice",
     [](TestLog& l, Honest& h) {
       l.append(h.closed(h.task), h.now);
       l.append(h.closed(h.task), h.now);
       l.append(TaskResumed{.task = h.task}, h.now);
     },
     {"2 task.closed: task closed twice", "3 task.resumed: task resumed that was not paused"}},
    {"opened_twice",
     [](TestLog& l, Honest& h) { l.append(h.opened(h.task), h.now); },
     {"1 task.opened: task opened twice"}},
    {"unknown_task",
     [](TestLog& l, Honest& h) { l.append(h.closed(kChild), h.now); },
     {"1 task.closed: event of a task that was never opened"}},
    {"release_without_permit",
     [](TestLog& l, Honest& h) {
       l.append(CredentialReleased{.decision = test_id<DecisionId>(1), .task = h.task}, h.now);
       l.append(h.outcome(1), h.now);
     },
     {"1 credential.released: credential released without a permit",
      "2 outcome: outcome of no open permit"}},
    {"outcome_twice",
     [](TestLog& l, Honest& h) {
       l.append(h.permit(1), h.now);
       l.append(h.outcome(1), h.now);
       l.append(h.outcome(1), h.now);
     },
     {"3 outcome: outcome of no open permit"}},
    {"approval_used_twice",
     [](TestLog& l, Honest& h) {
       const auto a = test_id<ApprovalId>(1);
       l.append(
           ApprovalRequested{
               .approval = a, .task = h.task, .decision = test_id<DecisionId>(1), .expires = h.now},
           h.now);
       l.append(ApprovalAnswered{.approval = a,
                                 .task = h.task,
                                 .answer = domain::Answer::kOnce,
                                 .actor = Actor::human("bob")},
                h.now);
       for (const int n : {2, 3}) {
         Decided d = h.permit(n);
         d.approval = a;
         l.append(d, h.now);
         l.append(ApprovalConsumed{.approval = a, .task = h.task, .decision = d.decision}, h.now);
       }
     },
     {"5 decision: permit by an approval that was not given",
      "6 approval.consumed: approval used that was not there to use"}},
    {"approval_refused_and_used",
     [](TestLog& l, Honest& h) {
       const auto a = test_id<ApprovalId>(1);
       l.append(
           ApprovalRequested{
               .approval = a, .task = h.task, .decision = test_id<DecisionId>(1), .expires = h.now},
           h.now);
       l.append(ApprovalAnswered{.approval = a,
                                 .task = h.task,
                                 .answer = domain::Answer::kNo,
                                 .actor = Actor::human("bob")},
                h.now);
       l.append(ApprovalAnswered{.approval = a,
                                 .task = h.task,
                                 .answer = domain::Answer::kOnce,
                                 .actor = Actor::human("bob")},
                h.now);
       Decided d = h.permit(2);
       d.approval = a;
       l.append(d, h.now);
     },
     {"3 approval.answered: answer to no pending approval",
      "4 decision: permit by an approval that was not given"}},
    {"receipt_of_a_live_task",
     [](TestLog& l, Honest& h) { l.append(ReceiptSigned{.task = h.task}, h.now); },
     {"1 receipt.signed: receipt of a task that is not closed"}},
};

TEST(Story, NamesTheEntryAndTheRule) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    TestLog log;
    Honest h;
    log.append(h.opened(h.task), h.now);
    c.tell(log, h);
    EXPECT_EQ(tell(log), c.findings);
  }
}

}  // namespace
}  // namespace stint::audit
