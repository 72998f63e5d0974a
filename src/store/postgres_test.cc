// What is not a database for Stint, or not to be had: each thing that is wrong has its sentence
// when the store is opened, and leaves nothing behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "contract_for_test.h"
#include "postgres_announced.h"
#include "postgres_feed.h"

namespace stint::store {
namespace {

using testkit::PostgresServer;

const SystemClock kTimeOfDay;

Result<std::unique_ptr<Store>> open(const std::string& url, const std::string& password = {},
                                    const Clock& clock = kTimeOfDay) {
  Options options;
  options.postgres = PostgresOptions{.url = url, .password = nullptr};
  if (!password.empty())
    options.postgres->password = std::make_shared<const Secret>(std::string(password));
  return Store::open(std::move(options), clock);
}

std::string said(const std::string& url, const std::string& password = {}) {
  const auto opened = open(url, password);
  if (opened) return "opened";
  return std::string(name(opened.error().code)) + ": " + std::string(opened.error().reason.text());
}

std::string kind(Errc code, std::string_view reason) {
  return std::string(name(code)) + ": " + std::string(reason);
}

// The name in a URL of this server's.
std::string database_of(const std::string& url) { return url.substr(url.rfind('/') + 1); }
std::string as_user(std::string url, const std::string& user) {
  return url.replace(url.find("stint@"), 5, user);
}

// Every relation and function, and what Stint keeps of itself.
std::string contents(const PostgresServer& server, const std::string& url) {
  return server.ask(
      database_of(url),
      "SELECT coalesce(string_agg(x, ' ' ORDER BY x), '') FROM ("
      "SELECT relname::text || ':' || relkind::text || relfilenode::text AS x FROM pg_class WHERE "
      "relnamespace = 'public'::regnamespace UNION ALL SELECT proname::text FROM pg_proc "
      "WHERE pronamespace = 'public'::regnamespace) t");
}

struct Row {
  const char* url;
  Errc code;
  std::string_view reason;
};

constexpr std::string_view kNoUrl =
    "store.url is not postgres://USER@HOST/DATABASE as libpq reads it";
constexpr std::string_view kUnverified =
    "store.url leaves this machine without verifying the database: sslmode=verify-full";
constexpr std::string_view kPassword =
    "store.url holds a password: put it into a file, and that into store.password_file";
constexpr std::string_view kNobody = "the database cannot be reached";

constexpr Row kUrls[] = {
    {"", Errc::kMalformed, kNoUrl},
    {"mysql://stint@localhost/stint", Errc::kMalformed, kNoUrl},
    {"host=localhost dbname=stint", Errc::kMalformed, kNoUrl},
    {"postgres://stint@[::1/stint", Errc::kMalformed, kNoUrl},
    {"postgres://stint@localhost/stint?nonsense=1", Errc::kMalformed, kNoUrl},
    {"postgres://stint@localhost/%zz", Errc::kMalformed, kNoUrl},
    {"postgres://stint@a,b:1,c:2/stint?hostaddr=127.0.0.1,127.0.0.2", Errc::kMalformed, kNoUrl},
    {"postgres://stint:word@localhost/stint", Errc::kMalformed, kPassword},
    {"postgres://stint@localhost/stint?password=word", Errc::kMalformed, kPassword},
    {"postgres://stint@localhost/stint?sslpassword=word", Errc::kMalformed, kPassword},
    {"postgres://stint@/stint?service=elsewhere", Errc::kMalformed,
     "store.url names a service: write out its host and database"},
    // Nothing is sent, nothing is looked up.
    {"postgres://stint@db.invalid/stint?sslmode=disable", Errc::kUnsupported, kUnverified},
    {"postgres://stint@db.invalid/stint?sslmode=require", Errc::kUnsupported, kUnverified},
    {"postgres://stint@db.invalid/stint?sslmode=verify-ca", Errc::kUnsupported, kUnverified},
    {"postgres://stint@localhost,db.invalid/stint?sslmode=prefer", Errc::kUnsupported, kUnverified},
    {"postgres://stint@localhost/stint?hostaddr=192.0.2.1&sslmode=prefer", Errc::kUnsupported,
     kUnverified},
    {"postgres://stint@127.0.0.1.db.invalid/stint?sslmode=disable", Errc::kUnsupported,
     kUnverified},
    {"postgres://stint@db.invalid/stint", Errc::kUnavailable, kNobody},
    {"postgres://stint@%2Fnowhere%2Fat%2Fall/stint", Errc::kUnavailable, kNobody},
};

TEST(PostgresUrl, WhatIsWrongIsSaid) {
  for (const Row& row : kUrls)
    EXPECT_EQ(said(row.url), kind(row.code, row.reason)) << "'" << row.url << "'";
  // What libpq would take from elsewhere is judged too.
  ASSERT_EQ(::setenv("PGHOST", "db.invalid", 1), 0);
  EXPECT_EQ(said("postgres://stint@/stint?sslmode=disable"), kind(Errc::kUnsupported, kUnverified));
  ASSERT_EQ(::unsetenv("PGHOST"), 0);
  ASSERT_EQ(::setenv("PGHOSTADDR", "192.0.2.1", 1), 0);
  EXPECT_EQ(said("postgres://stint@/stint?sslmode=disable"), kind(Errc::kUnsupported, kUnverified));
  EXPECT_EQ(
      said("postgres://stint@localhost/stint"),
      kind(Errc::kMalformed, "PGHOSTADDR is set: unset it, or name the address in store.url"));
  ASSERT_EQ(::unsetenv("PGHOSTADDR"), 0);
  testkit::TempDir dir;
  std::ofstream(dir.file("service")) << "[elsewhere]\nhost=db.invalid\nsslmode=disable\n";
  ASSERT_EQ(::setenv("PGSERVICEFILE", dir.file("service").c_str(), 1), 0);
  ASSERT_EQ(::setenv("PGSERVICE", "elsewhere", 1), 0);
  EXPECT_EQ(said("postgres://stint@/stint?sslmode=disable"), kind(Errc::kUnsupported, kUnverified));
  ASSERT_EQ(::unsetenv("PGSERVICE"), 0);
  ASSERT_EQ(::unsetenv("PGSERVICEFILE"), 0);
}

TEST(PostgresOpen, WhoeverMayNotComeInIsToldWhy) {
  PostgresServer server;
  const std::string url = server.database(), db = database_of(url);
  // Passwords for these two; the file is read again.
  const std::string hba = server.directory() + "/data/pg_hba.conf";
  std::ofstream(hba, std::ios::trunc)
      << "local all known scram-sha-256\nlocal all banned reject\nlocal all all trust\n";
  server.sql(db,
             "CREATE ROLE known LOGIN PASSWORD 'test-word'; CREATE ROLE banned LOGIN;"
             "CREATE ROLE poor LOGIN; CREATE ROLE nologin;"
             "CREATE ROLE many LOGIN CONNECTION LIMIT 0; GRANT CREATE ON SCHEMA public TO known");
  ASSERT_EQ(server.ask(db, "SELECT pg_reload_conf()"), "t");
  while (server.ask(db, "SELECT count(*) FROM pg_hba_file_rules") != "3" ||
         said(as_user(url, "banned")) == "opened")
    ::poll(nullptr, 0, 1);
  server.sql(db, "REVOKE CONNECT ON DATABASE " + db + " FROM PUBLIC");
  server.sql(db, "GRANT CONNECT ON DATABASE " + db + " TO known, poor, many");
  server.sql("postgres", "CREATE ROLE outside LOGIN");
  // The wait above made nothing either: it was refused, or the tables are gone again.
  server.sql(db,
             "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO "
             "PUBLIC; GRANT CREATE ON SCHEMA public TO known");
  const std::string before = contents(server, url);

  constexpr std::string_view kRefused =
      "the database refuses this user: check the name in store.url and the password";
  EXPECT_EQ(said(as_user(url, "known"), "test-wrong"), kind(Errc::kUnauthenticated, kRefused));
  EXPECT_EQ(
      said(as_user(url, "known")),
      kind(Errc::kUnauthenticated, "the database asks for a password: set store.password_file"));
  EXPECT_EQ(said(as_user(url, "banned")), kind(Errc::kUnauthenticated, kRefused));
  EXPECT_EQ(said(as_user(url, "nobody")), kind(Errc::kUnauthenticated, kRefused));
  EXPECT_EQ(said(as_user(url, "nologin")), kind(Errc::kUnauthenticated, kRefused));
  EXPECT_EQ(said(server.url("absent")),
            kind(Errc::kNotFound, "there is no such database: create it, or mend store.url"));
  EXPECT_EQ(said(as_user(url, "outside")),
            kind(Errc::kDenied, "the database user may not connect"));
  EXPECT_EQ(said(as_user(url, "many")),
            kind(Errc::kUnavailable, "the database has no connection left for us"));
  EXPECT_EQ(said(as_user(url, "poor")),
            kind(Errc::kDenied,
                 "the database user may not do what Stint needs: make it the owner of the tables"));
  EXPECT_EQ(contents(server, url), before);
  EXPECT_EQ(said(as_user(url, "known"), "test-word"), "opened");
}

TEST(PostgresOpen, WhatCannotHoldTheLogIsRefused) {
  PostgresServer& server = PostgresServer::shared();
  const auto made = [&](const char* name, const char* how) {
    server.sql("postgres", std::string("CREATE DATABASE ") + name + " TEMPLATE template0 " + how);
    return server.url(name);
  };
  const auto refused = [&](const std::string& url, Errc code, std::string_view reason) {
    const std::string before = contents(server, url);
    EXPECT_EQ(said(url), kind(code, reason)) << url;
    EXPECT_EQ(contents(server, url), before) << url;
  };
  constexpr std::string_view kEncoding = "the database's encoding is not UTF8: create it with UTF8";
  refused(made("ascii", "ENCODING 'SQL_ASCII'"), Errc::kUnsupported, kEncoding);
  refused(made("latin", "ENCODING 'LATIN1'"), Errc::kUnsupported, kEncoding);
  const std::string quiet = made("quiet", "ENCODING 'UTF8'");
  server.sql("postgres", "ALTER DATABASE quiet SET default_transaction_read_only = on");
  refused(quiet, Errc::kReadOnly,
          "the database takes no writes: default_transaction_read_only is on");
  EXPECT_EQ(said(quiet + "?target_session_attrs=read-write"),
            kind(Errc::kReadOnly, "no host of store.url takes writes: name the primary"));

  constexpr std::string_view kTheirs =
      "the database holds tables of our names that are not Stint's: give it its own database or "
      "schema";
  for (const char* table : {"task", "token", "lease", "log_head"}) {
    const std::string url = server.database();
    server.sql(database_of(url), std::string("CREATE TABLE ") + table + " (theirs int)");
    refused(url, Errc::kUnsupported, kTheirs);
  }
  const std::string theirs = server.database();
  server.sql(database_of(theirs), "CREATE TABLE stint_schema (theirs int)");
  refused(theirs, Errc::kUnsupported, kTheirs);
}

TEST(PostgresOpen, ASchemaSaysWhoMayWorkWithIt) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_of(url);
  ASSERT_EQ(said(url), "opened");
  server.sql(db, "UPDATE stint_schema SET version = 1000, oldest = 2");
  EXPECT_EQ(said(url), "opened") << "made by a newer node that this one may work beside";
  server.sql(db, "UPDATE stint_schema SET oldest = 999");
  const std::string before = contents(server, url);
  EXPECT_EQ(said(url),
            kind(Errc::kUnsupported, "the database is of a newer version: upgrade this node"));
  EXPECT_EQ(contents(server, url), before);
  EXPECT_EQ(server.ask(db, "SELECT version || ' ' || oldest FROM stint_schema"), "1000 999");
}

TEST(PostgresOpen, ClocksAgreeOrNothingBegins) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database();
  const std::string before = contents(server, url);
  for (const int ahead : {40, -40}) {
    const testkit::ManualClock clock(std::chrono::floor<std::chrono::milliseconds>(
        SystemClock().wall() + std::chrono::seconds(ahead)));
    testing::internal::CaptureStderr();
    const auto opened = open(url, {}, clock);
    const std::string log = testing::internal::GetCapturedStderr();
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, Errc::kPreconditionFailed);
    EXPECT_EQ(opened.error().reason.text(),
              "this machine's clock and the database's differ by more than 30 s");
    // Rounded towards zero, and the question took its time.
    EXPECT_TRUE(log.contains("\"ours_ahead_of_the_database_s\":" + std::to_string(ahead)) ||
                log.contains("\"ours_ahead_of_the_database_s\":" + std::to_string(ahead - 1)) ||
                log.contains("\"ours_ahead_of_the_database_s\":" + std::to_string(ahead + 1)))
        << log;
  }
  EXPECT_EQ(contents(server, url), before);
  const testkit::ManualClock close(std::chrono::floor<std::chrono::milliseconds>(
      SystemClock().wall() + std::chrono::seconds(20)));
  EXPECT_TRUE(open(url, {}, close).has_value());
}

