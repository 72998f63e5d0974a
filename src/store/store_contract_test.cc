// What every store promises, whatever database stands under it. A second store joins by adding a
// Backend to kBackends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <thread>

#include "stint/merkle/hash.h"
#include "stint/rt/runtime.h"
#include "stint/store/store.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/seeded_entropy.h"
#include "stint/testkit/temp_dir.h"

namespace stint::store {
namespace {

using testing::ElementsAre;

struct Backend {
  const char* name;
  Result<std::unique_ptr<Store>> (*open)(const std::string& dir, Options, const Clock&);
};

Result<std::unique_ptr<Store>> open_sqlite(const std::string& dir, Options options,
                                           const Clock& clock) {
  options.path = dir + "/stint.db";
  return Store::open(std::move(options), clock);
}

const Backend kBackends[] = {{"Sqlite", open_sqlite}};

constexpr Sql kPut =
    "INSERT INTO entity (kind, name, version, state, body, updated) "
    "VALUES ('agent', $1, 1, 'active', $2, 0) "
    "ON CONFLICT (kind, name) DO UPDATE SET version = version + 1, body = excluded.body";
constexpr Sql kInsert =
    "INSERT INTO entity (kind, name, version, state, body, updated) "
    "VALUES ('agent', $1, 1, 'active', $2, 0)";
constexpr Sql kDelete = "DELETE FROM entity WHERE kind = 'agent' AND name = $1";
constexpr Sql kGet = "SELECT body FROM entity WHERE kind = 'agent' AND name = $1";
constexpr Sql kAll = "SELECT name, body FROM entity WHERE kind = 'agent' ORDER BY name LIMIT 1000";
constexpr Sql kUse = "INSERT INTO used_jti (scope, hash, exp) VALUES ($1, $2, $3)";

EventBytes event(std::string bytes) {
  return {"test.happened", std::nullopt, std::move(bytes), {}};
}

auto put(std::string name, std::string body) {
  return [=](Tx& tx) {
    tx.run(kPut, name, body);
    return tx.append(event(name + "=" + body));
  };
}

class StoreContract : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override { open(); }
  void open(Options options = {}) {
    store_ = nullptr;
    auto opened = GetParam().open(dir_.path(), std::move(options), clock_);
    ASSERT_TRUE(opened.has_value()) << opened.error().reason.text();
    store_ = *std::move(opened);
  }
  std::optional<std::string> get(std::string name) {
    auto got = store_->read([&](Reader& r) { return r.one<std::string>(kGet, name); });
    EXPECT_TRUE(got.has_value());
    return got ? *got : std::nullopt;
  }
  std::vector<std::string> log() {
    std::vector<std::string> out;
    auto events = store_->events(0, 10'000);
    EXPECT_TRUE(events.has_value());
    for (Seq i = 0; i < events->size(); ++i) {
      const StoredEvent& e = (*events)[i];
      EXPECT_EQ(e.seq, i) << "a gap";
      EXPECT_EQ(e.leaf, merkle::leaf_hash(e.bytes));
      out.push_back(e.bytes);
    }
    EXPECT_EQ(store_->size(), out.size());
    return out;
  }
  template <class F>
  void expect_refused(F f, Errc code, std::string_view reason) {
    const auto r = store_->write_sync(f);
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, code);
    EXPECT_EQ(r.error().reason.text(), reason);
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  std::unique_ptr<Store> store_;
};

// Keeps the writer busy until told, so that what is submitted meanwhile shares one commit.
class Hold {
 public:
  explicit Hold(Store& store) {
    store.submit(
        [this](Tx&) {
          held_.count_down();
          go_.get_future().wait();
        },
        [](Result<void>) {});
    held_.wait();
  }
  void release() { go_.set_value(); }

