// Tasks and their children: rules 2 to 5 and 7.
#include <rapidcheck.h>

#include "authority_for_test.h"
#include "impl.h"

namespace stint::authority {
namespace {

using domain::How;
using domain::State;
using domain::Why;

using Trees = Fixture;

TEST_F(Trees, CloseReachesEveryDescendantInAnyState) {  // rule 4
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

TEST_F(Trees, AClosedTaskMintsDelegatesAndReleasesNothing) {  // rule 5, S1
  const Opened o = opened();
  const auto permitted = must(decide(call(o.task)));
  ASSERT_TRUE(permitted.permit.has_value());
  must(rt::block_on(authority->close(o.task.id, How::kCompleted, Actor::agent("coder"))));
  EXPECT_EQ(rt::block_on(authority->mint(minting(o))).error().reason.text(), "the task is closed");
  EXPECT_EQ(child(o.task.id).error().reason.text(), "the task is closed");
  EXPECT_EQ(authority->release(*permitted.permit, clock.wall()).error().reason.text(),
            "the task is closed");
  EXPECT_EQ(decide(call(o.task)).error().reason.text(), "the task is closed");
}

TEST_F(Trees, PausedLetsNothingHappenButEnding) {  // rule 7
  const Opened o = opened();
  must(rt::block_on(authority->pause(o.task.id, Why::kOperator, Actor::local_operator(0))));
  EXPECT_EQ(decide(call(o.task)).error().reason.text(), "the task is paused");
  EXPECT_EQ(rt::block_on(authority->mint(minting(o))).error().reason.text(), "the task is paused");
  EXPECT_EQ(rt::block_on(authority->resume(o.task.id, Why::kRisk, Actor::local_operator(0)))
                .error()
                .reason.text(),
            "the task is paused for another cause");
  must(rt::block_on(authority->resume(o.task.id, Why::kOperator, Actor::local_operator(0))));
  EXPECT_TRUE(must(decide(call(o.task))).permit.has_value());
}

TEST_F(Trees, AChildNeverDoesMoreThanTheTokenItCameFrom) {  // rule 3
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

TEST_F(Trees, AChildsFirstTokenEndsWithTheTokenItCameFrom) {  // RFC 8693
  const Opened o = opened();
  auto r = request();
  r.audience = "http://127.0.0.1:7444/u/git";
  const auto until = [&](WallTime expires) {
    auto wanted = r;
    wanted.order.binding.thumbprint = kOtherJktForTest;
    return rt::block_on(authority->delegate({.parent = o.task.id,
                                             .parent_token = TokenId::random(entropy),
                                             .parent_token_kid = kid(),
                                             .parent_token_expires = expires,
                                             .parent_token_grants = o.task.grants,
                                             .child = std::move(wanted)}));
  };
  EXPECT_EQ(must(until(clock.wall() + 17s)).token->expires, clock.wall() + 17s);
  EXPECT_EQ(must(until(clock.wall() + 1h)).token->expires, clock.wall() + 5min);
  const auto late = until(clock.wall());
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().reason.text(), "the parent's token has expired");
  EXPECT_EQ(count("token.minted"), 2u);
}

TEST_F(Trees, OpenChildrenAreBounded) {
  settings.limits.max_children = 2;
  reopen();
  const Opened top = opened();
  const auto first = must(child(top.task.id));
  must(child(top.task.id));
  const auto third = child(top.task.id);
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, Errc::kLimit);
  EXPECT_EQ(third.error().reason.text(), "the task has too many open children");
  EXPECT_EQ(count("task.opened"), 3u);
  // Of each task on its own: a child's are its own, and one that ended makes room.
  must(child(first.task.id));
  must(rt::block_on(authority->close(first.task.id, How::kCompleted, Actor::agent("helper"))));
  EXPECT_TRUE(child(top.task.id).has_value());
  EXPECT_FALSE(child(top.task.id).has_value());
}

// Each child is an event that the parent's receipt lists: one task cannot have any number of them.
TEST_F(Trees, ChildrenEverAreBounded) {
  const Opened top = opened();
  const Opened other = opened();
  const auto first = must(child(top.task.id));
  const auto end = [&](const Opened& o) {
    must(rt::block_on(authority->close(o.task.id, How::kRevoked, Actor::agent("helper"))));
  };
  end(first);
  must(store->write_sync([&](store::Tx& tx) -> Result<bool> {
    append(tx, clock.wall(), audit::ServerStopped{.reason = "command"});
    for (int i = 0; i < 1022; ++i)
      tx.run(
          "INSERT INTO task (id, state, how, closed, agent, depth, opened, deadline, idle_seconds, "
          "last_used, version, body, parent) SELECT $2, state, how, closed, agent, depth, opened, "
          "deadline, idle_seconds, last_used, version, body, parent FROM task WHERE id = $1",
          first.task.id, TaskId::random(entropy));
    return true;
  }));
  end(must(child(top.task.id)));  // the last
  const auto before = store->size();
  const auto more = child(top.task.id);
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().code, Errc::kLimit);
  EXPECT_EQ(more.error().reason.text(), "the task has had too many children");
  flush();
  EXPECT_EQ(store->size(), before + 1) << "its refusal and nothing else";
  EXPECT_TRUE(child(other.task.id).has_value()) << "of each task on its own";
}

// Rules 2-5 over random scripts on a tree of tasks, against a model that walks up from every task.
TEST_F(Trees, TreesAgreeWithTheSlowModel) {
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