// Accepts, and never says a word: a machine that hangs.
class Silent {
 public:
  Silent() {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    dir_.file(".s.PGSQL.5432").copy(at.sun_path, sizeof at.sun_path - 1);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
  }
  ~Silent() { ::close(socket_); }
  Silent(const Silent&) = delete;
  std::string path() const { return dir_.path(); }

 private:
  testkit::TempDir dir_;
  int socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

TEST(PostgresOpen, FindsThePrimaryAmongItsHosts) {
  PostgresServer primary;
  const std::string db = database_of(primary.database());
  const auto standby = PostgresServer::standby_of(primary);
  EXPECT_EQ(said(standby->url(db)),
            kind(Errc::kReadOnly, "the database is a read-only replica: name the primary"));
  const Silent silent;
  const auto hosts = [&](std::vector<std::string> directories) {
    std::string out = "postgres://stint@/" + db + "?host=";
    for (const auto& directory : directories) out += (out.ends_with('=') ? "" : ",") + directory;
    return out;
  };
  EXPECT_EQ(said(hosts({standby->directory(), standby->directory()})),
            kind(Errc::kReadOnly, "the database is a read-only replica: name the primary"));
  EXPECT_EQ(said(hosts({standby->directory(), silent.path()})),
            kind(Errc::kReadOnly, "the database is a read-only replica: name the primary"));
  // The first is down, the second hangs, the third is a replica.
  EXPECT_EQ(said(hosts({"/nowhere", silent.path(), standby->directory(), primary.directory()})),
            "opened");
  EXPECT_EQ(primary.ask(db, "SELECT count(*) FROM stint_schema"), "1");

  primary.sql("postgres", "ALTER SYSTEM SET fsync = off");
  primary.restart();
  EXPECT_EQ(said(primary.url(db)),
            kind(Errc::kUnsupported,
                 "the database runs with fsync off and may lose what it has acknowledged"));
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size), 0);
  ::close(fd);
  return ntohs(at.sin_port);
}

