// A backup goes from either database into either, whole or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "archive.h"
#include "contract_for_test.h"
#include "schema.h"
#include "stint/store/backup.h"
#include "stint/testkit/faulty_vfs.h"

namespace stint::store {
namespace {

namespace fs = std::filesystem;

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_all(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

Result<bool> nothing(Tx& tx) {
  tx.no_event();
  return false;
}

struct Way {
  const char* name;
  bool from_postgres, to_postgres;
};

class BackupBase {
 protected:
  BackupBase() {
    clock_.step_wall(std::chrono::duration_cast<std::chrono::milliseconds>(SystemClock().wall() -
                                                                           clock_.wall()));
  }
  Options place(bool postgres, const std::string& name) {
    Options options;
    if (postgres)
      options.postgres =
          PostgresOptions{.url = testkit::PostgresServer::shared().database(), .password = nullptr};
    else
      options.path = dir_.file(name);
    return options;
  }
  std::unique_ptr<Store> open(const Options& where) {
    auto store = Store::open(where, clock_);
    EXPECT_TRUE(store.has_value()) << store.error().reason.text();
    return store ? *std::move(store) : nullptr;
  }
  // Over a page of rows, of every type: null, numbers below zero, text that is not ASCII, a key of
  // two columns, blobs with any byte, and a queue whose keys the database gives.
  void fill(Store& store) {
    for (int i = 0; i < 300; ++i) {
      const auto done = store.write_sync([&](Tx& tx) {
        tx.run(kPut, "agent-" + std::to_string(i), i % 2 == 0 ? "grün \xe2\x98\x83" : "");
        tx.run(kUse, i % 2 == 0 ? "a" : "b", crypto::sha256(std::to_string(i)), -i);
        tx.run("INSERT INTO owed (kind, task, since, next, body) VALUES ('x', NULL, 0, $1, '{}')",
               i);
        return tx.append(event("fill " + std::to_string(i)));
      });
      ASSERT_TRUE(done.has_value()) << done.error().reason.text();
    }
  }
  Result<BackupInfo> take(const Options& from, const std::string& name) {
    return backup(from, dir_.file(name), {.version = "1.2.3", .issuer = "https://stint.test"},
                  clock_);
  }
  void expect_refused(const Status& status, std::string_view reason) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().reason.text(), reason);
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
};

class BackupWays : public testing::TestWithParam<Way>, protected BackupBase {};

TEST_P(BackupWays, CarriesEveryRow) {
  const Options from = place(GetParam().from_postgres, "from.db");
  const auto store = open(from);
  fill(*store);
  const auto before = *store->events(0, 1000);
  const auto info = take(from, "b");
  ASSERT_TRUE(info.has_value()) << info.error().reason.text();
  EXPECT_EQ(info->size, 300u);
  EXPECT_EQ(info->database, GetParam().from_postgres ? "postgresql" : "sqlite");
  EXPECT_EQ(info->version, "1.2.3");
  EXPECT_EQ(info->issuer, "https://stint.test");
  EXPECT_FALSE(info->checkpoint.has_value());
  // What is committed after it is not in it.
  ASSERT_TRUE(store->write_sync(put("late", "x")).has_value());

  auto archive = Archive::open(dir_.file("b"));
  ASSERT_TRUE(archive.has_value()) << archive.error().reason.text();
  EXPECT_EQ(archive->info().root, info->root);
  EXPECT_EQ(*archive->read([](Reader& r) { return *r.one<std::string>(kGet, "agent-2"); }),
            "grün \xe2\x98\x83");
  const Options to = place(GetParam().to_postgres, "to.db");
  int steps = 0;
  const Status restored = restore(*archive, to, clock_, [&](Tx& tx) -> Result<bool> {
    tx.append(event("step " + std::to_string(steps)));
    return ++steps < 3;
  });
  ASSERT_TRUE(restored.has_value()) << restored.error().reason.text();
  const auto copy = open(to);
  const auto after = *copy->events(0, 1000);
  ASSERT_EQ(after.size(), 303u);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].bytes, before[i].bytes);
    EXPECT_EQ(after[i].leaf, before[i].leaf);
  }
  EXPECT_EQ(after[302].bytes, "step 2");
  // It goes on where it was: the log, and keys that the database gives.
  const auto next = copy->write_sync([](Tx& tx) {
    tx.append(event("next"));
    return *tx.one<std::int64_t>(
        "INSERT INTO owed (kind, task, since, next, body) VALUES ('x', NULL, 0, 0, '{}') "
        "RETURNING id");
  });
  ASSERT_TRUE(next.has_value()) << next.error().reason.text();
  EXPECT_EQ(*next, 301);
  EXPECT_EQ(copy->size(), 304u);
  // And never over what is there.
  expect_refused(restore(*archive, to, clock_, nothing),
                 GetParam().to_postgres
                     ? "the database is not empty: a backup is restored into a new one"
                     : "there is a store already: a backup is restored into a new place");
}

