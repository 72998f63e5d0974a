// The domain's rules over the real store: each test names the rule or promise that it shows.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "authority_for_test.h"
#include "stint/testkit/reveal.h"

namespace stint::authority {
namespace {

using domain::How;
using domain::State;
using domain::Why;
using Authorities = Fixture;

MintRequest mint_with(const Opened& o) {
  return {.handle_text = std::string(RevealKeyForTest::reveal(o.handle)),
          .presented = o.task.binding,
          .client_id = o.task.agent,
          .audience = "http://127.0.0.1:7444/u/git"};
}

TEST_F(Authorities, OpeningRecordsTaskHandleAndTokenTogether) {
  auto r = request();
  r.audience = "http://127.0.0.1:7444/u/git";
  const Opened o = opened(std::move(r));
  ASSERT_TRUE(o.token.has_value());
  EXPECT_EQ(o.token->grants, o.task.grants);
  EXPECT_EQ(count("task.opened"), 1u);
  EXPECT_EQ(count("handle.issued"), 1u);
  EXPECT_EQ(count("token.minted"), 1u);
  EXPECT_TRUE(authority->view().find(o.task.id, clock.mono()).has_value());

  const jose::AccessTokenVerifier verifier(settings.issuer, "http://127.0.0.1:7444/u/git",
                                           authority->token_keys());
  const auto token = verifier.verify(o.token->token, clock.wall());
  ASSERT_TRUE(token.has_value()) << token.error().reason.text();
  EXPECT_EQ(token->claims().sub, "alice@example.com");
  EXPECT_EQ(token->claims().act, std::vector<std::string>{"agent:coder"});
  EXPECT_EQ(token->claims().cnf.jkt, kJktForTest);
  EXPECT_LE(token->claims().exp, o.task.deadline);  // rule 1
}

TEST_F(Authorities, AnAssertionOpensOnce) {
  auto r = request();
  r.spend = {{"client-assertion", "coder/jti-1", clock.wall() + 5min}};
  opened(r);
  const auto again = rt::block_on(authority->open_task(r));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().reason.text(), "the assertion was used before");
  EXPECT_EQ(count("task.opened"), 1u);
}

struct OpenRow {
  const char* name;
  std::function<void(OpenRequest&)> change;
  std::string_view reason;
};
TEST_F(Authorities, OpeningIsRefusedAndLeavesNothing) {
  const OpenRow rows[] = {
      {"agent", [](auto& r) { r.order.agent = "stranger"; }, "the agent is not registered"},
      {"human", [](auto& r) { r.order.human = "mallory@example.com"; },
       "the human is not known here"},
      {"upstream", [](auto& r) { r.order.grants[0].upstream = "nowhere"; },
       "a grant names an upstream that is not registered"},
      {"autonomous", [](auto& r) { r.order.human.reset(); }, "policy does not permit this task"},
      {"production", [](auto& r) { r.order.environment = "production"; },
       "policy does not permit this task"},
      {"audience", [](auto& r) { r.audience = "http://127.0.0.1:7444/u/other"; },
       "unknown audience"},
      {"ungranted", [](auto& r) { r.audience = "http://127.0.0.1:7444/u/desk"; },
       "the task has no grant for this audience"},
  };
  for (const auto& row : rows) {
    auto r = request();
    row.change(r);
    const auto got = rt::block_on(authority->open_task(std::move(r)));
    ASSERT_FALSE(got.has_value()) << row.name;
    EXPECT_EQ(got.error().reason.text(), row.reason) << row.name;
  }
  EXPECT_EQ(count("task.opened"), 0u);
  EXPECT_EQ(authority->view().size(), 0u);
}

TEST_F(Authorities, AReferenceHeldExclusivelyIsBoundToOneOpenTask) {  // rule 6
  auto r = request();
  r.order.reference = "T-1";
  r.order.grants[0].exclusive = true;
  const auto first = opened(r);
  const auto second = rt::block_on(authority->open_task(r));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().reason.text(), "the reference is bound to another open task");
  must(rt::block_on(authority->close(first.task.id, How::kCompleted, Actor::agent("coder"))));
  opened(r);
}

