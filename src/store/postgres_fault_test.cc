// Promises S3 and S6 of a fleet on one PostgreSQL, against servers that die, hang, refuse and
// answer too late: nothing acknowledged is lost, nothing is half kept or done twice, and what is
// not known is called so.
#include <libpq-fe.h>
#include <malloc.h>

#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "postgres_fault_for_test.h"
#include "postgres_feed.h"

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#include <sanitizer/allocator_interface.h>
#endif

namespace stint::store {
namespace {

using testing::ElementsAre;
using testkit::PostgresServer;
using Cut = PostgresProxy::Cut;

constexpr std::string_view kUnknown = "it is not known yet whether this was committed";
constexpr std::string_view kLost = "connection to the database is lost";

// Rows and events say the same: put() writes both.
void expect_consistent(Store& store) {
  std::map<std::string, std::string> told;
  for (const auto& bytes : log_of(store)) {
    const auto at = bytes.find('=');
    if (at != std::string::npos) told[bytes.substr(0, at)] = bytes.substr(at + 1);
  }
  const auto rows = store.read([](Reader& r) {
    return r.rows<std::tuple<std::string, std::string>>(
        "SELECT name, body FROM entity WHERE kind = 'agent' ORDER BY name");
  });
  ASSERT_TRUE(rows.has_value());
  std::map<std::string, std::string> found;
  for (const auto& [name, body] : *rows) found[name] = body;
  EXPECT_EQ(found, told);
}

// Something writes to each of the nodes until it is told to stop.
class Load {
 public:
  explicit Load(std::vector<Node*> nodes) {
    for (std::size_t n = 0; n < nodes.size(); ++n)
      threads_.emplace_back([this, node = nodes[n], n] {
        for (int i = 0; !stopping_; ++i) {
          const std::string name = std::to_string(n) + "." + std::to_string(i);
          if ((*node)->record(recorded("r" + name))) note(taken_, "r" + name);
          const auto written = (*node)->write_sync(put(name, "x"));
          if (written) {
            note(acknowledged_, name + "=x");
          } else {
            EXPECT_EQ(written.error().code, Errc::kUnavailable) << why(written);
            note(why(written) == kUnknown ? unknown_ : refused_, name + "=x");
            ::poll(nullptr, 0, 5);
          }
        }
      });
  }
  void stop() {
    stopping_ = true;
    for (auto& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  ~Load() { stop(); }
  Load(const Load&) = delete;
  std::size_t acknowledged() const {
    const std::lock_guard lock(mutex_);
    return acknowledged_.size();
  }
  // After stop(), and once the nodes are well and idle.
  void expect_told_truly(Store& store) const {
    auto log = counted(log_of(store));
    for (const auto& [bytes, times] : log) EXPECT_EQ(times, 1) << bytes;
    for (const auto& bytes : acknowledged_) EXPECT_EQ(log.count(bytes), 1u) << bytes << " is lost";
    for (const auto& bytes : taken_) EXPECT_EQ(log.count(bytes), 1u) << bytes << " is lost";
    for (const auto& bytes : refused_)
      EXPECT_EQ(log.count(bytes), 0u) << bytes << " was refused, and stands";
    expect_consistent(store);
  }

 private:
  void note(std::vector<std::string>& where, std::string what) {
    const std::lock_guard lock(mutex_);
    where.push_back(std::move(what));
  }
  mutable std::mutex mutex_;
  std::vector<std::string> acknowledged_, taken_, refused_, unknown_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

// A counter that everybody adds to, and a budget that nobody may overspend.
Result<int> add_one(Tx& tx) {
  const auto at = tx.one<std::string>("SELECT body FROM entity WHERE name = 'counter'");
  const int next = at ? std::stoi(*at) + 1 : 1;
  tx.run(kPut, "counter", std::to_string(next));
  tx.append(event("counter=" + std::to_string(next)));
  return next;
}

Result<int> take_one(Tx& tx) {
  const auto at = tx.one<std::string>("SELECT body FROM entity WHERE name = 'budget'");
  const int left = at ? std::stoi(*at) : 100;
  if (left == 0) return fail(Errc::kDenied, "spent");
  tx.run(kPut, "budget", std::to_string(left - 1));
  tx.append(event("budget=" + std::to_string(left - 1)));
  return left;
}

TEST(PostgresFleet, EveryoneSeesEverythingOnceAndNothingIsLostOrOverspent) {
  const std::string url = PostgresServer::shared().database();
  Node a(url), b(url), c(url);
  std::atomic<int> taken{0}, spent{0};
  std::vector<std::thread> threads;
  for (Node* node : {&a, &b, &c})
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&, node] {
        for (int i = 0; i < 20; ++i) {
          EXPECT_TRUE((*node)->write_sync(add_one).has_value());
          const auto took = (*node)->write_sync(take_one);
          took ? ++taken : ++spent;
          EXPECT_TRUE(took || why(took) == "spent") << why(took);
          EXPECT_TRUE((*node)->record(recorded("recorded")).has_value());
        }
      });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(taken, 100) << "a budget is spent to the end, and not beyond";
  EXPECT_EQ(spent, 80);
  for (Node* node : {&a, &b, &c})
    EXPECT_TRUE(soon([&] { return (*node)->size() == 180 + 100 + 180; })) << (*node)->size();
  const auto log = log_of(*a);
  EXPECT_EQ(counted(log)["recorded"], 180);
  for (int i = 1; i <= 180; ++i) EXPECT_EQ(counted(log)["counter=" + std::to_string(i)], 1);
  for (Node* node : {&a, &b, &c}) {
    EXPECT_EQ(node->seen(), log);
    EXPECT_GT(node->followed(), 0u);
    EXPECT_LT(node->followed(), log.size()) << "its own are not foreign";
  }
}

// Two nodes and the slow obvious model, in any interleaving.
TEST(PostgresFleet, TwoNodesBehaveAsOneModel) {
  const std::string url = PostgresServer::shared().database();
  Node a(url), b(url);
  std::mt19937 random(7);
  std::map<std::string, std::string> rows;
  std::vector<std::string> log;
  for (int i = 0; i < 300; ++i) {
    Node& node = random() % 2 == 0 ? a : b;
    const std::string name(1, static_cast<char>('a' + random() % 4)), body = std::to_string(i);
    const bool strict = random() % 3 == 0, gives_up = random() % 5 == 0;
    const auto done = node->write_sync([&](Tx& tx) -> Result<Seq> {
      tx.run(strict ? kInsert : kPut, name, body);
      const Seq at = tx.append(event(name + body));
      if (gives_up) return fail(Errc::kDenied, "asked to");
      return at;
    });
    if (gives_up || (strict && rows.contains(name))) {
      EXPECT_FALSE(done.has_value());
    } else {
      ASSERT_TRUE(done.has_value()) << why(done);
      EXPECT_EQ(*done, log.size());
      rows[name] = body;
      log.push_back(name + body);
    }
    if (random() % 8 == 0) {
      Node& other = &node == &a ? b : a;
      const auto got = other->read([&](Reader& r) { return r.one<std::string>(kGet, name); });
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(*got, rows.contains(name) ? std::optional(rows[name]) : std::nullopt);
    }
  }
  for (Node* node : {&a, &b}) {
    EXPECT_TRUE(node->sync().has_value());
    EXPECT_EQ(node->seen(), log);
    EXPECT_EQ(log_of(**node), log);
  }
}

TEST(PostgresFault, AServerThatDiesUnderLoadLosesNothingAcknowledged) {
  PostgresServer server;
  const std::string url = server.database();
  Node a(url), b(url);
  {
    Load load({&a, &b});
    std::mt19937 random(3);
    for (int round = 0; round < 3; ++round) {
      const std::size_t before = load.acknowledged();
      const std::size_t enough = before + 20 + random() % 40;
      EXPECT_TRUE(soon([&] { return load.acknowledged() >= enough; }));
      server.restart();
    }
    const std::size_t before = load.acknowledged();
    EXPECT_TRUE(soon([&] { return load.acknowledged() >= before + 20; })) << "all is well again";
    load.stop();
    EXPECT_TRUE(soon([&] { return a->health().queued + b->health().queued == 0; }));
    EXPECT_TRUE(a->write_sync(put("last", "a")) && b->write_sync(put("last", "b")));
    EXPECT_TRUE(a.sync() && b.sync());
    load.expect_told_truly(*a);
  }
  EXPECT_EQ(a.seen(), b.seen());
  EXPECT_EQ(a.seen(), log_of(*a));
}

TEST(PostgresFault, TerminatedSessionsAreReplacedUnnoticed) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_in(url);
  Node a(url), b(url);
  int read = 0;
  {
    Load load({&a, &b});
    for (int round = 0; round < 25; ++round) {
      const std::size_t before = load.acknowledged();
      EXPECT_TRUE(soon([&] { return load.acknowledged() >= before + 5; }));
      server.sql("postgres",
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname "
                 "= '" +
                     db + "' AND random() < 0.5");
      read += a->read([](Reader& r) { return *r.one<int>("SELECT 1 FROM log_head"); }).value_or(0);
    }
    load.stop();
    EXPECT_TRUE(soon([&] { return a->health().queued + b->health().queued == 0; }));
    EXPECT_TRUE(soon([&] { return a.sync() && b.sync(); }));
    load.expect_told_truly(*a);
  }
  EXPECT_EQ(read, 25) << "a read goes to another session";
  EXPECT_TRUE(soon([&] { return a.seen().size() == b.seen().size(); }));
  EXPECT_EQ(a.seen(), b.seen());
}

// The connection is cut at the COMMIT: what the caller is told is what happened.
TEST(PostgresFault, WhatBecameOfACommitIsFoundOut) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_in(url);
  PostgresProxy proxy(server.directory());
  Node other(url);
  Node node(proxy.url(db));
  for (const Cut where : {Cut::kAfterCommit, Cut::kBeforeCommit}) {
    const bool stands = where == Cut::kAfterCommit;
    const std::string name = stands ? "after" : "before";
    std::promise<Status> done;
    {
      testkit::HeldWriter hold(*node);
      ASSERT_TRUE(node->record(recorded("recorded " + name)).has_value());
      node->submit([&](Tx& tx) { tx.run(kPut, name, "1"), tx.append(event(name + "=1")); },
                   [&](Status s) { done.set_value(s); });
      proxy.cut(where, 1);  // the holder's commit is let through
    }
    const Status told = done.get_future().get();
    EXPECT_TRUE(proxy.cut_done());
    EXPECT_EQ(why(told), stands ? "ok" : kLost);
    EXPECT_TRUE(soon([&] { return node->health().queued == 0; })) << "what was recorded is written";
    ASSERT_TRUE(node->write_sync(put("then", name)).has_value());
    auto log = counted(log_of(*node));
    EXPECT_EQ(log["recorded " + name], 1);
    EXPECT_EQ(log[name + "=1"], stands ? 1 : 0);
  }
  // What changes no state has no event, and nothing tells of it.
  proxy.cut(Cut::kAfterCommit);
  const auto quiet = node->write_sync([](Tx& tx) {
    tx.no_event();
    return tx.run(kUse, "s", Blob{"h"}, 1);
  });
  EXPECT_EQ(why(quiet), kUnknown);
  ASSERT_TRUE(node->write_sync(put("last", "1")).has_value());
  EXPECT_TRUE(other.sync().has_value());
  EXPECT_EQ(node.seen(), other.seen());
  expect_consistent(*node);
}

// The server stays away for longer than anybody waits: nobody is told what is not known, and what
// was recorded is written once, before what was recorded later.
void stay_away_after(Cut where, const PostgresServer& server, const std::string& db) {
  PostgresProxy proxy(server.directory());
  Options options;
  options.max_batch = 3;
  Node node(proxy.url(db), options);
  std::promise<Status> done, behind;
  {
    testkit::HeldWriter hold(*node);
    ASSERT_TRUE(node->record(recorded("r1")).has_value());
    // The next commit is then this one's, whatever came before.
    node->submit(
        [&, cut = false](Tx& tx) mutable {
          if (!std::exchange(cut, true)) proxy.cut(where, 0, true);
          tx.run(kPut, "a", "1"), tx.append(event("a=1"));
        },
        [&](Status s) { done.set_value(s); });
    ASSERT_TRUE(node->record(recorded("r2")).has_value());
    node->submit([](Tx& tx) { tx.run(kPut, "b", "1"), tx.append(event("b=1")); },
                 [&](Status s) { behind.set_value(s); });
    ASSERT_TRUE(node->record(recorded("r3")).has_value());
  }
  const auto start = SystemClock().mono();
  EXPECT_EQ(why(done.get_future().get()), kUnknown);
  EXPECT_EQ(why(behind.get_future().get()), "the database cannot be reached")
      << "of another batch, which was never begun";
  EXPECT_LT(SystemClock().mono() - start, std::chrono::seconds(12));
  EXPECT_FALSE(node->health().writable);
  EXPECT_FALSE(node->record(recorded("r4")).has_value());
  proxy.return_to_service();
  EXPECT_TRUE(soon([&] { return node->health().writable; }));
  ASSERT_TRUE(node->record(recorded("r4")).has_value());
  ASSERT_TRUE(node->write_sync(put("c", "1")).has_value());
  const auto log = log_of(*node);
  if (where == Cut::kAfterCommit) {
    EXPECT_THAT(log, ElementsAre("r1", "a=1", "r2", "r3", "r4", "c=1"));
  } else {
    EXPECT_THAT(log, ElementsAre("r1", "r2", "r3", "r4", "c=1"));
  }
  EXPECT_EQ(node.seen(), log);
  EXPECT_EQ(node->health().queued, 0u);
  expect_consistent(*node);
}

TEST(PostgresFault, WhatIsNotKnownIsCalledSo) {
  PostgresServer& server = PostgresServer::shared();
  const std::string one = database_in(server.database()), two = database_in(server.database());
  std::thread beside([&] { stay_away_after(Cut::kAfterCommit, server, one); });
  stay_away_after(Cut::kBeforeCommit, server, two);
  beside.join();
}

TEST(PostgresFault, AFrozenServerIsNotWaitedForLong) {
  PostgresServer server;
  const std::string url = server.database();
  Node node(url);
  ASSERT_TRUE(node->write_sync(put("a", "1")).has_value());
  ASSERT_TRUE(node->read([](Reader& r) { return r.one<std::string>(kGet, "a"); }).has_value());
  server.freeze();
  const auto start = SystemClock().mono();
  std::promise<Status> written, confirmed;
  node->submit([](Tx& tx) { tx.run(kPut, "b", "1"), tx.append(event("b=1")); },
               [&](Status s) { written.set_value(s); });
  node->sync([&](Status s) { confirmed.set_value(s); });
  const auto read = node->read([](Reader& r) { return r.one<std::string>(kGet, "a"); });
  EXPECT_EQ(why(read), kLost);
  const Status sync = confirmed.get_future().get(), write = written.get_future().get();
  EXPECT_FALSE(sync.has_value()) << "no view is confirmed";
  ASSERT_FALSE(write.has_value());
  EXPECT_EQ(write.error().code, Errc::kUnavailable);
  EXPECT_LT(SystemClock().mono() - start, std::chrono::seconds(30));
  EXPECT_FALSE(node->health().writable);
  // Now that it is known to be silent nobody waits: each of these would for seconds.
  const auto get = [&] {
    return node->read([](Reader& r) { return r.one<std::string>(kGet, "a"); });
  };
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(why(get()), "the database does not answer");
    std::promise<Status> synced;
    node->sync([&](Status s) { synced.set_value(s); });
    const Status s = synced.get_future().get();
    ASSERT_FALSE(s.has_value());
    ASSERT_EQ(s.error().reason.text(), "the database does not answer");
  }
  EXPECT_LT(SystemClock().mono() - start, std::chrono::seconds(60));
  server.thaw();
  EXPECT_TRUE(soon([&] { return node->health().writable && node.sync(); }));
  EXPECT_EQ(*get(), "1");
  ASSERT_TRUE(node->write_sync(put("c", "1")).has_value());
  EXPECT_THAT(log_of(*node), ElementsAre("a=1", "c=1")) << "what was refused did not come later";
}