TEST_P(BackupWays, LeavesNothingWhenAStepFails) {
  const Options from = place(GetParam().from_postgres, "from.db");
  fill(*open(from));
  ASSERT_TRUE(take(from, "b").has_value());
  auto archive = Archive::open(dir_.file("b"));
  ASSERT_TRUE(archive.has_value());
  const Options to = place(GetParam().to_postgres, "to.db");
  int steps = 0;
  expect_refused(restore(*archive, to, clock_,
                         [&](Tx& tx) -> Result<bool> {
                           if (++steps == 2) return fail(Errc::kWrongKey, "planted");
                           tx.append(event("half"));
                           return true;
                         }),
                 "planted");
  expect_refused(restore(*archive, to, clock_,
                         [](Tx& tx) -> Result<bool> {
                           tx.run(kPut, "silent", "x");
                           return false;
                         }),
                 "state changed with no event");
  if (!GetParam().to_postgres) {
    EXPECT_FALSE(fs::exists(to.path));
    EXPECT_FALSE(fs::exists(to.path + ".restoring"));
  }
  EXPECT_TRUE(restore(*archive, to, clock_, nothing).has_value()) << "the place is still empty";
}

INSTANTIATE_TEST_SUITE_P(Stores, BackupWays,
                         testing::Values(Way{"SqliteToSqlite", false, false},
                                         Way{"SqliteToPostgres", false, true},
                                         Way{"PostgresToSqlite", true, false},
                                         Way{"PostgresToPostgres", true, true}),
                         [](const auto& p) { return std::string(p.param.name); });

// As a program of the first schema wrote it: the same rows without the columns that came later.
void write_first_schema(const std::string& from, const std::string& to) {
  write_all(to, "");
  {
    const auto tables = *TableShape::all(1);
    SqliteReader reader(*SqliteSession::open(from, "", SqliteSession::Use::kArchive));
    const auto session = *SqliteSession::open(to, "", SqliteSession::Use::kBuild);
    ASSERT_TRUE(session->exec(migrations()[0]).has_value());
    ASSERT_TRUE(session->exec(kManifestTables).has_value());
    for (const auto& table : tables) {
      const auto rows = carry_rows(reader, *table, [&](std::span<const Param> row) {
        return session->step(table->insert(), row);
      });
      ASSERT_TRUE(rows.has_value());
      ASSERT_TRUE(
          session
              ->step("INSERT INTO backup_rows (name, count, digest) VALUES ($1, $2, $3)",
                     std::array{Param(table->name()), Param(rows->rows), Param(rows->digest)})
              .has_value());
    }
    const std::string rest = "ATTACH '" + from + "' AS b;" +
                             "INSERT INTO backup_manifest SELECT * FROM b.backup_manifest;"
                             "UPDATE backup_manifest SET value = CAST('1' AS BLOB) WHERE key = "
                             "'schema'; DETACH b; PRAGMA application_id = " +
                             std::to_string(kBackupApplicationId);
    ASSERT_TRUE(session->exec(rest.c_str()).has_value());
  }
  const std::string bytes = read_all(to);
  write_all(to, bytes + *seal_line(to, bytes.size()));
}

class OlderBackups : public BackupWays {};
INSTANTIATE_TEST_SUITE_P(Stores, OlderBackups,
                         testing::Values(Way{"ToSqlite", false, false},
                                         Way{"ToPostgres", false, true}),
                         [](const auto& p) { return std::string(p.param.name); });