void make_certificate(const std::string& directory, const std::string& who) {
  const std::string at = directory + "/" + who;
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout " + at +
      ".key -out " + at + ".crt -subj /CN=" + who + " -addext subjectAltName=DNS:" + who +
      " 2>/dev/null && cp --preserve=mode " + at + ".crt " + at + ".pem";
  ASSERT_EQ(std::system(command.c_str()), 0);
}

TEST(PostgresOpen, TlsIsVerifiedWhole) {
  PostgresServer server;
  const std::string db = database_of(server.database());
  const std::string dir = server.directory();
  make_certificate(dir, "db.test");
  make_certificate(dir, "other.test");
  // The key is its reader's own, and nobody else's.
  ASSERT_EQ(std::system(("chown --reference=" + dir + "/data " + dir + "/*.key && chmod 600 " +
                         dir + "/*.key")
                            .c_str()),
            0);
  server.kill();
  const int port = free_port();
  server.start(
      {"ssl=on", "ssl_cert_file=" + dir + "/db.test.crt", "ssl_key_file=" + dir + "/db.test.key"},
      port);
  const auto at = [&](const std::string& name, const std::string& root) {
    return "postgres://stint@" + name + ":" + std::to_string(port) + "/" + db +
           "?hostaddr=127.0.0.1&sslrootcert=" + dir + "/" + root + ".pem";
  };
  constexpr std::string_view kTls =
      "TLS to the database fails: check its certificate, its name and sslrootcert";
  const std::string before = contents(server, "/" + db);
  EXPECT_EQ(said(at("other.test", "db.test")), kind(Errc::kUnavailable, kTls)) << "its name";
  EXPECT_EQ(said(at("db.test", "other.test")), kind(Errc::kUnavailable, kTls)) << "its issuer";
  EXPECT_EQ(said(at("db.test", "absent")), kind(Errc::kUnavailable, kTls)) << "no root";
  EXPECT_EQ(said(at("db.test", "db.test") + "&sslmode=require"),
            kind(Errc::kUnsupported, kUnverified));
  EXPECT_EQ(contents(server, "/" + db), before);
  EXPECT_EQ(said(at("db.test", "db.test")), "opened");

  server.kill();
  server.start({"ssl=off"}, port);
  EXPECT_EQ(said(at("db.test", "db.test")), kind(Errc::kUnavailable, kTls)) << "without TLS";
}

