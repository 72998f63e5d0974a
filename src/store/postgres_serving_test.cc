// What was right when a store was opened need not stay so: it denies then, and goes on by itself
// once it is right again. And others are at work when it opens.
#include <libpq-fe.h>

#include "postgres_fault_for_test.h"
#include "postgres_schema.h"
#include "schema.h"
#include "stint/store/log_publisher.h"

namespace stint::store {
namespace {

using namespace std::chrono_literals;
using testkit::PostgresServer;

Result<std::unique_ptr<Store>> open_at(const std::string& url, const Clock& clock) {
  Options options;
  options.postgres = PostgresOptions{.url = url, .password = nullptr};
  return Store::open(std::move(options), clock);
}

class PostgresServing : public testing::Test {
 protected:
  void refused(std::string_view why) {
    for (int i = 0; i < 2; ++i) {
      const auto written = store_->write_sync(put("refused", "x"));
      ASSERT_FALSE(written.has_value());
      EXPECT_EQ(written.error().code, Errc::kUnavailable);
      EXPECT_EQ(written.error().reason.text(), why);
    }
    const Health health = store_->health();
    EXPECT_FALSE(health.writable);
    EXPECT_EQ(health.last_error->reason.text(), why);
    // What will happen by its word does not happen; what has happened is kept.
    EXPECT_FALSE(store_->record(recorded("never")).has_value());
  }
  void serves(const std::string& name) {
    const auto written = store_->write_sync(put(name, "x"));
    EXPECT_TRUE(written.has_value()) << written.error().reason.text();
    EXPECT_TRUE(store_->health().writable);
  }

  PostgresServer& server_ = PostgresServer::shared();
  const std::string url_ = server_.database();
  testkit::ManualClock clock_{std::chrono::floor<std::chrono::milliseconds>(SystemClock().wall())};
  std::unique_ptr<Store> store_ = *open_at(url_, clock_);
};

TEST_F(PostgresServing, AClockThatStepsAwayDeniesUntilItIsBack) {
  serves("before");
  for (const std::chrono::seconds ahead : {-60s, 60s, -300s, 300s}) {
    clock_.step_wall(ahead);
    testing::internal::CaptureStderr();
    refused("this machine's clock and the database's differ by more than 30 s");
    const std::string log = testing::internal::GetCapturedStderr();
    const auto said = log.find("\"ours_ahead_of_the_database_s\":");
    ASSERT_NE(said, std::string::npos) << log;
    EXPECT_EQ(log.find("clocks differ", said), std::string::npos) << "once: " << log;
    clock_.step_wall(-ahead);
    serves("after " + std::to_string(ahead.count()));
  }
  for (const std::chrono::seconds ahead : {-15s, 15s}) {
    clock_.step_wall(ahead);
    serves("within " + std::to_string(ahead.count()));
    clock_.step_wall(-ahead);
  }
}

TEST_F(PostgresServing, ASchemaThatLeavesTheNodeBehindDenies) {
  const std::string db = database_in(url_);
  server_.sql(db, "UPDATE stint_schema SET version = version + 1, oldest = version");
  serves("one version behind");
  server_.sql(db, "UPDATE stint_schema SET version = version + 1, oldest = version");
  refused("the database is of a newer version: upgrade this node");
  server_.sql(db, "UPDATE stint_schema SET oldest = oldest - 1");
  serves("again");
}

// It waits for the very transaction that leaves it behind.
TEST_F(PostgresServing, WhoWaitedForTheMigrationIsLeftBehindByIt) {
  serves("before");
  const std::string db = database_in(url_);
  const std::unique_ptr<PGconn, PgFree> migrates(PQconnectdb(url_.c_str()));
  const auto ask = [&](const char* sql) {
    const std::unique_ptr<PGresult, PgFree> done(PQexec(migrates.get(), sql));
    EXPECT_EQ(std::string(PQerrorMessage(migrates.get())), "");
  };
  ask("BEGIN");
  ask("SELECT size FROM log_head FOR UPDATE");
  ask("UPDATE stint_schema SET oldest = 99");
  std::promise<Status> done;
  store_->submit(put("x", "1"),
                 [&](const auto& r) { done.set_value(r ? Status() : Status(fail(r.error()))); });
  while (server_.ask(db, "SELECT count(*) FROM pg_locks WHERE NOT granted") == "0")
    std::this_thread::yield();
  ask("COMMIT");
  const Status written = done.get_future().get();
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().reason.text(), "the database is of a newer version: upgrade this node");
}

// A node that opens while others write and sign does not take its own lateness for a lost log.
TEST(PostgresStarting, OthersSignMeanwhile) {
  const std::string url = PostgresServer::shared().database();
  const Node late(url, {}, false), busy(url);
  ASSERT_TRUE(busy->write_sync(put("a", "x")).has_value());
  auto publisher = LogPublisher::open(*busy);
  ASSERT_TRUE(publisher.has_value());
  const auto row = publisher->publish(
      [](Seq, const Hash&) -> Result<std::string> { return "note"; }, SystemClock().wall());
  ASSERT_TRUE(row.has_value() && row->has_value());
  ASSERT_LT(late->size(), (*row)->size) << "it has not been told yet";
  const auto opened = LogPublisher::open(*late);
  EXPECT_TRUE(opened.has_value()) << opened.error().reason.text();
}

// The nodes of the version before serve meanwhile, and wait for whom the migration waits for.
TEST(PostgresStarting, AMigrationWaitsForNoReaderForLong) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_in(url);
  {
    const auto target = PostgresTarget::parse({.url = url, .password = nullptr});
    ASSERT_TRUE(target.has_value());
    const auto session = PgSession::open(*target);
    ASSERT_TRUE(session.has_value());
    ASSERT_TRUE(make_postgres_versions(**session).has_value());
    ASSERT_TRUE(raise_postgres(**session, 0, 1).has_value());
  }
  const std::unique_ptr<PGconn, PgFree> reader(PQconnectdb(url.c_str()));
  const auto ask = [&](const char* sql) {
    const std::unique_ptr<PGresult, PgFree> done(PQexec(reader.get(), sql));
    EXPECT_EQ(std::string(PQerrorMessage(reader.get())), "");
  };
  ask("BEGIN");
  ask("SELECT count(*) FROM signing_key");
  const SystemClock clock;
  const auto waited = open_at(url, clock);
  ASSERT_FALSE(waited.has_value());
  EXPECT_EQ(waited.error().code, Errc::kUnavailable);
  EXPECT_EQ(waited.error().reason.text(), "the database did not answer in time");
  EXPECT_EQ(server.ask(db, "SELECT version || ' ' || oldest FROM stint_schema"), "1 1");
  ask("ROLLBACK");
  const auto opened = open_at(url, clock);
  EXPECT_TRUE(opened.has_value()) << opened.error().reason.text();
  EXPECT_EQ(server.ask(db, "SELECT version FROM stint_schema"),
            std::to_string(migrations().size()));
}

}  // namespace
}  // namespace stint::store
