// What an authority gives out and takes back, and what it takes in: each test names the rule or
// promise that it shows.
#include <filesystem>
#include <fstream>
#include <functional>

#include "authority_for_test.h"

namespace stint::authority {
namespace {

using domain::How;

using Authorities = Fixture;

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
  const auto minted = must(rt::block_on(authority->mint(minting(o))));
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
    auto r = minting(o);
    row.change(r);
    const auto got = rt::block_on(authority->mint(std::move(r)));
    ASSERT_FALSE(got.has_value()) << row.name;
    EXPECT_EQ(got.error().reason.text(), row.reason) << row.name;
  }
  EXPECT_EQ(count("token.minted"), 1u);

  auto narrow = minting(o);
  narrow.narrow = {{.upstream = "git", .actions = {"git.fetch"}, .resources = {"demo/readme.git"}}};
  const auto small = must(rt::block_on(authority->mint(std::move(narrow))));
  EXPECT_EQ(small.token.grants.front().actions, std::vector<std::string>{"git.fetch"});
}

TEST_F(Authorities, RevokedTokenIsRefusedItsSiblingIsNot) {
  const Opened o = opened();
  const auto one = must(rt::block_on(authority->mint(minting(o))));
  const auto two = must(rt::block_on(authority->mint(minting(o))));
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
  EXPECT_TRUE(must(rt::block_on(authority->revoke(testkit::text_of(o.handle), "coder"))));
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

TEST_F(Authorities, EverythingIsThereAfterARestart) {  // S3
  const Opened o = opened();
  const Opened gone = opened();
  must(rt::block_on(authority->close(gone.task.id, How::kCompleted, Actor::agent("coder"))));
  reopen();
  EXPECT_EQ(authority->view().size(), 1u);
  EXPECT_TRUE(must(decide(call(o.task))).permit.has_value());
  EXPECT_EQ(decide(call(gone.task)).error().reason.text(), "the task is closed");
  EXPECT_TRUE(rt::block_on(authority->mint(minting(o))).has_value());
  EXPECT_EQ(authority->directory()->resources(), resources());
}

TEST_F(Authorities, NoSecretIsInTheDatabaseOrItsEvents) {  // S5, S10
  const Opened o = opened();
  const std::string handle = testkit::text_of(o.handle);
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

}  // namespace
}  // namespace stint::authority
