// Rule 5 where it is narrowest: a command that was judged by the live view, and lands in one commit
// with what ended it. The rows refuse it, and nothing of it is written.
#include <algorithm>
#include <array>
#include <functional>
#include <future>
#include <utility>

#include "authority_for_test.h"
#include "stint/testkit/held_writer.h"

namespace stint::authority {
namespace {

using domain::ActionClass;
using domain::How;
using domain::Why;

constexpr std::string_view kClosed = "the task is closed";
constexpr std::string_view kPaused = "the task is paused";
constexpr std::string_view kRevoked = "the token is revoked";
constexpr std::string_view kChanged = "the configuration changed meanwhile";

// A coder's task and, below it, a helper's: that one acts.
class SameCommit : public Fixture {
 public:
  using Command = std::function<Status(SameCommit&)>;
  using Fixture::authority, Fixture::kid, Fixture::minting, Fixture::request;

  void begin() {
    auto r = request();
    r.order.budget = {.requests = 10, .bytes_out = 1000};
    above.emplace(opened(r));
    below.emplace(must(child(above->task.id, r)));
    auto mint = minting(*below);
    token.emplace(must(rt::block_on(authority->mint(std::move(mint)))).token);
  }
  const domain::Task& task() const { return below->task; }
  CallRequest calling(std::string action, ActionClass action_class) {
    auto r = call(task(), std::move(action), action_class);
    r.token = token->id;
    return r;
  }
  Status decided(CallRequest r) {
    auto verdict = decide(std::move(r));
    if (!verdict) return fail(verdict.error());
    permit = verdict->permit;
    return {};
  }

