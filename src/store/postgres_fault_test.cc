// Promises S3 and S6 of a fleet on one PostgreSQL, against servers that die, hang, refuse and
// answer too late: nothing acknowledged is lost, nothing is half kept or done twice, and what is
// not known is called so.
#include <libpq-fe.h>

#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "postgres_fault_for_test.h"
#include "postgres_feed.h"

namespace stint::store {
namespace {

using testing::ElementsAre;
using testkit::PostgresServer;

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

}  // namespace
}  // namespace stint::store