// Whoever follows is waited for by all: it reads, though others have every connection, and though
// its own work is so long that the database seems to say nothing.
TEST(PostgresFault, TheFollowerReadsWhateverOthersDo) {
  const std::string url = PostgresServer::shared().database();
  Options options;
  options.readers = 1;
  options.postgres = PostgresOptions{.url = url, .password = nullptr};
  const SystemClock clock;
  auto opened = Store::open(std::move(options), clock);
  ASSERT_TRUE(opened.has_value());
  Store& store = **opened;
  std::promise<std::string> read;
  store.follow([&, told = false](std::span<const EventView>) mutable -> Status {
    if (std::exchange(told, true)) return {};
    std::this_thread::sleep_for(PostgresFeed::kSilent + std::chrono::milliseconds(200));
    read.set_value(why(store.read([](Reader& r) { return r.one<std::string>(kGet, "a"); })));
    return {};
  });
  std::promise<void> reading, go;
  std::thread other([&] {
    (void)store.read([&](Reader& r) {
      (void)r.one<std::string>(kGet, "a");
      reading.set_value();
      go.get_future().wait();
      return 0;
    });
  });
  reading.get_future().wait();
  Node writes(url);
  ASSERT_TRUE(writes->write_sync(put("a", "1")).has_value());
  EXPECT_EQ(read.get_future().get(), "ok");
  EXPECT_TRUE(store.write_sync(put("b", "1")).has_value());
  go.set_value();
  other.join();
  store.stop();
}