 private:
  std::latch held_{1};
  std::promise<void> go_;
};

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
  Hold hold(*store_);
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

TEST_P(StoreContract, LaterCommandSeesEarlierOneOfTheSameCommit) {
  Hold hold(*store_);
  std::optional<std::string> seen;
  store_->submit(put("a", "1"), [](auto) {});
  store_->submit([&](Tx& tx) { seen = tx.one<std::string>(kGet, "a"); }, [](auto) {});
  hold.release();
  store_->stop();
  EXPECT_EQ(seen, "1");
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
  expect_refused([](Tx& tx) { tx.append(event("x")), tx.run("UPDATE event SET time = 1"); },
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

// S1 rests on this: a view that observes is current before a close is acknowledged.
TEST_P(StoreContract, ObserversComeBeforeCompletions) {
  std::vector<std::string> order;
  store_->observe([&](std::span<const StoredEvent> events) {
    for (const StoredEvent& e : events) order.push_back("seen " + e.bytes);
    EXPECT_EQ(store_->size(), events.back().seq + 1);
  });
  Hold hold(*store_);
  store_->submit(put("a", "1"), [&](auto) { order.push_back("done a"); });
  store_->submit(
      [](Tx& tx) -> Status {
        tx.append(event("never"));
        return fail(Errc::kDenied, "no");
      },
      [&](Status) { order.push_back("done never"); });
  store_->submit(put("b", "1"), [&](auto) { order.push_back("done b"); });
  hold.release();
  store_->stop();
  EXPECT_THAT(order, ElementsAre("seen a=1", "seen b=1", "done a", "done never", "done b"));
}

TEST_P(StoreContract, ReadsSeeWhatWasAcknowledged) {
  for (int i = 0; i < 200; ++i) {
    std::promise<std::optional<std::string>> promise;
    store_->submit(put("a", std::to_string(i)), [&](auto r) {
      EXPECT_TRUE(r.has_value());
      promise.set_value(get("a"));
    });
    EXPECT_EQ(promise.get_future().get(), std::to_string(i));
  }
}

TEST_P(StoreContract, ReadIsOneSnapshotAndCannotWrite) {
  ASSERT_TRUE(store_->write_sync(put("a", "1")).has_value());
  const auto same = store_->read([&](Reader& r) {
    const auto before = r.one<std::string>(kGet, "a");
    EXPECT_TRUE(store_->write_sync(put("a", "2")).has_value());
    return before == r.one<std::string>(kGet, "a");
  });
  EXPECT_TRUE(same.has_value() && *same);
  EXPECT_EQ(get("a"), "2");
  const auto written = store_->read([](Reader& r) { return r.rows<int>(kDelete, "a"); });
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, Errc::kReadOnly);
  const auto failed = store_->read([](Reader&) -> Status { return fail(Errc::kDenied, "mine"); });
  EXPECT_EQ(failed.error().reason.text(), "mine");
  EXPECT_EQ(get("a"), "2");
}

TEST_P(StoreContract, ColumnsKeepTheirTypes) {
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy);
  const WallTime time = clock_.wall();
  const Hash hash = merkle::leaf_hash("x");
  const auto got = store_->read([&](Reader& r) {
    return r.one<std::tuple<TaskId, WallTime, Hash, std::string, std::string, bool,
                            std::optional<TaskId>, std::optional<std::int64_t>, std::int64_t>>(
        "SELECT $3, $2, $1, $4, $5, $6, $7, $8, $9", hash, time, task, "text",
        Blob{std::string_view("\0b", 2)}, true, std::optional<TaskId>(), std::optional(7), -1);
  });
  ASSERT_TRUE(got.has_value() && got->has_value());
  EXPECT_EQ(**got,
            std::tuple(task, time, hash, std::string("text"), std::string("\0b", 2), true,
                       std::optional<TaskId>(), std::optional<std::int64_t>(7), std::int64_t{-1}));
  const auto refused = [&](auto f, std::string_view reason) {
    const auto r = store_->read(f);
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, Errc::kInternal);
    EXPECT_EQ(r.error().reason.text(), reason);
  };
  refused([](Reader& r) { return r.one<int>("SELECT 'text'"); }, "column type");
  refused([](Reader& r) { return r.one<int>("SELECT NULL"); }, "column type");
  refused([](Reader& r) { return r.one<std::string>("SELECT 7"); }, "column type");
  refused([](Reader& r) { return r.one<TaskId>("SELECT x'00'"); }, "column type");
  refused([](Reader& r) { return r.one<int>("SELECT $2", 1); }, "statement parameters");
  refused([](Reader& r) { return r.one<int>("SELECT 1; SELECT 2"); }, "not one statement");
}

TEST_P(StoreContract, ManyThreadsGetEachTheirOwnPosition) {
  constexpr int kThreads = 8, kEach = 200;
  std::vector<std::vector<Seq>> got(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const auto seq = store_->write_sync(put("t" + std::to_string(t), std::to_string(i)));
        if (seq) got[static_cast<std::size_t>(t)].push_back(*seq);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  const std::vector<std::string> entries = log();
  ASSERT_EQ(entries.size(), kThreads * kEach);
  for (std::size_t t = 0; t < kThreads; ++t) {
    ASSERT_EQ(got[t].size(), kEach);
    for (std::size_t i = 0; i < kEach; ++i) {
      EXPECT_EQ(entries[got[t][i]], "t" + std::to_string(t) + "=" + std::to_string(i));
    }
    EXPECT_TRUE(std::ranges::is_sorted(got[t])) << "order of submission";
  }
}

TEST_P(StoreContract, ManyOutstandingShareCommits) {
  constexpr std::uint64_t kCommands = 500;
  Hold hold(*store_);
  std::latch done(kCommands);
  for (std::uint64_t i = 0; i < kCommands; ++i) {
    store_->submit(put("a", std::to_string(i)), [&](auto) { done.count_down(); });
  }
  hold.release();
  done.wait();
  EXPECT_LE(store_->health().commits, 3u);
  EXPECT_EQ(store_->health().commands, kCommands + 1);
}

TEST_P(StoreContract, QueueIsBounded) {
  open(Options{.max_queue = 4});
  Hold hold(*store_);
  int accepted = 0;
  std::vector<std::string> refused;
  for (int i = 0; i < 6; ++i) {
    store_->submit(put("a", "1"), [&](auto r) {
      if (r)
        ++accepted;
      else
        refused.emplace_back(r.error().reason.text());
    });
  }
  EXPECT_THAT(refused, ElementsAre("store queue is full", "store queue is full"));
  EXPECT_EQ(store_->health().queued, 4u);
  hold.release();
  store_->stop();
  EXPECT_EQ(accepted, 4);
}

TEST_P(StoreContract, DeferredCommitsByItselfAndWithTheNext) {
  open(Options{.max_deferred = 2, .deferred_flush = std::chrono::milliseconds(1)});
  std::promise<void> seen;
  store_->observe([&](std::span<const StoredEvent> e) {
    if (e.front().bytes == "a=1") seen.set_value();
  });
  ASSERT_TRUE(store_->deferred(put("a", "1")).has_value());
  seen.get_future().wait();  // nobody asked for it

  Hold hold(*store_);
  ASSERT_TRUE(store_->deferred(put("b", "1")).has_value());
  ASSERT_TRUE(store_->deferred(put("c", "1")).has_value());
  const Status full = store_->deferred(put("d", "1"));
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().reason.text(), "store queue is full");
  store_->submit(put("e", "1"), [](auto) {});
  hold.release();
  store_->stop();
  EXPECT_THAT(log(), ElementsAre("a=1", "b=1", "c=1", "e=1"));
}

TEST_P(StoreContract, StopCommitsWhatIsQueuedAndRefusesTheRest) {
  int done = 0;
  for (int i = 0; i < 100; ++i)
    store_->submit(put("a", "1"), [&](auto r) { done += r.has_value(); });
  ASSERT_TRUE(store_->deferred(put("b", "1")).has_value());
  store_->stop();
  EXPECT_EQ(done, 100);
  EXPECT_EQ(store_->size(), 101u);
  expect_refused(put("a", "2"), Errc::kUnavailable, "store is stopping");
  EXPECT_EQ(get("a"), "1") << "reads go on";
}

rt::Co<void> write_one(Store& store, std::promise<std::pair<bool, Seq>>& out) {
  const std::thread::id before = std::this_thread::get_id();
  const auto seq = co_await store.write([](Tx& tx) { return tx.append(event("co")); });
  out.set_value({before == std::this_thread::get_id(), seq.value_or(99)});
}

TEST_P(StoreContract, WriteResumesWhereItWasAwaited) {
  rt::Runtime runtime(1);
  runtime.start();
  std::promise<std::pair<bool, Seq>> out;
  rt::spawn(runtime.executor(0), write_one(*store_, out));
  EXPECT_EQ(out.get_future().get(), std::pair(true, Seq{0}));
  runtime.stop();
}

TEST_P(StoreContract, EventsArePagedAndFoundByTask) {
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy), other = TaskId::random(entropy);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store_
                    ->write_sync([&](Tx& tx) {
                      tx.append({"test.happened", i % 2 == 0 ? task : other, std::to_string(i),
                                 clock_.wall()});
                    })
                    .has_value());
  }
  const auto page = store_->events(3, 2);
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->size(), 2u);
  EXPECT_EQ(page->front().seq, 3u);
  EXPECT_EQ(page->front().kind, "test.happened");
  EXPECT_EQ(page->front().task, other);
  EXPECT_EQ(page->front().time, clock_.wall());
  const auto of_task = store_->task_events(task, 3, 100);
  ASSERT_TRUE(of_task.has_value());
  ASSERT_EQ(of_task->size(), 3u);
  EXPECT_EQ(of_task->front().bytes, "4");
  EXPECT_TRUE(store_->events(10, 5)->empty());
}

