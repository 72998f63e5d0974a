// Rule 10: what an agent that is known asked for in vain is an event, and many of them are one and
// a number.
#include <functional>

#include "authority_for_test.h"
#include "impl.h"
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
       [&](auto&) {
         return mint([](auto& r) {
           r.client_id = "helper";
           r.audience.reset();
         });
       },
       "token.mint", "helper", "the handle belongs to another client", true},
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
  for (const std::size_t i : {5u, 6u, 7u}) {  // minting, of a task that is known
    EXPECT_EQ(by_policy[i].human, "alice@example.com") << i;
    EXPECT_EQ(by_policy[i].resource, "http://127.0.0.1:7444/u/git") << i;
  }
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

// What the policies saw goes first: for whom and on what stays.
TEST_F(Refusals, WhatIsTooLongLeavesOutTheFactsAlone) {
  auto r = request();
  for (int i = 0; i < 9; ++i) {
    domain::Grant g{.upstream = "git", .actions = {}, .resources = {"demo/" + std::to_string(i)}};
    for (int k = 0; k < 64; ++k)
      g.actions.push_back("git." + std::string(30, 'a') + std::to_string(k));
    r.order.grants.push_back(std::move(g));
  }
  const Opened o = opened(std::move(r));
  forbid_minting();
  EXPECT_FALSE(rt::block_on(authority->mint(minting(o))).has_value());
  const auto all = denials();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all.front().facts.empty());
  EXPECT_EQ(all.front().human, "alice@example.com");
  EXPECT_EQ(all.front().resource, "http://127.0.0.1:7444/u/git");
}

// The flood of one agent: an entry and a number in a while, whatever it sends; the others go on.
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
  const audit::DecisionsRepeated expected{.task = o.task.id,
                                          .agent = "coder",
                                          .human = "alice@example.com",
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
  // The next while, which is twice as long, begins with an entry, and what was counted is told.
  pass(1s);
  mint_in_vain(o);
  authority->sweep();
  EXPECT_EQ(denials().size(), 5u);
  EXPECT_EQ(repeated().size(), 1u);
  pass(1s);
  mint_in_vain(o);
  authority->sweep();
  EXPECT_EQ(denials().size(), 6u);
  ASSERT_EQ(repeated().size(), 2u);
  EXPECT_EQ(repeated().back().count, 2);
  EXPECT_EQ(findings(), 0u);
}

// One refusal does not hide behind another: of another task it has its own entry and its number.
TEST_F(Refusals, AreToldByTaskAndHuman) {
  const Opened first = opened();
  const Opened second = opened();
  for (int i = 0; i < 3; ++i) mint_in_vain(first);
  for (int i = 0; i < 2; ++i) mint_in_vain(second);
  auto r = request();
  for (const char* human : {"mallory@example.com", "eve@example.com"}) {
    r.order.human = human;
    EXPECT_FALSE(rt::block_on(authority->open_task(r)).has_value());
  }
  const auto all = denials();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].task, first.task.id);
  EXPECT_EQ(all[1].task, second.task.id);
  EXPECT_EQ(all[2].human, "mallory@example.com");
  EXPECT_EQ(all[3].human, "eve@example.com");
  pass(1s);
  authority->sweep();
  std::map<TaskId, std::int64_t> counted;
  for (const auto& one : repeated()) counted[one.task.value()] = one.count;
  EXPECT_EQ(counted, (std::map<TaskId, std::int64_t>{{first.task.id, 2}, {second.task.id, 1}}));
  EXPECT_EQ(findings(), 0u);
}

// Whoever has many names to offer has not as many entries.
TEST_F(Refusals, OfManyHumansAreOneAfterAWhile) {
  auto r = request();
  for (int i = 0; i < 100; ++i) {
    r.order.human = "h" + std::to_string(i) + "@example.com";
    EXPECT_FALSE(rt::block_on(authority->open_task(r)).has_value());
  }
  EXPECT_EQ(denials().size(), Repeats::kKeysOfAgent + 1);
  pass(1s);
  authority->sweep();
  ASSERT_EQ(repeated().size(), 1u);
  const audit::DecisionsRepeated expected{.agent = "coder",
                                          .action = "task.open",
                                          .reason = "the human is not known here",
                                          .count = 100 - Repeats::kKeysOfAgent - 1};
  EXPECT_EQ(repeated().front(), expected);
}