// Whoever holds the turn and does not go on is thrown out; nobody waits for longer than 5 s.
TEST(PostgresFault, NobodyHoldsTheOthersUp) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_in(url);
  Node stuck(url), other(url);
  std::promise<void> begun, go;
  std::promise<Status> done;
  stuck->submit(
      [&, gone = go.get_future().share()](Tx& tx) {
        if (!tx.one<std::string>(kGet, "a")) {
          begun.set_value();
          gone.wait();  // in the middle of its transaction, as a frozen process
        }
        tx.run(kPut, "a", "stuck");
        tx.append(event("a=stuck"));
      },
      [&](Status s) { done.set_value(s); });
  begun.get_future().wait();
  const auto start = SystemClock().mono();
  ASSERT_TRUE(other->write_sync(put("a", "other")).has_value());
  EXPECT_LT(SystemClock().mono() - start, std::chrono::seconds(4));
  go.set_value();
  EXPECT_EQ(why(done.get_future().get()), kLost);
  ASSERT_TRUE(stuck->write_sync(put("b", "stuck")).has_value());
  EXPECT_THAT(log_of(*other), ElementsAre("a=other", "b=stuck"));

  // Somebody who is not one of us, and is not thrown out.
  struct Finish {
    void operator()(PGconn* c) const { PQfinish(c); }
  };
  const std::unique_ptr<PGconn, Finish> holder(PQconnectdb(url.c_str()));
  PQclear(PQexec(holder.get(), "BEGIN; SELECT * FROM log_head FOR UPDATE"));
  const auto held = SystemClock().mono();
  const auto refused = other->write_sync(put("c", "other"));
  EXPECT_EQ(why(refused), "the database did not answer in time");
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_LT(SystemClock().mono() - held, std::chrono::seconds(8));
  PQclear(PQexec(holder.get(), "ROLLBACK"));
  EXPECT_TRUE(soon([&] { return other->health().writable; }));
  ASSERT_TRUE(other->write_sync(put("d", "other")).has_value());
  EXPECT_THAT(log_of(*other), ElementsAre("a=other", "b=stuck", "d=other"));
}

