// A shared database that a tool has for itself, and work there that takes as long as it takes.
#include "postgres_fault_for_test.h"
#include "postgres_session.h"
#include "stint/store/backup.h"

namespace stint::store {
namespace {

using std::chrono::seconds;
using testkit::PostgresServer;

constexpr std::string_view kOpen = "unavailable: another process has the database open";
constexpr std::string_view kForItself = "unavailable: another process has the database for itself";
constexpr std::string_view kNoLocks =
    "unsupported: the database has no locks: it cannot be known that no node has it open";

class PostgresAlone : public testing::Test {
 protected:
  Result<std::unique_ptr<Store>> open(bool alone = false) const {
    Options options;
    options.alone = alone;
    options.postgres = PostgresOptions{.url = url_, .password = nullptr};
    return Store::open(std::move(options), clock_);
  }
  std::string said(bool alone) const {
    const auto opened = open(alone);
    if (opened) return (*opened)->alone() == alone ? "opened" : "opened otherwise";
    return std::string(name(opened.error().code)) + ": " +
           std::string(opened.error().reason.text());
  }
  // Names and files of all relations.
  std::string contents() const {
    return server_.ask(database_in(url_),
                       "SELECT coalesce(string_agg(relname || ':' || relfilenode, ' ' ORDER BY "
                       "relname), '') FROM pg_class WHERE relnamespace = 'public'::regnamespace");
  }
  void end_sessions() const {
    server_.sql("postgres",
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '" +
                    database_in(url_) + "'");
  }
  // Found before the system's own.
  void shadow(const std::string& function) const {
    server_.sql(
        database_in(url_),
        "CREATE SCHEMA IF NOT EXISTS without; CREATE OR REPLACE FUNCTION without." + function);
    server_.sql("postgres", "ALTER DATABASE " + database_in(url_) +
                                " SET search_path = public, without, pg_catalog");
  }