  // Both are judged before either is committed, and share a commit, in this order.
  std::pair<Status, Status> together(const Command& first, const Command& second) {
    flush();
    testkit::HeldWriter hold(*store);
    auto one = std::async(std::launch::async, [&] { return first(*this); });
    hold.await_queued(1);
    auto two = std::async(std::launch::async, [&] { return second(*this); });
    // A second one that is refused too early must fail the test, and not hang it.
    while (store->health().queued < 2 &&
           two.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      std::this_thread::yield();
    EXPECT_EQ(store->health().queued, 2u) << "the second was not judged before the first was kept";
    hold.release();
    Status first_done = one.get();
    return {std::move(first_done), two.get()};
  }

  // What stands in the log and the tables of things permitted and given out.
  std::vector<std::size_t> written() {
    constexpr std::array<std::string_view, 8> kKinds{
        "decision",      "credential.released", "approval.requested", "token.minted",
        "handle.issued", "handle.used",         "task.opened",        "task.delegated"};
    flush();
    const auto events = std::ranges::count_if(must(store->events(0, 10'000)), [&](const auto& e) {
      return std::ranges::find(kKinds, e.kind) != kKinds.end() &&
             !e.bytes.contains(R"("verdict":"deny")");
    });
    const auto rows = [&](store::Sql count) {
      return must(store->read([&](store::Reader& r) { return r.one<std::size_t>(count); })).value();
    };
    return {static_cast<std::size_t>(events), rows("SELECT count(*) FROM task"),
            rows("SELECT count(*) FROM token"), rows("SELECT count(*) FROM handle"),
            rows("SELECT count(*) FROM approval")};
  }
  Status applied(const std::function<void(resource::Resources&)>& change) {
    auto r = resources();
    change(r);
    const auto done =
        rt::block_on(authority->apply(std::move(r), {}, std::nullopt, Actor::local_operator(0)));
    return done ? Status() : fail(done.error());
  }

  std::optional<Opened> above, below;
  std::optional<Minted> token;
  std::optional<Permit> permit;
};

template <class T>
Status status_of(const Result<T>& r) {
  return r ? Status() : fail(r.error());
}

SameCommit::Command closing(bool parent) {
  return [=](SameCommit& t) {
    const TaskId id = parent ? t.above->task.id : t.task().id;
    return status_of(rt::block_on(t.authority->close(id, How::kRevoked, Actor::local_operator(0))));
  };
}
SameCommit::Command pausing(bool parent) {
  return [=](SameCommit& t) {
    const TaskId id = parent ? t.above->task.id : t.task().id;
    return status_of(
        rt::block_on(t.authority->pause(id, Why::kOperator, Actor::local_operator(0))));
  };
}
SameCommit::Command revoking(bool handle) {
  return [=](SameCommit& t) {
    const std::string text = handle ? testkit::text_of(t.below->handle) : t.token->token;
    const auto revoked = rt::block_on(t.authority->revoke(text, "helper"));
    EXPECT_TRUE(revoked.value_or(false));
    return status_of(revoked);
  };
}
SameCommit::Command applying(void (*change)(resource::Resources&)) {
  return [=](SameCommit& t) { return t.applied(change); };
}
void drop_upstream(resource::Resources& r) {
  std::erase_if(r.upstreams, [](const auto& u) { return u.name == "git"; });
}
void drop_agent(resource::Resources& r) {
  std::erase_if(r.agents, [](const auto& a) { return a.name == "helper"; });
}
void drop_human(resource::Resources& r) {
  std::erase_if(r.humans, [](const auto& h) { return h.name == "alice@example.com"; });
  for (auto& a : r.agents) a.owner = "bob@example.com";
}
void drop_policies(resource::Resources& r) { r.policies.clear(); }

constexpr std::string_view kTokenRow = "revoke_token", kMintRow = "mint";

struct First {
  std::string_view name;
  SameCommit::Command run;
  std::string_view reason;   // of the command that came second
  std::string_view release;  // of a release by a permit that came before it
};
void PrintTo(const First& first, std::ostream* out) { *out << first.name; }
const First kFirsts[] = {
    {"close", closing(false), kClosed, kClosed},
    {"close_above", closing(true), kClosed, kClosed},
    {"pause", pausing(false), kPaused, kPaused},
    {"pause_above", pausing(true), kPaused, kPaused},
    {kTokenRow, revoking(false), kRevoked, kRevoked},
    {"revoke_handle", revoking(true), kClosed, kClosed},
    {"apply_without_upstream", applying(drop_upstream), kChanged, kChanged},
    {"apply_without_agent", applying(drop_agent), kChanged, kClosed},
    {"apply_without_human", applying(drop_human), kChanged, kClosed},
    {"apply_without_policies", applying(drop_policies), kChanged, kChanged},
};

Status mint(SameCommit& t) {
  auto r = t.minting(*t.below);
  return status_of(rt::block_on(t.authority->mint(std::move(r))));
}
Status delegate(SameCommit& t) {
  auto r = t.request();
  r.order.agent = "coder";
  r.order.budget = {.requests = 1, .bytes_out = 1};
  return status_of(rt::block_on(t.authority->delegate({.parent = t.task().id,
                                                       .parent_token = t.token->id,
                                                       .parent_token_kid = t.kid(),
                                                       .parent_token_expires = t.token->expires,
                                                       .parent_token_grants = t.task().grants,
                                                       .child = std::move(r)})));
}
Status write_call(SameCommit& t) { return t.decided(t.calling("git.push", ActionClass::kWrite)); }

struct Second {
  std::string_view name;
  SameCommit::Command run;
};
const Second kSeconds[] = {
    {"decide_write", write_call},
    // Under a budget, reads too are recorded before they happen.
    {"decide_read",
     [](SameCommit& t) { return t.decided(t.calling("git.fetch", ActionClass::kRead)); }},
    {"decide_ask",
     [](SameCommit& t) { return t.decided(t.calling("git.ref.delete", ActionClass::kDelete)); }},
    {kMintRow, mint},
    {"delegate", delegate},
};

class SameCommitFirst : public SameCommit, public testing::WithParamInterface<First> {};

TEST_P(SameCommitFirst, TheSecondIsRefusedByTheRows) {
  for (const Second& second : kSeconds) {
    SCOPED_TRACE(second.name);
    ASSERT_TRUE(applied([](auto&) {}).has_value());  // what the row before took away
    begin();
    const auto before = written();
    const auto [one, two] = together(GetParam().run, second.run);
    ASSERT_TRUE(one.has_value()) << one.error().reason.text();
    EXPECT_FALSE(permit.has_value());
    // A handle is a credential of its own: a token's end is not its end.
    if (GetParam().name == kTokenRow && second.name == kMintRow) {
      EXPECT_TRUE(two.has_value());
      continue;
    }
    ASSERT_FALSE(two.has_value());
    EXPECT_EQ(two.error().reason.text(), GetParam().reason);
    EXPECT_EQ(written(), before);
    for (const TaskId id : {above->task.id, task().id})
      EXPECT_EQ(must(authority->task(id)).spend, domain::Spend());
  }
}

// The other way round: the permit came first, and does nothing once its end is acknowledged.
TEST_P(SameCommitFirst, APermitOfTheSameCommitReleasesNothing) {
  begin();
  const auto [one, two] = together(write_call, GetParam().run);
  ASSERT_TRUE(one.has_value()) << one.error().reason.text();
  ASSERT_TRUE(two.has_value()) << two.error().reason.text();
  ASSERT_TRUE(permit.has_value());
  const auto released = authority->release(*permit, clock.wall());
  ASSERT_FALSE(released.has_value());
  EXPECT_EQ(released.error().reason.text(), GetParam().release);
}

// What happened is recorded whatever ended meanwhile, once, and gives back to open tasks alone: the
// spend of a closed one is what its close said.
TEST_P(SameCommitFirst, AnOutcomeOfTheSameCommitIsRecorded) {
  begin();
  ASSERT_TRUE(write_call(*this).has_value());
  ASSERT_EQ(permit->byte_limit(), 1000);
  const auto [one, two] = together(GetParam().run, [](SameCommit& t) {
    return t.authority->outcome(*t.permit, {.status = 200, .bytes_out = 400});
  });
  ASSERT_TRUE(one.has_value()) << one.error().reason.text();
  ASSERT_TRUE(two.has_value()) << two.error().reason.text();
  EXPECT_EQ(count("outcome"), 1u);
  for (const TaskId id : {above->task.id, task().id}) {
    const auto row = must(authority->task(id));
    EXPECT_EQ(row.spend.bytes_out, row.state == domain::State::kClosed ? 1000 : 400);
  }
}

INSTANTIATE_TEST_SUITE_P(Every, SameCommitFirst, testing::ValuesIn(kFirsts),
                         [](const auto& info) { return std::string(info.param.name); });

// S7: what one command took is not there for the next, whichever view the next was judged by.
TEST_F(SameCommit, TheLastRequestIsTakenOnce) {
  auto r = request();
  r.order.budget = {.requests = 1};
  below.emplace(opened(r));
  token.emplace(Minted{.token = "", .id = TokenId::random(entropy), .audience = "", .grants = {}});
  const auto [one, two] = together(write_call, write_call);
  EXPECT_TRUE(one.has_value());
  ASSERT_FALSE(two.has_value());
  EXPECT_EQ(two.error().reason.text(), "the budget is used up");
  EXPECT_EQ(must(authority->task(task().id)).spend.requests, 1);
}

TEST_F(SameCommit, TheLastPlaceForAChildIsTakenOnce) {
  settings.limits.max_children = 1;
  reopen();
  begin();
  const auto [one, two] = together(delegate, delegate);
  EXPECT_TRUE(one.has_value());
  ASSERT_FALSE(two.has_value());
  EXPECT_EQ(two.error().reason.text(), "the task has too many open children");
  EXPECT_EQ(count("task.delegated"), 2u);
}

TEST_F(SameCommit, AChildGetsNoMoreThanIsLeftByThen) {  // rule 3
  begin();
  const auto [one, two] = together(write_call, [](SameCommit& t) {
    auto r = t.request();
    r.order.agent = "coder";
    r.order.budget = {.requests = 10, .bytes_out = 0};
    return status_of(rt::block_on(t.authority->delegate({.parent = t.task().id,
                                                         .parent_token = t.token->id,
                                                         .parent_token_kid = t.kid(),
                                                         .parent_token_expires = t.token->expires,
                                                         .parent_token_grants = t.task().grants,
                                                         .child = std::move(r)})));
  });
  EXPECT_TRUE(one.has_value());
  ASSERT_FALSE(two.has_value());
  EXPECT_EQ(two.error().reason.text(), "budget exceeds what the parent has left");
  EXPECT_EQ(count("task.opened"), 2u);
}

}  // namespace
}  // namespace stint::authority