// Conflicts with others' transactions, five times at most, in a command and in the commit.
TEST(PostgresFault, AConflictRunsTheBatchAgain) {
  PostgresServer& server = PostgresServer::shared();
  for (const char* state : {"40001", "40P01"}) {
    for (const char* when : {"", "DEFERRABLE INITIALLY DEFERRED"}) {
      const std::string url = server.database(), db = database_in(url);
      Node node(url);
      const bool at_commit = *when != '\0';
      // A sequence counts on, whatever is rolled back.
      server.sql(db, std::string("CREATE SEQUENCE runs; CREATE TABLE fail_until (n bigint);"
                                 "INSERT INTO fail_until VALUES (4);"
                                 "CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$"
                                 "BEGIN IF nextval('runs') <= (SELECT n FROM fail_until) THEN "
                                 "RAISE 'conflict' USING ERRCODE = '") +
                         state + "'; END IF; RETURN NEW; END$$; CREATE " +
                         (at_commit ? "CONSTRAINT " : "") +
                         "TRIGGER conflict AFTER INSERT ON entity " + when +
                         " FOR EACH ROW EXECUTE FUNCTION conflict()");
      ASSERT_TRUE(
          node->write_sync([](Tx& tx) { tx.append(event("before=")), (void)0; }).has_value());
      std::atomic<int> runs{0}, neighbours{0};
      std::promise<Status> done, neighbour;
      {
        testkit::HeldWriter hold(*node);
        node->submit([&](Tx& tx) { ++neighbours, tx.append(event("neighbour")); },
                     [&](Status s) { neighbour.set_value(s); });
        node->submit([&](Tx& tx) { ++runs, tx.run(kInsert, "a", "1"), tx.append(event("a=1")); },
                     [&](Status s) { done.set_value(s); });
      }
      EXPECT_EQ(why(done.get_future().get()), "ok") << state << when;
      EXPECT_EQ(why(neighbour.get_future().get()), "ok");
      EXPECT_EQ(runs, 5);
      EXPECT_EQ(neighbours, 5);
      EXPECT_THAT(log_of(*node), ElementsAre("before=", "neighbour", "a=1"));

      server.sql(db, "UPDATE fail_until SET n = 10");
      const auto refused = node->write_sync(put("b", "1"));
      EXPECT_EQ(why(refused), "the database is busy with other transactions");
      ASSERT_TRUE(node->write_sync(put("c", "1")).has_value()) << "the next is tried anew";
      EXPECT_THAT(log_of(*node), ElementsAre("before=", "neighbour", "a=1", "c=1"));
      EXPECT_EQ(node.seen(), log_of(*node));
    }
  }
}