TEST_P(OlderBackups, TakesOneOfAnOlderSchemaAlong) {
  const Options from = place(false, "from.db");
  fill(*open(from));
  ASSERT_TRUE(take(from, "now").has_value());
  ASSERT_NO_FATAL_FAILURE(write_first_schema(dir_.file("now"), dir_.file("old")));
  auto archive = Archive::open(dir_.file("old"));
  ASSERT_TRUE(archive.has_value()) << archive.error().reason.text();
  EXPECT_EQ(archive->info().schema, 1);
  const Options to = place(GetParam().to_postgres, "to.db");
  const Status restored = restore(*archive, to, clock_, [](Tx& tx) -> Result<bool> {
    // Of the present schema.
    tx.run("INSERT INTO status_list (n, ends) VALUES (1, 2)");
    tx.append(event("restored"));
    return false;
  });
  ASSERT_TRUE(restored.has_value()) << restored.error().reason.text();
  const auto copy = open(to);
  EXPECT_EQ(copy->size(), 301u);
  EXPECT_EQ(
      *copy->read([](Reader& r) { return *r.one<std::int64_t>("SELECT ends FROM status_list"); }),
      2);
}

class Backups : public testing::Test, protected BackupBase {
 protected:
  void SetUp() override {
    from_ = place(false, "from.db");
    fill(*open(from_));
    ASSERT_TRUE(take(from_, "b").has_value());
    bytes_ = read_all(dir_.file("b"));
  }
  std::string refusal(std::string_view bytes) {
    write_all(dir_.file("damaged"), bytes);
    const auto archive = Archive::open(dir_.file("damaged"));
    return archive ? "" : std::string(archive.error().reason.text());
  }
  Options from_;
  std::string bytes_;
};

TEST_F(Backups, AreTheOwnersAloneAndNeverWrittenOver) {
  struct stat info{};
  ASSERT_EQ(::stat(dir_.file("b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_FALSE(fs::exists(dir_.file("b.part")));
  const auto again = take(from_, "b");
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().reason.text(),
            "there is a file of this name already: a backup is never written over");
  EXPECT_EQ(read_all(dir_.file("b")), bytes_);
  // What a killed one left behind is no obstacle, and no backup.
  write_all(dir_.file("c.part"), bytes_.substr(0, bytes_.size() / 2));
  EXPECT_EQ(refusal(bytes_.substr(0, bytes_.size() / 2)),
            "not a backup, or one that was cut short");
  EXPECT_TRUE(take(from_, "c").has_value());
}

TEST_F(Backups, AreNoDatabaseToWorkOn) {
  fs::copy(dir_.file("b"), dir_.file("served.db"));
  const auto store = Store::open({.path = dir_.file("served.db")}, clock_);
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().reason.text(), "a backup, not a database: stint restore makes one of it");
}

TEST_F(Backups, NeedAStoreOfThisVersion) {
  EXPECT_EQ(take({.path = dir_.file("none.db")}, "d").error().reason.text(),
            "there is no store to back up");
  EXPECT_FALSE(fs::exists(dir_.file("none.db")));
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(from_.path.c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA user_version = 77", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  EXPECT_EQ(take(from_, "d").error().reason.text(),
            "the store is of another version: back it up with that one");
  EXPECT_FALSE(fs::exists(dir_.file("d")));
}

TEST_F(Backups, LeaveNothingOnAFullDisk) {
  testkit::FaultyVfs faulty("backup-disk-test");
  Options from = from_;
  from.vfs = faulty.name();
  faulty.fail(testkit::FaultyVfs::Op::kWrite, testkit::FaultyVfs::Fault::kDiskFull,
              testkit::FaultyVfs::Where::kDatabase, 3);
  const auto full = take(from, "d");
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().reason.text(), "disk full");
  EXPECT_GT(faulty.injected(), 0u);
  EXPECT_FALSE(fs::exists(dir_.file("d")));
  EXPECT_FALSE(fs::exists(dir_.file("d.part")));
  auto archive = Archive::open(dir_.file("b"));
  ASSERT_TRUE(archive.has_value());
  Options to = place(false, "to.db");
  to.vfs = faulty.name();
  expect_refused(restore(*archive, to, clock_, nothing), "disk full");
  EXPECT_FALSE(fs::exists(to.path));
  EXPECT_FALSE(fs::exists(to.path + ".restoring"));
  faulty.clear();
  EXPECT_TRUE(take(from, "d").has_value());
  EXPECT_TRUE(restore(*archive, to, clock_, nothing).has_value());
}