// What an administrator set for other programs changes nothing for us.
TEST(PostgresOpen, OtherPeoplesSettingsDoNoHarm) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_of(url);
  for (const char* setting :
       {"TimeZone = 'Asia/Kathmandu'", "DateStyle = 'German, DMY'",
        "IntervalStyle = 'sql_standard'", "bytea_output = 'escape'", "lc_messages = 'C.utf8'",
        "lc_monetary = 'C.utf8'", "extra_float_digits = -15",
        "default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on",
        "standard_conforming_strings = off", "synchronous_commit = off",
        "client_encoding = 'LATIN1'", "client_min_messages = 'debug5'",
        "idle_session_timeout = '300ms'", "plan_cache_mode = 'force_generic_plan'",
        "row_security = off", "enable_indexscan = off", "search_path = elsewhere, public"})
    server.sql("postgres", "ALTER DATABASE " + db + " SET " + setting);
  server.sql(db, "CREATE SCHEMA elsewhere");
  auto store = open(url);
  ASSERT_TRUE(store.has_value()) << store.error().reason.text();
  (*store)->follow([](std::span<const EventView>) -> Status { return {}; });
  const std::string odd = "\\x00 ' \" \xc3\xa9 \xf0\x9f\x94\x91";
  ASSERT_TRUE((*store)->write_sync(put("a", odd)).has_value());
  EXPECT_EQ((*store)
                ->write_sync([](Tx& tx) { tx.append(event("x")), tx.run(kInsert, "a", "1"); })
                .error()
                .reason.text(),
            "constraint");
  // The server closes what is idle, but for who shows that a node is there; nobody notices.
  while (server.ask("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + db +
                                    "' AND application_name = 'stint' AND query NOT LIKE 'LISTEN%' "
                                    "AND query LIKE '%ROLLBACK%' AND pid NOT IN (SELECT pid FROM "
                                    "pg_locks WHERE locktype = 'advisory')") != "0")
    ::poll(nullptr, 0, 10);
  const auto got = (*store)->read([](Reader& r) { return *r.one<std::string>(kGet, "a"); });
  ASSERT_TRUE(got.has_value()) << got.error().reason.text();
  EXPECT_EQ(*got, odd);
  EXPECT_EQ((*store)->events(0, 10)->size(), 1u);
}