// An administrator, or a service that runs out of disk, makes the database read-only meanwhile.
TEST(PostgresFault, AReadOnlyDatabaseDeniesUntilItIsWell) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_in(url);
  Node node(url);
  ASSERT_TRUE(node->write_sync(put("a", "1")).has_value());
  ASSERT_TRUE(node->record(recorded("r1")).has_value());
  EXPECT_TRUE(soon([&] { return node->health().queued == 0; }));
  server.sql("postgres", "ALTER DATABASE " + db + " SET default_transaction_read_only = on");
  server.sql("postgres",
             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + db + "'");
  EXPECT_TRUE(soon([&] {
    const auto refused = node->write_sync(put("b", "1"));
    EXPECT_FALSE(refused.has_value());
    return why(refused) == "database is read-only";
  }));
  EXPECT_EQ(node->health().last_error->code, Errc::kReadOnly);
  EXPECT_EQ(node->record(recorded("r2")).error().code, Errc::kReadOnly);
  EXPECT_TRUE(node->read([](Reader& r) { return r.one<std::string>(kGet, "a"); }).has_value());
  server.sql("postgres", "ALTER DATABASE " + db + " RESET default_transaction_read_only");
  EXPECT_TRUE(soon([&] { return node->health().writable; }));
  ASSERT_TRUE(node->write_sync(put("c", "1")).has_value());
  EXPECT_THAT(log_of(*node), ElementsAre("a=1", "r1", "c=1"));
}