// Who keeps the database may have altered its log: no backup of that is made to look whole.
TEST_F(Backups, AreNotMadeOfALogThatIsNotTheSignedOne) {
  for (const int size : {10, 999}) {
    const Options from = place(false, "log" + std::to_string(size));
    const auto store = open(from);
    fill(*store);
    ASSERT_TRUE(store
                    ->write_sync([&](Tx& tx) {
                      tx.no_event();
                      tx.run(
                          "INSERT INTO checkpoint (size, root, note, time) "
                          "VALUES ($1, $2, 'note', 0)",
                          size, Hash{});
                    })
                    .has_value());
    const auto taken = take(from, "signed");
    ASSERT_FALSE(taken.has_value());
    EXPECT_EQ(taken.error().reason.text(), "the backup's checkpoint does not fit its log");
    EXPECT_FALSE(fs::exists(dir_.file("signed")));
  }
}

// Any byte, and any cut: refused, for the whole file is under its last line.
TEST_F(Backups, AreRefusedWhenDamagedAnywhere) {
  ASSERT_EQ(refusal(bytes_), "");
  std::mt19937_64 random(1);
  std::vector<std::size_t> places{0,
                                  20,
                                  60,
                                  100,
                                  bytes_.size() - 1,
                                  bytes_.size() - 2,
                                  bytes_.size() - 65,
                                  bytes_.size() - kSealBytes};
  for (int i = 0; i < 200; ++i) places.push_back(random() % bytes_.size());
  for (const std::size_t at : places) {
    std::string damaged = bytes_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (random() % 8)));
    EXPECT_THAT(refusal(damaged),
                testing::AnyOf("the backup is damaged", "not a backup, or one that was cut short"))
        << at;
  }
  for (const std::size_t size :
       {std::size_t{0}, kSealBytes, kSealBytes + 1, bytes_.size() / 3, bytes_.size() - 1})
    EXPECT_EQ(refusal(std::string_view(bytes_).substr(0, size)),
              "not a backup, or one that was cut short");
  EXPECT_EQ(refusal(bytes_ + "x"), "not a backup, or one that was cut short");
}

// Altered by somebody who can count, with a right last line: what it says of itself must still fit.
struct Altered {
  const char* name;
  const char* sql;
  std::string_view reason;
};
constexpr Altered kAltered[] = {
    {"Row", "UPDATE entity SET body = 'y' WHERE name = 'agent-7'", "the backup is damaged"},
    {"RowGone", "DELETE FROM used_jti WHERE scope = 'a'", "the backup is damaged"},
    {"View", "ALTER TABLE tile RENAME TO t; CREATE VIEW tile AS SELECT * FROM t",
     "the backup is damaged"},
    {"Event",
     "UPDATE event SET body = CAST(replace(body, 'fill 0', 'fill 9') AS BLOB) WHERE first = 0",
     "the log in the backup is damaged"},
    {"LogCut", "DELETE FROM event WHERE first = (SELECT max(first) FROM event)",
     "the backup is damaged"},
    {"Root", "UPDATE backup_manifest SET value = zeroblob(32) WHERE key = 'log_root'",
     "the log in the backup is damaged"},
    {"Checkpoint", "INSERT INTO checkpoint VALUES (10, zeroblob(32), 'note', 0)",
     "the backup is damaged"},
    {"NewerSchema", "UPDATE backup_manifest SET value = CAST('99' AS BLOB) WHERE key = 'schema'",
     "the backup is of a newer version: restore it with that version"},
    {"NewerFormat", "UPDATE backup_manifest SET value = CAST('2' AS BLOB) WHERE key = 'format'",
     "the backup is of a newer version: restore it with that version"},
    {"NoWords", "DELETE FROM backup_manifest WHERE key = 'log_size'", "the backup is damaged"},
    {"NotOurs", "PRAGMA application_id = 1", "the backup is damaged"},
};
class AlteredBackups : public Backups, public testing::WithParamInterface<Altered> {};

TEST_P(AlteredBackups, AreRefused) {
  const std::string path = dir_.file("altered");
  write_all(path, std::string_view(bytes_).substr(0, bytes_.size() - kSealBytes));
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(db, GetParam().sql, nullptr, nullptr, &error), SQLITE_OK) << error;
  sqlite3_free(error);
  sqlite3_close(db);
  const std::string bytes = read_all(path);
  EXPECT_EQ(refusal(bytes + *seal_line(path, bytes.size())), GetParam().reason);
}
INSTANTIATE_TEST_SUITE_P(Backups, AlteredBackups, testing::ValuesIn(kAltered),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace stint::store