// Databases that speak the same language need not announce commits.
TEST(PostgresOpen, WithoutNotificationsTheLogIsAskedFor) {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.database(), db = database_of(url);
  // Found before the system's own.
  server.sql(db,
             "CREATE SCHEMA without; CREATE FUNCTION without.pg_notify(text, text) RETURNS void "
             "LANGUAGE plpgsql AS $$BEGIN RAISE 'no such thing' USING ERRCODE = '0A000'; END$$");
  server.sql("postgres", "ALTER DATABASE " + db + " SET search_path = without, pg_catalog, public");
  server.sql(db, "CREATE TABLE public.unrelated (x int)");
  server.sql("postgres", "ALTER DATABASE " + db + " SET search_path = public, without, pg_catalog");
  testing::internal::CaptureStderr();
  auto one = open(url), two = open(url);
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(one.has_value()) << one.error().reason.text();
  ASSERT_TRUE(two.has_value());
  EXPECT_TRUE(log.contains("the database announces no commits: it is asked again and again"))
      << log;
  std::atomic<int> followed{0};
  (*two)->follow([&](std::span<const EventView> events) -> Status {
    followed += static_cast<int>(events.size());
    return {};
  });
  const auto start = SystemClock().mono();
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE((*one)->write_sync(put("a", std::to_string(i))).has_value());
    while (followed <= i) ::poll(nullptr, 0, 1);
  }
  EXPECT_LT(SystemClock().mono() - start, 8 * PostgresFeed::kPeriod)
      << "asked for more often than where commits are announced";
}