// However far apart they stand, and from the task's opening on.
TEST_P(StoreContract, EventsOfATaskAreFoundThroughoutALongLog) {
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy), other = TaskId::random(entropy);
  std::vector<Seq> wanted;
  constexpr Seq kEvents = 30'000;
  for (Seq from = 0; from < kEvents; from += 1000) {
    const auto wrote = store_->write_sync([&](Tx& tx) {
      for (Seq seq = from; seq < from + 1000; ++seq) {
        const bool opening = seq == 700;
        const bool ours = opening || (seq > 700 && (seq % 5'003 == 0 || seq % 8'192 < 2));
        if (ours) wanted.push_back(seq);
        tx.append({opening ? "task.opened" : "test.happened", ours ? task : other, "x", {}});
      }
    });
    ASSERT_TRUE(wrote.has_value());
  }
  const auto seqs = [&](Seq from, std::size_t limit) {
    std::vector<Seq> out;
    for (const auto& e : store_->task_events(task, from, limit).value()) {
      EXPECT_EQ(e.task, task);
      out.push_back(e.seq);
    }
    return out;
  };
  EXPECT_EQ(seqs(0, 10'000), wanted);
  EXPECT_EQ(seqs(0, 3), std::vector<Seq>(wanted.begin(), wanted.begin() + 3));
  EXPECT_EQ(seqs(wanted[4] + 1, 10'000), std::vector<Seq>(wanted.begin() + 5, wanted.end()));
  EXPECT_TRUE(seqs(kEvents, 10).empty());
  EXPECT_TRUE(store_->task_events(TaskId::random(entropy), 0, 10).value().empty());
}

// Refused after it appended, before and after a change: nothing of it stays, all of the others
// does.
TEST_P(StoreContract, WhatARefusedCommandAppendedIsGivenBack) {
  Hold hold(*store_);
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
        testkit::TempDir dir;
        auto store = GetParam().open(dir.path(), {}, clock_);
        RC_ASSERT(store.has_value());
        Model model;
        std::vector<bool> expected, got;
        {
          Hold hold(**store);
          for (const auto& [op, name, body, fails] : script) {
            const Step step{op, name, body, fails};
            expected.push_back(play(model, step));
            (*store)->submit([step](Tx& tx) { return play(tx, step); },
                             [&](Status s) { got.push_back(s.has_value()); });
          }
          hold.release();
          (*store)->stop();
        }
        RC_ASSERT(got == expected);
        const auto rows = (*store)->read(
            [](Reader& r) { return r.rows<std::tuple<std::string, std::string>>(kAll); });
        std::map<std::string, std::string> found;
        for (const auto& [name, body] : *rows) found[name] = body;
        RC_ASSERT(found == model.rows);
        std::vector<std::string> entries;
        for (const StoredEvent& e : *(*store)->events(0, 10'000)) entries.push_back(e.bytes);
        RC_ASSERT(entries == model.log);
      });
  EXPECT_TRUE(held);
}

INSTANTIATE_TEST_SUITE_P(Every, StoreContract, testing::ValuesIn(kBackends),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stint::store