TEST_F(Authorities, AHandleWorksForItsTaskKeyAndClientOnly) {  // rule 6
  const Opened o = opened();
  const auto minted = must(rt::block_on(authority->mint(mint_with(o))));
  EXPECT_EQ(minted.token.audience, "http://127.0.0.1:7444/u/git");

  struct Row {
    const char* name;
    std::function<void(MintRequest&)> change;
    std::string_view reason;
  };
  const Row rows[] = {
      {"key", [](auto& r) { r.presented.thumbprint = kOtherJktForTest; },
       "the handle is bound to another key"},
      {"binding", [](auto& r) { r.presented.kind = domain::Binding::Kind::kCertificate; },
       "the handle is bound to another key"},
      {"client", [](auto& r) { r.client_id = "helper"; }, "the handle belongs to another client"},
      {"unknown", [](auto& r) { r.handle_text = "stint_handle_x"; }, "not a handle"},
      {"audience", [](auto& r) { r.audience = "https://elsewhere.test"; }, "unknown audience"},
      {"wider",
       [](auto& r) {
         r.narrow = {{.upstream = "git", .actions = {"git.push"}, .resources = {"demo/b.git"}}};
       },
       "more than the task was granted"},
  };
  for (const auto& row : rows) {
    auto r = mint_with(o);
    row.change(r);
    const auto got = rt::block_on(authority->mint(std::move(r)));
    ASSERT_FALSE(got.has_value()) << row.name;
    EXPECT_EQ(got.error().reason.text(), row.reason) << row.name;
  }
  EXPECT_EQ(count("token.minted"), 1u);

  auto narrow = mint_with(o);
  narrow.narrow = {{.upstream = "git", .actions = {"git.fetch"}, .resources = {"demo/readme.git"}}};
  const auto small = must(rt::block_on(authority->mint(std::move(narrow))));
  EXPECT_EQ(small.token.grants.front().actions, std::vector<std::string>{"git.fetch"});
}

TEST_F(Authorities, CloseReachesEveryDescendantInAnyState) {  // rule 4
  const Opened top = opened();
  const auto middle = must(child(top.task.id));
  const auto leaf = must(child(middle.task.id));
  must(rt::block_on(authority->pause(middle.task.id, Why::kOperator, Actor::local_operator(0))));
  const auto cut = must(authority->view().find(leaf.task.id, clock.mono()))->cancelled();
  const auto closed =
      must(rt::block_on(authority->close(top.task.id, How::kRevoked, Actor::local_operator(0))));
  EXPECT_EQ(closed.count, 3u);
  EXPECT_TRUE(cut.cancelled());
  for (const auto& [id, how] :
       {std::pair(top.task.id, How::kRevoked), std::pair(middle.task.id, How::kParentClosed),
        std::pair(leaf.task.id, How::kParentClosed)}) {
    EXPECT_EQ(must(authority->task(id)).how, how);
    EXPECT_EQ(decide(call(leaf.task)).error().reason.text(), "the task is closed");
  }
  const auto again =
      must(rt::block_on(authority->close(top.task.id, How::kCompleted, Actor::agent("coder"))));
  EXPECT_EQ(again.count, 0u);
  EXPECT_EQ(again.how, How::kRevoked);  // rule 2: the first one wins
}

TEST_F(Authorities, AClosedTaskMintsDelegatesAndReleasesNothing) {  // rule 5, S1
  const Opened o = opened();
  const auto permitted = must(decide(call(o.task)));
  ASSERT_TRUE(permitted.permit.has_value());
  must(rt::block_on(authority->close(o.task.id, How::kCompleted, Actor::agent("coder"))));
  EXPECT_EQ(rt::block_on(authority->mint(mint_with(o))).error().reason.text(),
            "the task is closed");
  EXPECT_EQ(child(o.task.id).error().reason.text(), "the task is closed");
  EXPECT_EQ(authority->release(*permitted.permit, clock.wall()).error().reason.text(),
            "the task is closed");
  EXPECT_EQ(decide(call(o.task)).error().reason.text(), "the task is closed");
}

TEST_F(Authorities, PausedLetsNothingHappenButEnding) {  // rule 7
  const Opened o = opened();
  must(rt::block_on(authority->pause(o.task.id, Why::kOperator, Actor::local_operator(0))));
  EXPECT_EQ(decide(call(o.task)).error().reason.text(), "the task is paused");
  EXPECT_EQ(rt::block_on(authority->mint(mint_with(o))).error().reason.text(),
            "the task is paused");
  EXPECT_EQ(rt::block_on(authority->resume(o.task.id, Why::kRisk, Actor::local_operator(0)))
                .error()
                .reason.text(),
            "the task is paused for another cause");
  must(rt::block_on(authority->resume(o.task.id, Why::kOperator, Actor::local_operator(0))));
  EXPECT_TRUE(must(decide(call(o.task))).permit.has_value());
}

