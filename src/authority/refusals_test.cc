// Rule 10: what an agent that is known asked for in vain is an event, and many of them are one and
// a number.
#include <functional>

#include "authority_for_test.h"
#include "repeats.h"
#include "stint/audit/story.h"
#include "stint/testkit/faulty_vfs.h"
#include "stint/testkit/held_writer.h"

namespace stint::authority {
namespace {

using domain::How;

class Refusals : public Fixture {
 protected:
  std::vector<audit::Decided> denials() {
    std::vector<audit::Decided> out;
    flush();
    for (const auto& e : must(store->events(0, 10'000))) {
      const auto entry = must(audit::parse(e.bytes));
      if (const auto* d = std::get_if<audit::Decided>(&entry.event)) out.push_back(*d);
    }
    return out;
  }
  std::vector<audit::DecisionsRepeated> repeated() {
    std::vector<audit::DecisionsRepeated> out;
    flush();
    for (const auto& e : must(store->events(0, 10'000))) {
      const auto entry = must(audit::parse(e.bytes));
      if (const auto* r = std::get_if<audit::DecisionsRepeated>(&entry.event)) out.push_back(*r);
    }
    return out;
  }
  // What the log's own rules find wrong with it.
  std::size_t findings() {
    audit::Story story;
    std::size_t n = 0;
    flush();
    for (const auto& e : must(store->events(0, 10'000)))
      n += story.add(e.seq, must(audit::parse(e.bytes))).size();
    return n + story.finish().size();
  }
  std::string mint_in_vain(const Opened& o) {
    auto r = minting(o);
    r.presented.thumbprint = kOtherJktForTest;
    const auto got = rt::block_on(authority->mint(std::move(r)));
    EXPECT_FALSE(got.has_value());
    return got ? "" : std::string(got.error().reason.text());
  }
  void forbid_minting() {
    auto r = resources();
    r.add(resource::Policy{.name = "no-tokens.cedar",
                           .text = "@id(\"no-tokens\")\nforbid (principal, action == "
                                   "Action::\"token.mint\", resource);\n"});
    must(rt::block_on(authority->apply(r, {}, std::nullopt, Actor::local_operator(0))));
  }
};

struct Row {
  const char* name;
  std::function<Error(Refusals&)> ask;
  std::string_view action, agent, reason;
  bool of_task = false, by_policy = false;
};

TEST_F(Refusals, EachIsOneEventThatSaysWhoWhatAndWhy) {
  const Opened o = opened();
  const auto ended = opened();
  must(rt::block_on(authority->close(ended.task.id, How::kCompleted, Actor::agent("coder"))));
  forbid_minting();
  const auto opening = [&](auto change) {
    auto r = request();
    change(r);
    return rt::block_on(authority->open_task(std::move(r))).error();
  };
  const auto mint = [&](auto change) {
    auto r = minting(o);
    change(r);
    return rt::block_on(authority->mint(std::move(r))).error();
  };
  const Row rows[] = {
      {"open_by_policy", [&](auto&) { return opening([](auto& r) { r.order.human.reset(); }); },
       "task.open", "coder", "policy does not permit this task", false, true},
      {"open_for_nobody_known",
       [&](auto&) { return opening([](auto& r) { r.order.human = "mallory@example.com"; }); },
       "task.open", "coder", "the human is not known here"},
      {"open_too_long", [&](auto&) { return opening([](auto& r) { r.order.life = 1000h; }); },
       "task.open", "coder", "deadline is past the longest allowed"},
      {"delegate_more",
       [&](auto&) {
         auto r = request();
         r.order.grants[0].actions.push_back("git.admin");
         return child(o.task.id, std::move(r)).error();
       },
       "task.delegate", "coder", "grants exceed the parent's", true},
      {"delegate_after_the_end", [&](auto&) { return child(ended.task.id).error(); },
       "task.delegate", "coder", "the task is closed", true},
      {"mint_by_policy", [&](auto&) { return mint([](auto&) {}); }, "token.mint", "coder",
       "policy does not permit a token now", true, true},
      {"mint_with_another_key",
       [&](auto&) { return mint([](auto& r) { r.presented.thumbprint = kOtherJktForTest; }); },
       "token.mint", "coder", "the handle is bound to another key", true},
      {"mint_by_another_client",
       [&](auto&) { return mint([](auto& r) { r.client_id = "helper"; }); }, "token.mint", "helper",
       "the handle belongs to another client", true},
      {"mint_of_nothing", [&](auto&) { return mint([](auto& r) { r.handle_text = "x"; }); },
       "token.mint", "coder", "not a handle"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto before = denials().size();
    const auto size = store->size();
    EXPECT_EQ(row.ask(*this).reason.text(), row.reason);
    const auto all = denials();
    ASSERT_EQ(all.size(), before + 1);
    EXPECT_EQ(store->size(), size + 1) << "nothing else was written";
    const audit::Decided& d = all.back();
    EXPECT_EQ(d.verdict, audit::Verdict::kDeny);
    EXPECT_EQ(d.action, row.action);
    EXPECT_EQ(d.agent, row.agent);
    EXPECT_EQ(d.reason, row.reason);
    EXPECT_EQ(d.task.has_value(), row.of_task);
    EXPECT_EQ(d.action_class, std::nullopt);
    EXPECT_EQ(!d.facts.empty(), row.by_policy);
    // Why, in words, by the number that stands in the log.
    const auto why = must(authority->why(d.decision)).words;
    EXPECT_TRUE(why.starts_with("Denied: " + std::string(row.action) + " by agent " +
                                std::string(row.agent) + ": "))
        << why;
    if (row.by_policy) EXPECT_TRUE(why.contains("What would have to change")) << why;
  }
  const auto by_policy = denials();
  EXPECT_EQ(by_policy[5].policies, std::vector<std::string>{"no-tokens"});
  EXPECT_EQ(by_policy[5].resource, "http://127.0.0.1:7444/u/git");
  EXPECT_EQ(by_policy[3].token.has_value(), true);
  EXPECT_EQ(by_policy[3].human, "alice@example.com");
  EXPECT_EQ(findings(), 0u);
}

TEST_F(Refusals, WhatIsTooLongToWriteIsWrittenShort) {
  auto r = request();
  r.order.human.reset();
  r.order.grants.clear();
  for (int i = 0; i < 30; ++i) {
    domain::Grant g{.upstream = "git", .actions = {}, .resources = {"demo/readme.git"}};
    for (int k = 0; k < 64; ++k)
      g.actions.push_back("git." + std::string(30, 'a') + std::to_string(k));
    r.order.grants.push_back(std::move(g));
  }
  EXPECT_FALSE(rt::block_on(authority->open_task(std::move(r))).has_value());
  const auto all = denials();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all.front().facts.empty());
  EXPECT_EQ(all.front().action, "task.open");
}

// The flood of one agent: an entry and a number a second, whatever it sends; the others go on.
TEST_F(Refusals, AFloodIsOneEntryAndANumber) {
  const Opened o = opened();
  {
    testkit::HeldWriter hold(*store);
    for (int i = 0; i < 500; ++i) ASSERT_EQ(mint_in_vain(o), "the handle is bound to another key");
    EXPECT_LE(store->health().queued, 1u);
    EXPECT_TRUE(decide(call(o.task)).has_value()) << "a read is recorded as before";
  }
  EXPECT_EQ(denials().size(), 2u);  // the refusal, and the read
  authority->sweep();
  EXPECT_TRUE(repeated().empty()) << "the second is not over";
  pass(1s);
  authority->sweep();
  ASSERT_EQ(repeated().size(), 1u);
  const audit::DecisionsRepeated expected{.agent = "coder",
                                          .action = "token.mint",
                                          .reason = "the handle is bound to another key",
                                          .count = 499};
  EXPECT_EQ(repeated().front(), expected);
  pass(1s);
  authority->sweep();
  EXPECT_EQ(repeated().size(), 1u) << "said once";

  // Another reason, another operation, another agent: an entry of its own, in the same second.
  mint_in_vain(o);
  auto r = minting(o);
  r.client_id = "helper";
  EXPECT_FALSE(rt::block_on(authority->mint(r)).has_value());
  EXPECT_FALSE(child_of(o.task.id, {}).has_value());
  mint_in_vain(o);
  EXPECT_EQ(denials().size(), 5u);
  // The next second begins with an entry, and what was counted is told.
  pass(1s);
  mint_in_vain(o);
  authority->sweep();
  EXPECT_EQ(denials().size(), 6u);
  ASSERT_EQ(repeated().size(), 2u);
  EXPECT_EQ(repeated().back().count, 1);
  EXPECT_EQ(findings(), 0u);
}

TEST_F(Refusals, WhatCouldNotBeWrittenIsCounted) {
  testkit::FaultyVfs disk("refusals");
  close_all();
  vfs = disk.name();
  open();
  const Opened o = opened();
  disk.fail(testkit::FaultyVfs::Op::kWrite, testkit::FaultyVfs::Fault::kDiskFull);
  EXPECT_FALSE(rt::block_on(authority->close(o.task.id, How::kCompleted, Actor::agent("coder")))
                   .has_value());
  mint_in_vain(o);
  disk.clear();
  EXPECT_TRUE(denials().empty());
  pass(1s);
  authority->sweep();
  ASSERT_EQ(repeated().size(), 1u);
  EXPECT_EQ(repeated().front().count, 1);
  close_all();  // before the disk goes
}

// Who goes on asking in the name of a task that ended does not put its receipt off.
TEST_F(Refusals, DoNotHoldUpAReceipt) {
  const Opened o = opened();
  must(rt::block_on(authority->close(o.task.id, How::kCompleted, Actor::agent("coder"))));
  mint_in_vain(o);
  must(authority->publish_log());
  mint_in_vain(o);
  pass(1s);
  EXPECT_EQ(count("decision"), 1u);
  EXPECT_FALSE(rt::block_on(authority->mint(minting(o))).has_value());  // after the checkpoint
  flush();
  EXPECT_EQ(must(authority->sign_receipts()), 0u) << "it may still be of the task's life";
  must(authority->publish_log());
  pass(11s);
  EXPECT_FALSE(rt::block_on(authority->mint(minting(o))).has_value());
  flush();
  EXPECT_EQ(must(authority->sign_receipts()), 1u);
  EXPECT_EQ(findings(), 0u);
}

TEST(Repeats, AreCountedWithinASecondAndToldAfterIt) {
  Repeats repeats;
  const MonoTime start{};
  const Repeats::Key key{.agent = "a", .operation = policy::Operation::kMint, .reason = "no"};
  EXPECT_TRUE(repeats.first(key, start));
  EXPECT_FALSE(repeats.first(key, start));
  EXPECT_FALSE(repeats.first(key, start + 999ms));
  EXPECT_TRUE(repeats.due(start + 999ms).empty());
  EXPECT_TRUE(repeats.first(key, start + 1s));
  repeats.add(key, 5, start + 1s);
  auto due = repeats.due(start + 1s);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due.front().count, 2);
  due = repeats.due(start + 2s);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due.front().count, 5);
  EXPECT_TRUE(repeats.due(start + 9s).empty());
}

TEST(Repeats, AreBounded) {
  Repeats repeats;
  const auto key = [](std::size_t i) {
    return Repeats::Key{
        .agent = std::to_string(i), .operation = policy::Operation::kOpen, .reason = "no"};
  };
  for (std::size_t i = 0; i <= Repeats::kKeys; ++i) EXPECT_TRUE(repeats.first(key(i), MonoTime{}));
  EXPECT_FALSE(repeats.first(key(0), MonoTime{}));
  EXPECT_TRUE(repeats.first(key(Repeats::kKeys), MonoTime{})) << "not remembered: written";
}

}  // namespace
}  // namespace stint::authority