TEST(PostgresFault, ReadsWaitForASessionAndAnotherTakesADeadOnesPlace) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_in(url);
  Options options;
  options.readers = 2;
  Node node(url, options);
  ASSERT_TRUE(node->write_sync(put("a", "1")).has_value());
  std::atomic<int> good{0}, inside{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        const auto got = node->read([&](Reader& r) {
          const int now = ++inside;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          auto body = r.one<std::string>(kGet, "a");
          --inside;
          return body;
        });
        good += got && *got == "1";
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
  EXPECT_LE(most, 2) << "no more sessions than it may have";
  for (int round = 0; round < 3; ++round) {
    server.sql("postgres",
               "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" +
                   db + "'");
    int runs = 0;
    const auto got = node->read([&](Reader& r) {
      ++runs;
      return r.one<std::string>(kGet, "a");
    });
    EXPECT_EQ(why(got), "ok");
    EXPECT_EQ(runs, 1) << "the function is not run again";
  }
}

// A statement of which the rows were not taken to the end is not under way for good.
TEST(PostgresFault, WhatThrowsInTheMiddleSpoilsNothing) {
  Options options;
  options.readers = 1;
  Node node(PostgresServer::shared().database(), options);
  ASSERT_TRUE(node->write_sync(put("a", "1")).has_value());
  const auto thrown = node->write_sync(
      [](Tx& tx) { tx.scan<std::string>(kGet, [](std::string&&) -> bool { throw 1; }, "a"); });
  EXPECT_EQ(why(thrown), "command threw");
  EXPECT_EQ(*node->write_sync([](Tx& tx) { return tx.one<std::string>(kGet, "a"); }), "1");
  const auto read = node->read(
      [](Reader& r) { r.scan<std::string>(kGet, [](std::string&&) -> bool { throw 1; }, "a"); });
  EXPECT_EQ(why(read), "read threw");
  EXPECT_EQ(*node->read([](Reader& r) { return r.one<std::string>(kGet, "a"); }), "1");
}