// Before the service goes down, in whatever while.
TEST_F(Refusals, AreAllToldAtTheEnd) {
  const Opened o = opened();
  for (int i = 0; i < 3; ++i) mint_in_vain(o);
  authority->tell_refusals();
  must(store->write_sync([&](store::Tx& tx) -> Result<bool> {
    append(tx, clock.wall(), audit::ServerStopped{.reason = "signal"});
    return true;
  }));
  ASSERT_EQ(repeated().size(), 1u);
  EXPECT_EQ(repeated().front().count, 2);
  EXPECT_EQ(must(store->events(store->size() - 1, 1)).front().kind, "server.stopped");
  authority->tell_refusals();
  EXPECT_EQ(repeated().size(), 1u) << "told once";
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

// Who goes on asking in the name of a task that ended does not put its receipt off, and neither
// that nor what others asked in its name is counted in it.
TEST_F(Refusals, DoNotHoldUpAReceipt) {
  const Opened o = opened();
  EXPECT_EQ(mint_in_vain(o), "the handle is bound to another key");
  auto stolen = minting(o);
  stolen.client_id = "helper";
  EXPECT_FALSE(rt::block_on(authority->mint(stolen)).has_value());
  EXPECT_EQ(count("decision"), 2u);
  must(rt::block_on(authority->close(o.task.id, How::kCompleted, Actor::agent("coder"))));
  mint_in_vain(o);
  must(authority->publish_log());
  mint_in_vain(o);
  pass(1s);
  EXPECT_EQ(count("decision"), 3u);
  EXPECT_FALSE(rt::block_on(authority->mint(minting(o))).has_value());  // after the checkpoint
  flush();
  EXPECT_EQ(must(authority->sign_receipts()), 0u) << "it may still be of the task's life";
  must(authority->publish_log());
  pass(11s);
  EXPECT_FALSE(rt::block_on(authority->mint(minting(o))).has_value());
  flush();
  EXPECT_EQ(must(authority->sign_receipts()), 1u);
  const std::string receipt = must(authority->receipt(o.task.id));
  EXPECT_TRUE(receipt.contains("\ndecisions 0 permitted, 1 denied, 0 asked\n")) << receipt;
  EXPECT_EQ(findings(), 0u);
}

const MonoTime kStart{};

Repeats::Key key_of(std::size_t agent) {
  return {.agent = std::to_string(agent), .operation = policy::Operation::kMint, .reason = "no"};
}

TEST(Repeats, AreCountedWithinAWhileAndToldAfterIt) {
  Repeats repeats;
  const auto key = key_of(1);
  EXPECT_TRUE(repeats.first(key, kStart));
  EXPECT_FALSE(repeats.first(key, kStart));
  EXPECT_FALSE(repeats.first(key, kStart + 999ms));
  EXPECT_TRUE(repeats.due(kStart + 999ms).empty());
  EXPECT_TRUE(repeats.first(key, kStart + 1s));
  repeats.add(key, 5, kStart + 1s);
  auto due = repeats.due(kStart + 1s);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due.front().count, 2);
  EXPECT_TRUE(repeats.due(kStart + 2s).empty()) << "the second while is two seconds";
  due = repeats.due(kStart + 3s);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due.front().count, 5);
  EXPECT_TRUE(repeats.due(kStart + 9s).empty());
}

// Neither asking all the time nor just after each while makes more than one entry a minute of it.
TEST(Repeats, AreOneAMinuteInTheEnd) {
  for (const auto step : {10ms, 1001ms, 30'000ms}) {
    Repeats repeats;
    std::size_t entries = 0;
    std::int64_t counted = 0, asked = 0;
    for (auto at = 0ms; at < 1h; at += step, ++asked) {
      entries += repeats.first(key_of(1), kStart + at) ? 1 : 0;
      for (const auto& one : repeats.due(kStart + at)) counted += one.count;
    }
    for (const auto& one : repeats.all()) counted += one.count;
    EXPECT_LE(entries, 66u) << step.count();
    EXPECT_EQ(static_cast<std::int64_t>(entries) + counted, asked) << "none is unsaid";
  }
}

TEST(Repeats, AreForgottenWhenTheyStop) {
  Repeats repeats;
  for (int i = 0; i < 100; ++i) repeats.first(key_of(1), kStart + i * 1s);
  const MonoTime later = kStart + 99s + Repeats::kRemembered;
  std::int64_t counted = 0;
  for (const auto& one : repeats.due(later)) counted += one.count;
  EXPECT_EQ(counted, 93) << "seven were entries";
  EXPECT_TRUE(repeats.first(key_of(1), later));
  EXPECT_FALSE(repeats.first(key_of(1), later));
  EXPECT_TRUE(repeats.first(key_of(1), later + 1s)) << "one second, as at first";
}

TEST(Repeats, AreBounded) {
  Repeats repeats;
  for (std::size_t i = 0; i < Repeats::kKeys; ++i) EXPECT_TRUE(repeats.first(key_of(i), kStart));
  EXPECT_FALSE(repeats.first(key_of(0), kStart));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_FALSE(repeats.first(key_of(Repeats::kKeys + i), kStart)) << "no room: counted";
  const auto due = repeats.due(kStart + 1s);
  ASSERT_EQ(due.size(), 2u);
  EXPECT_EQ(due[0].key.agent, "") << "of several";
  EXPECT_EQ(due[0].key.reason, "no");
  EXPECT_EQ(due[0].count, 3);
  EXPECT_EQ(due[1].key.agent, "0");
  EXPECT_EQ(due[1].count, 1);
}

}  // namespace
}  // namespace stint::authority
