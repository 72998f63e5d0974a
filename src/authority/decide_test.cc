// Deciding: asks and approvals, budgets, permits, and what is said of a decision afterwards.
#include <atomic>
#include <thread>

#include "authority_for_test.h"

namespace stint::authority {
namespace {

using domain::How;

using Decisions = Fixture;

TEST_F(Decisions, AnAskIsHeldApprovedOnceAndHeldAgain) {  // S7
  const Opened o = opened();
  const auto held = must(decide(deletion(o.task)));
  ASSERT_EQ(held.decision.outcome, policy::Outcome::kAsk);
  ASSERT_TRUE(held.approval.has_value());
  EXPECT_FALSE(held.permit.has_value());
  EXPECT_EQ(held.approval->groups, std::vector<std::string>{"approvers"});
  // Asked again before the answer: the same approval, not a second one.
  EXPECT_EQ(must(decide(deletion(o.task))).approval->id, held.approval->id);

  EXPECT_EQ(rt::block_on(authority->answer(held.approval->id, domain::Answer::kOnce,
                                           "alice@example.com", {}))
                .error()
                .reason.text(),
            "not in an approver group");
  must(rt::block_on(authority->answer(held.approval->id, domain::Answer::kOnce, "bob@example.com",
                                      {"approvers"})));
  EXPECT_TRUE(must(decide(deletion(o.task))).permit.has_value());
  const auto third = must(decide(deletion(o.task)));
  EXPECT_EQ(third.decision.outcome, policy::Outcome::kAsk);
  EXPECT_NE(third.approval->id, held.approval->id);
  EXPECT_EQ(count("approval.consumed"), 1u);
}

TEST_F(Decisions, ManyRetriesOfOneApprovedCallPassOnce) {  // S7, concurrently
  const Opened o = opened();
  const auto held = must(decide(deletion(o.task)));
  must(rt::block_on(authority->answer(held.approval->id, domain::Answer::kOnce, "bob@example.com",
                                      {"approvers"})));
  std::atomic<int> permits = 0;
  {
    std::vector<std::jthread> racers;
    for (int i = 0; i < 8; ++i)
      racers.emplace_back([&, r = deletion(o.task)] {
        if (must(rt::block_on(authority->decide(r))).permit) ++permits;
      });
  }
  EXPECT_EQ(permits, 1);
}

TEST_F(Decisions, ARefusedCallStaysRefused) {
  const Opened o = opened();
  const auto held = must(decide(deletion(o.task)));
  must(rt::block_on(
      authority->answer(held.approval->id, domain::Answer::kNo, "bob@example.com", {"approvers"})));
  const auto again = must(decide(deletion(o.task)));
  EXPECT_EQ(again.decision.outcome, policy::Outcome::kDeny);
  EXPECT_EQ(again.decision.reason, "an approver refused this call");
}

TEST_F(Decisions, WaitingEndsWithTheAnswerOrTheTask) {
  const Opened o = opened();
  const auto held = must(decide(deletion(o.task)));
  std::jthread approver([&] {
    must(rt::block_on(authority->answer(held.approval->id, domain::Answer::kNoAndEnd,
                                        "bob@example.com", {"approvers"})));
  });
  EXPECT_TRUE(rt::block_on(authority->await_answer(
      held.approval->id, rt::Deadline::in(SystemClock(), 20s), rt::CancelToken())));
  approver.join();
  EXPECT_EQ(must(authority->task(o.task.id)).how, How::kRevoked);
}

TEST_F(Decisions, AClosedTaskAsksNobodyAnyMore) {
  const Opened o = opened();
  const auto held = must(decide(deletion(o.task)));
  std::jthread closer([&] {
    must(rt::block_on(authority->close(o.task.id, How::kRevoked, Actor::local_operator(0))));
  });
  EXPECT_TRUE(rt::block_on(authority->await_answer(
      held.approval->id, rt::Deadline::in(SystemClock(), 20s), rt::CancelToken())));
  closer.join();
  EXPECT_EQ(must(authority->approval(held.approval->id)).state, domain::ApprovalState::kExpired);
  EXPECT_EQ(count("approval.expired"), 1u);
}

TEST_F(Decisions, ABudgetIsNeverOverspentEvenByAChild) {  // S7
  auto r = request();
  r.order.budget.requests = 5;
  const Opened o = opened(r);
  r.order.budget.requests = 5;
  const auto below = must(child(o.task.id, r));
  std::atomic<int> permits = 0;
  {
    std::vector<std::jthread> racers;
    for (int i = 0; i < 8; ++i)
      racers.emplace_back([&, r1 = call(o.task), r2 = call(below.task)] {
        for (const auto& one : {r1, r2})
          if (rt::block_on(authority->decide(one)).has_value()) ++permits;
      });
  }
  EXPECT_EQ(permits, 5);
  EXPECT_EQ(decide(call(below.task)).error().reason.text(), "the budget is used up");
  EXPECT_EQ(must(authority->task(o.task.id)).spend.requests, 5);
}

TEST_F(Decisions, ANarrowTokenCannotUseTheTasksOtherGrants) {
  const Opened o = opened();
  auto r = call(o.task, "git.push", domain::ActionClass::kWrite);
  r.token_grants = std::make_shared<const std::vector<domain::Grant>>(
      std::vector<domain::Grant>{{.upstream = "git", .actions = {"git.fetch"}}});
  EXPECT_EQ(must(decide(std::move(r))).decision.outcome, policy::Outcome::kDeny);
}

TEST_F(Decisions, BytesAreReservedUpTheTreeAndSettled) {  // S7
  auto r = request();
  r.order.budget.bytes_out = 1000;
  const Opened o = opened(r);
  const auto below = must(child(o.task.id, r));
  const auto first = must(decide(call(below.task)));
  EXPECT_EQ(first.permit->byte_limit(), 1000);
  EXPECT_EQ(decide(call(o.task)).error().reason.text(), "the budget is used up");
  must(Result<bool>(
      authority->outcome(*first.permit, {.status = 200, .bytes_out = 400}).has_value()));
  flush();
  EXPECT_EQ(must(authority->task(o.task.id)).spend.bytes_out, 400);
  EXPECT_EQ(must(decide(call(o.task))).permit->byte_limit(), 600);
}

TEST_F(Decisions, WhatCannotBeRecordedIsNotPermitted) {  // S4
  auto r = request();
  r.order.grants[0].resources.clear();
  const Opened o = opened(std::move(r));
  auto c = call(o.task);
  c.call.resource = std::string(5000, 'a');
  const auto got = decide(std::move(c));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().reason.text(), "event text too long");
}

TEST_F(Decisions, ACallNamedByAnOlderConfigurationIsNotDecided) {
  const Opened o = opened();
  auto c = call(o.task);
  const auto permit = *must(decide(c)).permit;
  auto changed = resources();
  changed.upstreams[0].description = "another";
  must(rt::block_on(authority->apply(changed, {}, std::nullopt, Actor::local_operator(0))));
  EXPECT_EQ(decide(c).error().reason.text(), "the configuration changed meanwhile");
  EXPECT_EQ(authority->release(permit, clock.wall()).error().reason.text(),
            "the configuration changed meanwhile");
}

TEST_F(Decisions, APermitDiesWithItsToken) {
  const Opened o = opened();
  const auto minted = must(rt::block_on(authority->mint(minting(o))));
  auto c = call(o.task);
  c.token = minted.token.id;
  const auto permit = *must(decide(c)).permit;
  must(rt::block_on(authority->revoke(minted.token.token, "coder")));
  EXPECT_EQ(authority->release(permit, clock.wall()).error().reason.text(), "the token is revoked");
}

TEST_F(Decisions, WhyExplainsADecisionFromTheLog) {
  const Opened o = opened();
  auto r = call(o.task, "git.push", domain::ActionClass::kWrite);
  r.call.resource = "demo/other.git";
  const auto verdict = must(decide(std::move(r)));
  EXPECT_EQ(verdict.decision.outcome, policy::Outcome::kDeny);
  flush();
  const auto why = must(authority->why(verdict.id));
  EXPECT_NE(why.words.find("demo/other.git"), std::string::npos) << why.words;
  EXPECT_EQ(authority->why(DecisionId::random(entropy)).error().reason.text(), "no such decision");
}

}  // namespace
}  // namespace stint::authority