// Preparing fails, binding fails, the first statement, the second: the command is undone and its
// neighbours are not.
TEST(PostgresFault, AStatementThatFailsIsItsOwnCommandsAndSaidOnce) {
  Node node(PostgresServer::shared().database());
  testing::internal::CaptureStderr();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> told;
    const auto note = [&](const auto& r) { told.push_back(why(r)); };
    std::promise<void> last;
    {
      testkit::HeldWriter hold(*node);
      node->submit([](Tx& tx) { tx.run("SELECT nothing FROM nowhere_at_all"); }, note);
      node->submit([](Tx& tx) { tx.append(event("x")), tx.run("SELECT * FRM entity"); }, note);
      node->submit([](Tx& tx) { tx.append(event("x")), tx.run(kPut, "a", 1); }, note);
      node->submit(
          [](Tx& tx) {
            tx.append(event("x")), tx.run(kPut, "a", "1"),
                tx.run("UPDATE entity SET version = 1 / (version - version)");
          },
          note);
      node->submit([](Tx& tx) { tx.append(event("x")), tx.run(kPut, "a", std::string("\0", 1)); },
                   note);
      node->submit(put("b" + std::to_string(round), "1"), [&](Result<Seq> r) {
        note(r);
        last.set_value();
      });
    }
    last.get_future().wait();
    EXPECT_THAT(told, ElementsAre("statement", "statement", "statement parameters",
                                  "the database cannot hold this value",
                                  "the database cannot hold this value", "ok"));
  }
  const std::string log = testing::internal::GetCapturedStderr();
  std::size_t times = 0;
  for (auto at = log.find("a statement is refused"); at != std::string::npos;
       at = log.find("a statement is refused", at + 1))
    ++times;
  EXPECT_EQ(times, 2u) << log;
  EXPECT_THAT(log_of(*node), ElementsAre("b0=1", "b1=1", "b2=1"));
  expect_consistent(*node);
}

// A node that starts beside busy ones writes before it follows, and follows from where it opened.
TEST(PostgresFleet, ANodeMayWriteBeforeItFollows) {
  const std::string url = PostgresServer::shared().database();
  Node busy(url), late(url, {}, false);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(busy->write_sync([](Tx& tx) {
                      for (int n = 0; n < 200; ++n) tx.append(event("busy"));
                    })
                    .has_value());
  std::promise<Result<Seq>> written;
  late->submit(put("late", "1"), [&](Result<Seq> r) { written.set_value(std::move(r)); });
  auto answer = written.get_future();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(*answer.get(), 600u);
  EXPECT_TRUE(late.seen().empty());
  late.follow();
  EXPECT_TRUE(late.sync().has_value());
  EXPECT_EQ(late.seen(), busy.sync() ? busy.seen() : std::vector<std::string>());
  EXPECT_EQ(late.seen().size(), 601u);
}

// What is allocated and not given back: resident memory would count what an allocator keeps.
std::size_t live_bytes() {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

// However long the backlog, it passes by in pages.
TEST(PostgresFleet, ALongBacklogIsCaughtUpInBoundedMemory) {
  const std::string url = PostgresServer::shared().database();
  Options options;
  options.postgres = PostgresOptions{.url = url, .password = nullptr};
  const SystemClock clock;
  auto late = *Store::open(options, clock);
  std::size_t seen = 0, most = 0;
  late->observe([&](std::span<const EventView> events) {
    seen += events.size();
    most = std::max(most, live_bytes());  // while the page is held
  });
  constexpr int kCommits = 100, kEach = 10'000;
  {
    EventRun run;
    for (int i = 0; i < kEach; ++i)
      ASSERT_TRUE(run.add(event("an event of a common length: " + std::string(70, 'x'))));
    auto busy = *Store::open(options, clock);
    for (int i = 0; i < kCommits; ++i)
      ASSERT_TRUE(busy->write_sync([&](Tx& tx) { return tx.append(run); }).has_value());
  }
  const std::size_t before = live_bytes();
  late->follow([](std::span<const EventView>) -> Status { return {}; });
  std::promise<Status> done;
  late->sync([&](Status s) { done.set_value(s); });
  EXPECT_EQ(why(done.get_future().get()), "ok");
  EXPECT_EQ(seen, std::size_t{kCommits} * kEach);
  EXPECT_GT(most, before) << "something was held";
  EXPECT_LT(most, before + (48u << 20)) << "of 130 MB that came by";
}

}  // namespace
}  // namespace stint::store