TEST_F(Authorities, AnAskIsHeldApprovedOnceAndHeldAgain) {  // S7
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

TEST_F(Authorities, ManyRetriesOfOneApprovedCallPassOnce) {  // S7, concurrently
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

TEST_F(Authorities, ARefusedCallStaysRefused) {
  const Opened o = opened();
  const auto held = must(decide(deletion(o.task)));
  must(rt::block_on(
      authority->answer(held.approval->id, domain::Answer::kNo, "bob@example.com", {"approvers"})));
  const auto again = must(decide(deletion(o.task)));
  EXPECT_EQ(again.decision.outcome, policy::Outcome::kDeny);
  EXPECT_EQ(again.decision.reason, "an approver refused this call");
}

TEST_F(Authorities, WaitingEndsWithTheAnswerOrTheTask) {
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

TEST_F(Authorities, AClosedTaskAsksNobodyAnyMore) {
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

TEST_F(Authorities, ABudgetIsNeverOverspentEvenByAChild) {  // S7
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

TEST_F(Authorities, ANarrowTokenCannotUseTheTasksOtherGrants) {
  const Opened o = opened();
  auto r = call(o.task, "git.push", domain::ActionClass::kWrite);
  r.token_grants = std::make_shared<const std::vector<domain::Grant>>(
      std::vector<domain::Grant>{{.upstream = "git", .actions = {"git.fetch"}}});
  EXPECT_EQ(must(decide(std::move(r))).decision.outcome, policy::Outcome::kDeny);
}

TEST_F(Authorities, RevokedTokenIsRefusedItsSiblingIsNot) {
  const Opened o = opened();
  const auto one = must(rt::block_on(authority->mint(mint_with(o))));
  const auto two = must(rt::block_on(authority->mint(mint_with(o))));
  EXPECT_FALSE(must(rt::block_on(authority->revoke(one.token.token, "helper"))));
  EXPECT_TRUE(must(rt::block_on(authority->revoke(one.token.token, "coder"))));
  auto r = call(o.task);
  r.token = one.token.id;
  EXPECT_EQ(decide(r).error().reason.text(), "the token is revoked");
  r.token = two.token.id;
  EXPECT_TRUE(must(decide(r)).permit.has_value());
  EXPECT_FALSE(authority->introspect(one.token.token, "coder", clock.wall()).has_value());
  EXPECT_TRUE(authority->introspect(two.token.token, "coder", clock.wall()).has_value());
  EXPECT_FALSE(authority->introspect(two.token.token, "helper", clock.wall()).has_value());
  reopen();
  EXPECT_EQ(decide([&] {
              r.token = one.token.id;
              return r;
            }())
                .error()
                .reason.text(),
            "the token is revoked");
}

TEST_F(Authorities, RevokingTheHandleEndsTheTask) {
  const Opened o = opened();
  EXPECT_TRUE(must(
      rt::block_on(authority->revoke(std::string(RevealKeyForTest::reveal(o.handle)), "coder"))));
  EXPECT_EQ(must(authority->task(o.task.id)).how, How::kRevoked);
}

TEST_F(Authorities, LeaversEndWithTheCommitThatRemovesThem) {
  const Opened o = opened();
  auto without = resources();
  std::erase_if(without.humans, [](const auto& h) { return h.name == "alice@example.com"; });
  for (auto& a : without.agents) a.owner = "bob@example.com";
  must(rt::block_on(authority->apply(without, {}, std::nullopt, Actor::local_operator(0))));
  EXPECT_EQ(must(authority->task(o.task.id)).how, How::kOffboarded);

  must(rt::block_on(authority->apply(resources(), {}, std::nullopt, Actor::local_operator(0))));
  const Opened second = opened();
  auto suspended = resources();
  for (auto& a : suspended.agents)
    if (a.name == "coder") a.status = resource::AgentStatus::kSuspended;
  must(rt::block_on(authority->apply(suspended, {}, std::nullopt, Actor::local_operator(0))));
  EXPECT_EQ(must(authority->task(second.task.id)).how, How::kAgentSuspended);
}

TEST_F(Authorities, ApplyIsIdempotentAndSeesAConcurrentOne) {
  const auto version = authority->directory()->version();
  const auto same =
      must(rt::block_on(authority->apply(resources(), {}, version, Actor::local_operator(0))));
  EXPECT_EQ(same.version, version);
  EXPECT_EQ(same.created + same.updated + same.retired, 0u);
  const auto stale =
      rt::block_on(authority->apply(resources(), {}, version - 1, Actor::local_operator(0)));
  ASSERT_FALSE(stale.has_value());
  EXPECT_EQ(stale.error().reason.text(), "the configuration has changed meanwhile");
}

TEST_F(Authorities, TimeClosesWhatIsDueAndAReceiptFollows) {
  auto r = request();
  r.order.idle_limit = 60s;
  const Opened idle = opened(r);
  const Opened expiring = opened();
  clock.advance(61s);
  authority->confirm_view();
  flush();
  EXPECT_EQ(authority->sweep().closed, 1u);
  EXPECT_EQ(must(authority->task(idle.task.id)).how, How::kIdle);
  clock.advance(60min);
  authority->confirm_view();
  flush();
  EXPECT_EQ(decide(call(expiring.task)).error().reason.text(), "the task is past its deadline");
  EXPECT_EQ(authority->sweep().closed, 1u);
  EXPECT_TRUE(must(authority->publish_log()));
  EXPECT_EQ(must(authority->sign_receipts()), 2u);
  EXPECT_NE(must(authority->receipt(idle.task.id)).find("idle"), std::string::npos);
  EXPECT_FALSE(authority->receipt(TaskId::random(entropy)).has_value());
}

TEST_F(Authorities, AViewThatTheWriterDoesNotConfirmDenies) {  // S6
  const Opened o = opened();
  clock.advance(2001ms);
  const auto stale = decide(call(o.task));
  ASSERT_FALSE(stale.has_value());
  EXPECT_EQ(stale.error().reason.text(), "the view of live tasks is stale");
  authority->confirm_view();
  flush();
  EXPECT_TRUE(decide(call(o.task)).has_value());
}

TEST_F(Authorities, EverythingIsThereAfterARestart) {  // S3
  const Opened o = opened();
  const Opened gone = opened();
  must(rt::block_on(authority->close(gone.task.id, How::kCompleted, Actor::agent("coder"))));
  reopen();
  EXPECT_EQ(authority->view().size(), 1u);
  EXPECT_TRUE(must(decide(call(o.task))).permit.has_value());
  EXPECT_EQ(decide(call(gone.task)).error().reason.text(), "the task is closed");
  EXPECT_TRUE(rt::block_on(authority->mint(mint_with(o))).has_value());
  EXPECT_EQ(authority->directory()->resources(), resources());
}

TEST_F(Authorities, WhyExplainsADecisionFromTheLog) {
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

TEST_F(Authorities, NoSecretIsInTheDatabaseOrItsEvents) {  // S5, S10
  const Opened o = opened();
  const std::string handle(RevealKeyForTest::reveal(o.handle));
  const auto permit = must(decide(call(o.task)));
  const auto released = must(authority->release(*permit.permit, clock.wall()));
  ASSERT_TRUE(released.has_value());
  EXPECT_TRUE(released->value.matches("test-password-planted"));
  flush();
  store->stop();
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(bytes.find("test-password-planted"), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find(handle), std::string::npos) << entry.path();
  }
}

TEST_F(Authorities, AChildNeverDoesMoreThanTheTokenItCameFrom) {  // rule 3
  const Opened o = opened();
  auto narrow = o.task.grants;
  narrow[0].actions = {"git.fetch"};
  const auto wider = child_of(o.task.id, narrow);
  ASSERT_FALSE(wider.has_value());
  EXPECT_EQ(wider.error().reason.text(), "grants exceed the parent's token");
  auto r = request();
  r.order.grants[0].actions = {"git.fetch"};
  EXPECT_TRUE(child_of(o.task.id, narrow, r).has_value());
  EXPECT_EQ(child_of(o.task.id, {}, r).error().reason.text(), "grants exceed the parent's token");
}

TEST_F(Authorities, BytesAreReservedUpTheTreeAndSettled) {  // S7
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

TEST_F(Authorities, WhatCannotBeRecordedIsNotPermitted) {  // S4
  auto r = request();
  r.order.grants[0].resources.clear();
  const Opened o = opened(std::move(r));
  auto c = call(o.task);
  c.call.resource = std::string(5000, 'a');
  const auto got = decide(std::move(c));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().reason.text(), "event text too long");
}

TEST_F(Authorities, ACallNamedByAnOlderConfigurationIsNotDecided) {
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

TEST_F(Authorities, APermitDiesWithItsToken) {
  const Opened o = opened();
  const auto minted = must(rt::block_on(authority->mint(mint_with(o))));
  auto c = call(o.task);
  c.token = minted.token.id;
  const auto permit = *must(decide(c)).permit;
  must(rt::block_on(authority->revoke(minted.token.token, "coder")));
  EXPECT_EQ(authority->release(permit, clock.wall()).error().reason.text(), "the token is revoked");
}

TEST_F(Authorities, ABusyTaskWithAnIdleLimitCanBePausedAndMints) {
  auto r = request();
  r.order.idle_limit = 60s;
  r.order.attended = true;
  r.order.presence_limit = 30s;
  const Opened o = opened(r);
  for (int i = 0; i < 5; ++i) {
    clock.advance(20s);
    authority->confirm_view();
    flush();
    ASSERT_TRUE(authority->heartbeat(o.task.id, clock.wall()).has_value());
    ASSERT_TRUE(decide(call(o.task)).has_value()) << i;
  }
  EXPECT_TRUE(rt::block_on(authority->mint(mint_with(o))).has_value());
  EXPECT_TRUE(child(o.task.id).has_value());
  EXPECT_EQ(
      must(rt::block_on(authority->pause(o.task.id, Why::kOperator, Actor::local_operator(0))))
          .state,
      State::kPaused);
}

TEST_F(Authorities, AReceiptThatCannotBeDoesNotHoldUpTheOthers) {
  const Opened o = opened();
  must(store->write_sync([&](store::Tx& tx) -> Result<bool> {
    tx.no_event();
    tx.run("INSERT INTO owed (kind, task, since, next, body) VALUES ('receipt', $1, 0, 0, '{}')",
           TaskId::random(entropy));
    return true;
  }));
  must(rt::block_on(authority->close(o.task.id, How::kCompleted, Actor::agent("coder"))));
  must(authority->publish_log());
  EXPECT_EQ(must(authority->sign_receipts()), 1u);
}

// Rules 2-5 over random scripts on a tree of tasks, against a model that walks up from every task.
TEST_F(Authorities, TreesAgreeWithTheSlowModel) {
  struct Node {
    TaskId id;
    std::optional<std::size_t> parent;
    int depth = 0;
    State state = State::kActive;
    std::optional<How> how;
  };
  const auto script_holds = [this] {
    std::vector<Node> nodes{{.id = opened().task.id}};
    const auto within = [&](std::size_t n, std::size_t top) {
      for (std::optional<std::size_t> at = n; at; at = nodes[*at].parent)
        if (*at == top) return true;
      return false;
    };
    // A task acts only while it and all above it are active.
    const auto acts = [&](std::size_t n) {
      for (std::optional<std::size_t> at = n; at; at = nodes[*at].parent)
        if (nodes[*at].state != State::kActive) return false;
      return true;
    };
    const Actor by = Actor::local_operator(0);
    const int steps = *rc::gen::inRange(1, 12);
    for (int i = 0; i < steps; ++i) {
      const auto n = *rc::gen::inRange<std::size_t>(0, nodes.size());
      Node& node = nodes[n];
      switch (*rc::gen::inRange(0, 4)) {
        case 0:
          RC_ASSERT(rt::block_on(authority->close(node.id, How::kRevoked, by)).has_value());
          for (std::size_t k = 0; k < nodes.size(); ++k)
            if (within(k, n) && nodes[k].state != State::kClosed) {
              nodes[k].state = State::kClosed;
              nodes[k].how = k == n ? How::kRevoked : How::kParentClosed;
            }
          break;
        case 1:
          RC_ASSERT(rt::block_on(authority->pause(node.id, Why::kOperator, by)).has_value() ==
                    (node.state != State::kClosed));
          if (node.state == State::kActive) node.state = State::kPaused;
          break;
        case 2:
          RC_ASSERT(rt::block_on(authority->resume(node.id, Why::kOperator, by)).has_value() ==
                    (node.state == State::kPaused));
          if (node.state == State::kPaused) node.state = State::kActive;
          break;
        case 3: {
          const auto born = child(node.id);
          RC_ASSERT(born.has_value() == (acts(n) && node.depth < settings.limits.max_depth));
          if (born) nodes.push_back({.id = born->task.id, .parent = n, .depth = node.depth + 1});
        }
      }
      for (std::size_t k = 0; k < nodes.size(); ++k) {
        const Node& one = nodes[k];
        const auto task = authority->task(one.id);
        RC_ASSERT(task.has_value());
        RC_ASSERT(task->state == one.state);
        RC_ASSERT(task->how == one.how);
        const auto live = authority->view().find(one.id, clock.mono());
        RC_ASSERT(live.has_value() == (one.state != State::kClosed));
        RC_ASSERT(decide(call(*task)).has_value() == acts(k));
      }
    }
  };
  EXPECT_TRUE(rc::check("closing reaches every descendant", script_holds));
}

}  // namespace
}  // namespace stint::authority