// A read that fails and that nobody made takes nothing along: neither its command nor the next.
TEST(PostgresAnnounced, WhatFailsAndIsNotWantedHarmsNobody) {
  static constexpr Sql kFails = "SELECT 1 / (length($1) - 1)";
  Options options;
  options.postgres =
      PostgresOptions{.url = PostgresServer::shared().database(), .password = nullptr};
  const SystemClock clock;
  auto store = Store::open(std::move(options), clock);
  ASSERT_TRUE(store.has_value());
  std::vector<bool> done;
  std::optional<std::string> seen;
  {
    testkit::HeldWriter hold(**store);
    const auto told = [&](const auto& r) { done.push_back(r.has_value()); };
    (*store)->submit(
        [](Tx& tx) -> Status {
          tx.put(kPut, "a", "1");
          tx.append(event("a=1"));
          tx.announce(kFails, "x");
          return {};
        },
        told);
    (*store)->submit(
        [&](Tx& tx) -> Status {
          seen = tx.one<std::string>(kGet, "a");  // in the run that stands
          tx.put(kPut, "b", "1");
          tx.append(event("b=1"));
          return {};
        },
        told);
    hold.release();
  }
  (*store)->stop();
  EXPECT_EQ(done, (std::vector<bool>{true, true}));
  EXPECT_EQ(seen, "1");
  const auto get = [&](const char* name) {
    return *(*store)->read([&](Reader& r) { return r.one<std::string>(kGet, name); });
  };
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), "1");
  EXPECT_EQ((*store)->events(0, 10)->size(), 2U);
}

TEST(PostgresAnnounced, KnowsWhichTablesAReadNames) {
  using A = PgAnnounced;
  EXPECT_TRUE(A::reads("SELECT body FROM task WHERE id = $1", "task"));
  EXPECT_TRUE(A::reads("SELECT 1 FROM token k\n  JOIN task t ON t.id = k.task", "task"));
  EXPECT_TRUE(A::reads("SELECT 1 FROM (SELECT 1 FROM task) AS x", "task"));
  EXPECT_TRUE(A::reads("SELECT 1 FROM token, task", "task"));
  EXPECT_FALSE(A::reads("SELECT body FROM approval WHERE task = $1", "task"));
  EXPECT_FALSE(A::reads("SELECT first FROM event_task WHERE 1", "task"));
  EXPECT_FALSE(A::reads("SELECT first FROM task_event WHERE 1", "task"));
}

}  // namespace
}  // namespace stint::store
