// One command and those that share its commit: kept whole or not at all, and apart.
#include <rapidcheck.h>

#include <future>
#include <latch>
#include <map>

#include "contract_for_test.h"

namespace stint::store {
namespace {

using testing::ElementsAre;

class StoreContract : public ContractTest {};

// S3, domain rule 10: state and event are kept together, and are there after a restart.
TEST_P(StoreContract, KeepsStateAndEventTogether) {
  const auto seq = store_->write_sync(put("a", "1"));
  ASSERT_TRUE(seq.has_value());
  EXPECT_EQ(*seq, 0u);
  EXPECT_EQ(get("a"), "1");
  EXPECT_THAT(log(), ElementsAre("a=1"));
  open();
  EXPECT_EQ(get("a"), "1");
  EXPECT_THAT(log(), ElementsAre("a=1"));
  EXPECT_EQ(*store_->write_sync(put("b", "2")), 1u);
}

TEST_P(StoreContract, FailedCommandLeavesNothing) {
  expect_refused(
      [](Tx& tx) -> Result<Seq> {
        const Seq seq = tx.append(event("lost"));
        tx.run(kPut, "lost", "1");
        if (seq == 0) return fail(Errc::kDenied, "changed its mind");
        return seq;
      },
      Errc::kDenied, "changed its mind");
  EXPECT_EQ(get("lost"), std::nullopt);
  EXPECT_TRUE(log().empty());
  EXPECT_TRUE(store_->health().writable);
}

TEST_P(StoreContract, NeighboursInOneCommitAreApart) {
  testkit::HeldWriter hold(*store_);
  std::vector<std::string> done;
  const auto note = [&](std::string name) {
    return [&done, name](auto r) {
      done.push_back(name + (r ? " ok" : " " + std::string(r.error().reason.text())));
    };
  };
  store_->submit(put("a", "1"), note("a"));
  store_->submit([](Tx& tx) { tx.run(kPut, "a", "2"), tx.run("SELECT nothing FROM nowhere"); },
                 note("b"));
  store_->submit([](Tx& tx) { tx.run(kInsert, "a", "3"), tx.append(event("dup")); }, note("c"));
  store_->submit([](Tx&) -> Status { throw 1; }, note("d"));
  store_->submit(put("e", "1"), note("e"));
  hold.release();
  store_->stop();
  EXPECT_THAT(done, ElementsAre("a ok", "b statement", "c constraint", "d command threw", "e ok"));
  EXPECT_EQ(get("a"), "1");
  EXPECT_THAT(log(), ElementsAre("a=1", "e=1"));
  EXPECT_EQ(store_->health().commits, 2u) << "the holder's, and one for all five";
}

// What is not waited for is told to the command that did it, and to no other.
TEST_P(StoreContract, APutThatFailsRefusesItsCommandAlone) {
  testkit::HeldWriter hold(*store_);
  std::vector<std::string> done;
  const auto note = [&](std::string name) {
    return [&done, name](auto r) {
      done.push_back(name + (r ? " ok" : " " + std::string(r.error().reason.text())));
    };
  };
  const auto insert = [](const char* name) {
    return [name](Tx& tx) { tx.put(kInsert, name, "1"), tx.append(event(name)); };
  };
  std::optional<std::string> seen;
  store_->submit(insert("a"), note("a"));
  store_->submit(insert("a"), note("b"));
  store_->submit(
      [&](Tx& tx) {
        tx.put(kInsert, "c", "1"), tx.append(event("c")), seen = tx.one<std::string>(kGet, "a");
      },
      note("c"));
  store_->submit(
      [&](Tx& tx) -> Status {
        tx.put(kInsert, "a", "2");
        return fail(Errc::kDenied, "changed its mind");
      },
      note("d"));
  store_->submit(insert("e"), note("e"));
  hold.release();
  store_->stop();
  EXPECT_THAT(done, ElementsAre("a ok", "b constraint", "c ok", "d constraint", "e ok"));
  EXPECT_EQ(seen, "1");
  EXPECT_THAT(log(), ElementsAre("a", "c", "e"));
}

TEST_P(StoreContract, APutIsBoundByTheRulesOfRun) {
  expect_refused([](Tx& tx) { tx.put(kPut, "a", "1"); }, Errc::kInternal,
                 "state changed with no event");
  expect_refused([](Tx& tx) { tx.put("DELETE FROM event"), tx.append(event("x")); },
                 Errc::kInternal, "statement writes the log");
  expect_refused([](Tx& tx) { tx.put(kInsert, "a"), tx.append(event("x")); }, Errc::kInternal,
                 "statement parameters");
  EXPECT_TRUE(log().empty());
}

TEST_P(StoreContract, LaterCommandSeesEarlierOneOfTheSameCommit) {
  testkit::HeldWriter hold(*store_);
  std::optional<std::string> seen;
  store_->submit(put("a", "1"), [](auto) {});
  store_->submit([&](Tx& tx) { seen = tx.one<std::string>(kGet, "a"); }, [](auto) {});
  hold.release();
  store_->stop();
  EXPECT_EQ(seen, "1");
}

// So a view that is kept by commits is confirmed by each of them, however long the queue is.
TEST_P(StoreContract, ACommitConfirmsWhatCameBeforeIt) {
  testkit::ManualClock other;
  std::vector<MonoTime> begun;
  store_->confirm_by(other, [&](MonoTime at) { begun.push_back(at); });
  const MonoTime start = other.mono();
  other.advance(std::chrono::milliseconds(5));
  ASSERT_TRUE(store_->write_sync([&](Tx& tx) {
    other.advance(std::chrono::milliseconds(7));  // the answer comes later than the question
    tx.append(event("a"));
  }));
  EXPECT_EQ(begun, std::vector{start + std::chrono::milliseconds(5)});
  store_->unfollow();
  ASSERT_TRUE(store_->write_sync([&](Tx& tx) { tx.no_event(); }));
  EXPECT_EQ(begun.size(), 1U);
}

// What was announced is read as if it had not been.
TEST_P(StoreContract, AnAnnouncedReadSeesWhatAnyWouldSee) {
  ASSERT_TRUE(store_->write_sync(put("a", "1")));
  ASSERT_TRUE(store_->write_sync(put("b", "2")));
  const auto done = store_->write_sync([&](Tx& tx) -> Result<bool> {
    for (const char* name : {"a", "b", "none"}) tx.announce(kGet, name);
    EXPECT_EQ(tx.one<std::string>(kGet, "b"), "2") << "in another order";
    EXPECT_EQ(tx.one<std::string>(kGet, "none"), std::nullopt);
    tx.put(kPut, "a", "3");
    EXPECT_EQ(tx.one<std::string>(kGet, "a"), "3") << "changed since";
    EXPECT_EQ(tx.one<std::string>(kGet, "b"), "2") << "again";
    tx.announce(kGet, "a");
    tx.announce(kGet, "a");
    EXPECT_EQ(tx.run(kPut, "a", "4"), 1);
    EXPECT_EQ(tx.one<std::string>(kGet, "a"), "4");
    tx.announce(kGet, "a");  // and never made
    tx.append(event("done"));
    return true;
  });
  ASSERT_TRUE(done.has_value()) << done.error().reason.text();
  // One command's announcement is not another's, also in the same commit.
  testkit::HeldWriter hold(*store_);
  std::vector<std::string> seen;
  store_->submit(
      [](Tx& tx) -> Status {
        tx.announce(kGet, "a");
        tx.put(kPut, "a", "5");
        tx.append(event("undone"));
        return fail(Errc::kDenied, "no");
      },
      [](Status) {});
  store_->submit(
      [&](Tx& tx) -> Status {
        seen.push_back(tx.one<std::string>(kGet, "a").value_or(""));
        tx.put(kPut, "a", "6");
        tx.announce(kGet, "a");
        tx.append(event("six"));
        return {};
      },
      [](Status) {});
  store_->submit(
      [&](Tx& tx) -> Status {
        seen.push_back(tx.one<std::string>(kGet, "a").value_or(""));
        tx.no_event();
        return {};
      },
      [](Status) {});
  hold.release();
  store_->stop();
  EXPECT_EQ(seen, (std::vector<std::string>{"4", "6"}));
}

TEST_P(StoreContract, TxKeepsItsFirstError) {
  bool ran_on = false;
  expect_refused(
      [&](Tx& tx) {
        tx.append(event("x"));
        tx.fail(Error{Errc::kNotFound, "first"});
        EXPECT_EQ(tx.run(kPut, "a", "1"), 0);
        EXPECT_EQ(tx.one<std::string>(kGet, "a"), std::nullopt);
        tx.fail(Error{Errc::kDenied, "second"});
        ran_on = true;
      },
      Errc::kNotFound, "first");
  EXPECT_TRUE(ran_on);
  EXPECT_EQ(get("a"), std::nullopt);
}

// Domain rule 10.
TEST_P(StoreContract, RefusesChangeWithoutEvent) {
  const char* kReason = "state changed with no event";
  expect_refused([](Tx& tx) { tx.run(kPut, "a", "1"); }, Errc::kInternal, kReason);
  expect_refused([](Tx& tx) { tx.no_event(), tx.run(kPut, "a", "1"); }, Errc::kInternal, kReason);
  expect_refused([](Tx& tx) { tx.run(kUse, "s", Blob{"h"}, 1); }, Errc::kInternal, kReason);
  ASSERT_TRUE(store_->write_sync(put("a", "1")).has_value());
  expect_refused(
      [](Tx& tx) {
        return tx.rows<std::string>("UPDATE entity SET body = '2' WHERE name = 'a' RETURNING body")
            .size();
      },
      Errc::kInternal, kReason);
  EXPECT_EQ(get("a"), "1");
  EXPECT_TRUE(store_->write_sync([](Tx& tx) { tx.run(kDelete, "absent"); }).has_value())
      << "nothing changed";
  const auto used = store_->write_sync([](Tx& tx) {
    tx.no_event();
    return tx.run(kUse, "s", Blob{"h"}, 1);
  });
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(*used, 1);
  expect_refused([](Tx& tx) { tx.no_event(), tx.run(kUse, "s", Blob{"h"}, 2); }, Errc::kConflict,
                 "constraint");
}

TEST_P(StoreContract, OnlyAppendWritesTheLog) {
  ASSERT_TRUE(store_->write_sync(put("a", "1")).has_value());
  const char* kReason = "statement writes the log";
  expect_refused([](Tx& tx) { tx.append(event("x")), tx.run("DELETE FROM event"); },
                 Errc::kInternal, kReason);
  expect_refused([](Tx& tx) { tx.append(event("x")), tx.run("DELETE FROM event_task"); },
                 Errc::kInternal, "statement writes the log");
  expect_refused([](Tx& tx) { tx.append(event("x")), tx.run("UPDATE event_opened SET seq = 0"); },
                 Errc::kInternal, "statement writes the log");
  expect_refused([](Tx& tx) { tx.append(event("x")), tx.run("UPDATE event SET count = 1"); },
                 Errc::kInternal, kReason);
  EXPECT_THAT(log(), ElementsAre("a=1"));
}

TEST_P(StoreContract, EventHasALimit) {
  EXPECT_TRUE(store_->write_sync([](Tx& tx) { tx.append(event(std::string(kMaxEventBytes, 'x'))); })
                  .has_value());
  expect_refused([](Tx& tx) { tx.append(event(std::string(kMaxEventBytes + 1, 'x'))); },
                 Errc::kTooLarge, "event over 65535 bytes");
  EXPECT_EQ(store_->size(), 1u);
}

// Refused after it appended, before and after a change: nothing of it stays, all of the others
// does.
TEST_P(StoreContract, WhatARefusedCommandAppendedIsGivenBack) {
  testkit::HeldWriter hold(*store_);
  std::vector<std::future<Result<Seq>>> done;
  const auto submit = [&](int changes, bool refused) {
    auto promise = std::make_shared<std::promise<Result<Seq>>>();
    done.push_back(promise->get_future());
    store_->submit(
        [=](Tx& tx) -> Result<Seq> {
          if (changes == 1) tx.run(kPut, "a", refused ? "no" : "yes");
          const Seq first = tx.append(event(refused ? "no" : "yes"));
          if (changes == 2) tx.run(kPut, "a", refused ? "no" : "yes");
          tx.append(event(refused ? "no" : "yes"));
          if (refused) return stint::fail(Errc::kDenied, "refused");
          return first;
        },
        [promise](Result<Seq> r) { promise->set_value(std::move(r)); });
  };
  for (int changes = 0; changes < 3; ++changes)
    for (const bool refused : {true, false, true}) submit(changes, refused);
  hold.release();
  std::size_t good = 0;
  for (auto& f : done) {
    const auto r = f.get();
    if (r) {
      EXPECT_EQ(*r, 2 * good++);
    }
  }
  EXPECT_EQ(good, 3u);
  EXPECT_EQ(log(), std::vector<std::string>(6, "yes"));
  EXPECT_EQ(get("a"), "yes");
}

// Against a map and a list, which are slow and obvious.
struct Model {
  std::map<std::string, std::string> rows;
  std::vector<std::string> log;
};

struct Step {
  std::uint8_t op, name, body;
  bool fails;
};

Status play(Tx& tx, const Step& s) {
  const std::string name(1, static_cast<char>('a' + s.name % 4)), body = std::to_string(s.body);
  switch (s.op % 3) {
    case 0:
      tx.run(kPut, name, body);
      break;
    case 1:
      tx.run(kInsert, name, body);
      break;
    case 2:
      tx.run(kDelete, name);
      break;
  }
  tx.append(event(name + body));
  if (s.op % 5 == 0) tx.append(event("twice"));
  if (s.fails) return fail(Errc::kDenied, "asked to");
  return {};
}

bool play(Model& model, const Step& s) {
  const std::string name(1, static_cast<char>('a' + s.name % 4)), body = std::to_string(s.body);
  if (s.fails || (s.op % 3 == 1 && model.rows.contains(name))) return false;
  if (s.op % 3 == 2)
    model.rows.erase(name);
  else
    model.rows[name] = body;
  model.log.push_back(name + body);
  if (s.op % 5 == 0) model.log.push_back("twice");
  return true;
}

TEST_P(StoreContract, BehavesAsTheModel) {
  const bool held = rc::check(
      [this](
          const std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint8_t, bool>>& script) {
        const Seq before = store_->size();
        RC_ASSERT(store_->write_sync([&](Tx& tx) {
          tx.append(event("begin"));
          tx.run("DELETE FROM entity");
        }));
        Model model{.rows = {}, .log = {"begin"}};
        std::vector<bool> expected, got;
        std::latch answered(static_cast<std::ptrdiff_t>(script.size()));
        {
          testkit::HeldWriter hold(*store_);
          for (const auto& [op, name, body, fails] : script) {
            const Step step{op, name, body, fails};
            expected.push_back(play(model, step));
            store_->submit([step](Tx& tx) { return play(tx, step); },
                           [&](Status s) {
                             got.push_back(s.has_value());
                             answered.count_down();
                           });
          }
        }
        answered.wait();
        RC_ASSERT(got == expected);
        const auto rows = store_->read(
            [](Reader& r) { return r.rows<std::tuple<std::string, std::string>>(kAll); });
        std::map<std::string, std::string> found;
        for (const auto& [name, body] : *rows) found[name] = body;
        RC_ASSERT(found == model.rows);
        std::vector<std::string> entries;
        for (const StoredEvent& e : *store_->events(before, 10'000)) entries.push_back(e.bytes);
        RC_ASSERT(entries == model.log);
      });
  EXPECT_TRUE(held);
}

INSTANTIATE_TEST_SUITE_P(Every, StoreContract, testing::ValuesIn(kBackends),
                         [](const auto& info) { return info.param.name; });

}  // namespace
TEST_P(StoreContract, FewTablesChangeWithoutAnEvent) {
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy);
  ASSERT_TRUE(store_->write_sync([&](Tx& tx) {
    tx.append({"k", task, "b", {}});
    tx.run(
        "INSERT INTO task (id, state, agent, depth, opened, deadline, last_used, version, body) "
        "VALUES ($1, 'active', 'a', 0, 0, 1, 0, 1, '{}')",
        task);
    tx.run("INSERT INTO token (jti, task, audience, exp) VALUES ($1, $2, 'x', 1)",
           TokenId::random(entropy), task);
  }));
  const auto quietly = [&](Sql sql) {
    return store_
        ->write_sync([&](Tx& tx) {
          tx.no_event();
          tx.run(sql);
        })
        .has_value();
  };
  EXPECT_FALSE(quietly("UPDATE task SET deadline = 9"));
  EXPECT_FALSE(quietly("UPDATE token SET exp = 9"));
  EXPECT_FALSE(quietly("DELETE FROM task"));
  EXPECT_FALSE(quietly("DROP TABLE token"));
  EXPECT_FALSE(
      quietly("WITH all_of (id) AS (SELECT id FROM task) DELETE FROM task WHERE id IN "
              "(SELECT id FROM all_of)"));
  EXPECT_TRUE(quietly("DELETE FROM token WHERE exp < 2"));
  EXPECT_EQ(store_->size(), 1u);
}

}  // namespace stint::store