  PostgresServer& server_ = PostgresServer::shared();
  const std::string url_ = server_.database();
  SystemClock clock_;
};

TEST_F(PostgresAlone, NodesAndAToolKeepEachOtherOut) {
  auto node = open(), second = open();
  ASSERT_TRUE(node && second);
  EXPECT_FALSE((*node)->alone());
  EXPECT_EQ(said(true), kOpen);
  node->reset();
  EXPECT_EQ(said(true), kOpen) << "there is another one";
  second->reset();
  auto tool = open(true);
  ASSERT_TRUE(tool.has_value()) << tool.error().reason.text();
  EXPECT_TRUE((*tool)->alone());
  EXPECT_TRUE((*tool)->write_sync(put("a", "1")).has_value());
  EXPECT_EQ(said(false), kForItself);
  EXPECT_EQ(said(true), kOpen);
  tool->reset();
  EXPECT_EQ(said(false), "opened") << "no node waits for a tool that has gone";
}

TEST_F(PostgresAlone, AToolMakesNoStore) {
  EXPECT_EQ(said(true), "not-found: there is no store");
  EXPECT_EQ(contents(), "");
}

TEST_F(PostgresAlone, StoresInSchemasOfOneDatabaseAreTwo) {
  const auto node = open();
  ASSERT_TRUE(node.has_value());
  server_.sql(database_in(url_), "CREATE SCHEMA second");
  server_.sql("postgres", "ALTER DATABASE " + database_in(url_) + " SET search_path = second");
  EXPECT_EQ(said(false), "opened");
  EXPECT_EQ(said(true), "opened");
}

// A node that lost its sessions writes again only after it has shown that it is there.
TEST_F(PostgresAlone, ANodeThatWasCutOffAsksAgain) {
  const auto node = open();
  ASSERT_TRUE(node.has_value());
  (*node)->follow([](std::span<const EventView>) -> Status { return {}; });
  ASSERT_TRUE((*node)->write_sync(put("a", "1")).has_value());
  shadow("pg_try_advisory_lock_shared(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false'");
  end_sessions();  // and none of its new ones is let in
  auto tool = open(true);
  ASSERT_TRUE(tool.has_value()) << tool.error().reason.text();
  server_.sql("postgres", "ALTER DATABASE " + database_in(url_) + " RESET search_path");
  EXPECT_EQ(why((*node)->write_sync(put("a", "2"))), kForItself.substr(kForItself.find(": ") + 2));
  tool->reset();
  EXPECT_TRUE(soon([&] { return (*node)->write_sync(put("a", "3")).has_value(); }));
  EXPECT_EQ(said(true), kOpen);
}

// The server ends a transaction that nobody ends, and the session with it: a node that was frozen
// in one shows by another session that it is there.
TEST_F(PostgresAlone, ANodeIsThereWithoutItsWriter) {
  const auto node = open();
  ASSERT_TRUE(node.has_value());
  (*node)->follow([](std::span<const EventView>) -> Status { return {}; });
  const std::string present =
      "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND datname = "
      "'" +
      database_in(url_) + "'";
  ASSERT_TRUE(soon([&] { return server_.ask("postgres", "SELECT count(*) " + present) == "2"; }));
  server_.sql("postgres", "SELECT pg_terminate_backend(pid, 10000) " + present +
                              " AND query NOT LIKE 'LISTEN%'");
  EXPECT_EQ(server_.ask("postgres", "SELECT count(*) " + present), "1");
  EXPECT_EQ(said(true), kOpen);
}

// Databases that only speak the language may have no such locks, or grant them to everybody.
TEST_F(PostgresAlone, WhereNothingIsLockedNobodyIsAlone) {
  ASSERT_EQ(said(false), "opened");
  shadow("pg_try_advisory_lock_shared(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true'");
  EXPECT_EQ(said(false), "opened");
  EXPECT_EQ(said(true), kNoLocks);
}

TEST_F(PostgresAlone, NodesWorkWithoutLocks) {
  for (const char* state : {"42883", "0A000"}) {
    shadow(std::string("pg_advisory_unlock_shared(int, int) RETURNS boolean LANGUAGE plpgsql AS "
                       "$$BEGIN RAISE 'no such thing' USING ERRCODE = '") +
           state + "'; END$$");
    testing::internal::CaptureStderr();
    EXPECT_EQ(said(false), "opened");
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(log.contains("the database has no locks: nobody can have it alone")) << log;
  }
}

// What is to be done once, and may take long, is cut neither by the limits that an administrator
// gave the user and the database, nor by those that we give a request.
TEST_F(PostgresAlone, NoLimitCutsAMigrationOrARestore) {
  const std::string from = server_.database();
  Options source;
  source.postgres = PostgresOptions{.url = from, .password = nullptr};
  {
    ASSERT_TRUE(Store::open(source, clock_).has_value());
  }
  const testkit::TempDir dir;
  ASSERT_TRUE(backup(source, dir.file("b"), {.version = "1", .issuer = ""}, clock_).has_value());

  const std::string into = server_.database();
  const auto longer = PgSession::kAnswer + seconds(1);
  for (const std::string& url : {url_, into}) {
    server_.sql(database_in(url),
                "CREATE SCHEMA slow; CREATE FUNCTION slow.wait() RETURNS event_trigger LANGUAGE "
                "plpgsql AS $$BEGIN PERFORM pg_sleep(" +
                    std::to_string(longer.count()) +
                    "); END$$; CREATE EVENT TRIGGER wait ON ddl_command_start WHEN TAG IN ('CREATE "
                    "TRIGGER') EXECUTE FUNCTION slow.wait()");
    for (const char* limit : {"statement_timeout = '1s'", "lock_timeout = '1s'",
                              "idle_in_transaction_session_timeout = '1s'"})
      server_.sql("postgres", "ALTER DATABASE " + database_in(url) + " SET " + limit);
  }
  auto migrated = std::async(std::launch::async, [this] { return said(false); });
  auto archive = Archive::open(dir.file("b"));
  ASSERT_TRUE(archive.has_value());
  Options place;
  place.postgres = PostgresOptions{.url = into, .password = nullptr};
  const auto restored = restore(*archive, place, clock_, [](Tx& tx) -> Result<bool> {
    tx.no_event();
    return false;
  });
  EXPECT_TRUE(restored.has_value()) << restored.error().reason.text();
  EXPECT_EQ(migrated.get(), "opened");
}

// Of two nodes that start on a database, the second waits for the first to make the tables.
TEST_F(PostgresAlone, ANodeWaitsForAnotherThatMigrates) {
  server_.sql(database_in(url_),
              "CREATE SCHEMA slow; CREATE FUNCTION slow.wait() RETURNS event_trigger LANGUAGE "
              "plpgsql AS $$BEGIN PERFORM pg_sleep(6); END$$; CREATE EVENT TRIGGER wait ON "
              "ddl_command_start WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION slow.wait()");
  auto first = std::async(std::launch::async, [this] { return said(false); });
  EXPECT_EQ(said(false), "opened");
  EXPECT_EQ(first.get(), "opened");
}

}  // namespace
}  // namespace stint::store
