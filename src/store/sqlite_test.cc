// What is particular to the SQLite store: its file, its schema, its write-ahead log.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <latch>

#include "schema.h"
#include "stint/store/log_publisher.h"
#include "stint/store/store.h"
#include "stint/testkit/faulty_vfs.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/seeded_entropy.h"
#include "stint/testkit/temp_dir.h"

namespace stint::store {
namespace {

class Sqlite : public testing::Test {
 protected:
  Result<std::unique_ptr<Store>> open(Options options = {}) {
    options.path = path_;
    return Store::open(std::move(options), clock_);
  }
  void refused(Errc code, std::string_view reason) {
    const auto opened = open();
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, code);
    EXPECT_EQ(opened.error().reason.text(), reason);
  }
  void raw(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  std::string path_ = dir_.file("stint.db");
};

TEST_F(Sqlite, FilesAreOursAlone) {
  const auto store = open();
  ASSERT_TRUE(store.has_value());
  ASSERT_TRUE((*store)->write_sync([](Tx& tx) { tx.append({"k", std::nullopt, "b", {}}); }));
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat st{};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &st), 0) << suffix;
    EXPECT_EQ(st.st_mode & 077, 0u) << suffix;
  }
}

TEST_F(Sqlite, OneProcessAtATime) {
  const auto first = open();
  ASSERT_TRUE(first.has_value());
  refused(Errc::kUnavailable, "another process has the database open");
}

// For a tool that must find what it works on.
TEST_F(Sqlite, AToolMakesNoStore) {
  Options alone;
  alone.alone = true;
  const auto opened = open(alone);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Errc::kNotFound);
  EXPECT_EQ(opened.error().reason.text(), "there is no store");
  struct stat st{};
  EXPECT_NE(::stat(path_.c_str(), &st), 0);
  EXPECT_TRUE((*open())->alone()) << "a file has one process";
}

TEST_F(Sqlite, RefusesWhatItDoesNotUnderstand) {
  raw("CREATE TABLE somebody_elses (x)");
  refused(Errc::kUnsupported, "not a Stint database");
  raw("DROP TABLE somebody_elses; PRAGMA application_id = 7");
  refused(Errc::kUnsupported, "not a Stint database");
  raw(("PRAGMA application_id = " + std::to_string(kEarlyApplicationId)).c_str());
  refused(Errc::kUnsupported, "database of a build before the first release");
  std::ofstream(path_, std::ios::trunc) << std::string(8192, 'x');
  refused(Errc::kUnsupported, "not a database");
}

TEST_F(Sqlite, RefusesANewerSchema) {
  ASSERT_TRUE(open().has_value());
  raw(("PRAGMA user_version = " + std::to_string(migrations().size() + 1)).c_str());
  refused(Errc::kUnsupported, "database of a newer version");
}

TEST_F(Sqlite, MissingDirectoryIsAnError) {
  path_ = dir_.file("absent/stint.db");
  refused(Errc::kIo, "lock file of the database cannot be opened");
}

// Domain rule 2, whatever a statement says.
TEST_F(Sqlite, ClosedTaskStaysClosed) {
  const auto opened = open();
  Store& store = **opened;
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy);
  const auto change = [&](Sql sql) {
    return store.write_sync([&](Tx& tx) {
      tx.append({"k", task, "b", {}});
      EXPECT_EQ(tx.run(sql, task), tx.error() ? 0 : 1);
    });
  };
  ASSERT_TRUE(
      change("INSERT INTO task (id, state, agent, depth, opened, deadline, last_used, "
             "version, body) VALUES ($1, 'active', 'a', 0, 0, 1, 0, 1, '{}')"));
  ASSERT_TRUE(
      change("UPDATE task SET state = 'closed', how = 'revoked', closed = 1 WHERE id = $1"));
  for (const Sql sql :
       {Sql("UPDATE task SET state = 'active', how = NULL, closed = NULL WHERE id = $1"),
        Sql("UPDATE task SET how = 'completed' WHERE id = $1")}) {
    const auto r = change(sql);
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, Errc::kConflict);
  }
  EXPECT_TRUE(change("UPDATE task SET version = 2 WHERE id = $1"));
}

// Bookkeeping by column and by kind of change, not by table alone.
TEST_F(Sqlite, ADamagedBlockFailsItsReaders) {
  {
    const auto opened = open({});
    ASSERT_TRUE((*opened)
                    ->write_sync([](Tx& tx) {
                      for (int i = 0; i < 3; ++i) tx.append({"k", std::nullopt, "one", {}});
                    })
                    .has_value());
    (*opened)->stop();
  }
  raw("UPDATE event SET body = substr(body, 1, length(body) - 1)");
  {
    const auto opened = open({});
    const auto events = (*opened)->events(0, 10);
    ASSERT_FALSE(events.has_value());
    EXPECT_EQ(events.error().reason.text(), "an event block is damaged");
    EXPECT_TRUE(leaf_hashes(**opened, 0, 10).has_value());
  }
  raw("UPDATE event SET leaves = substr(leaves, 2)");
  refused(Errc::kInternal, "an event block is damaged");  // the last of them, at the start already
}

// A copy syncs the log once more: one for every 256 KiB, and none for every commit.
TEST_F(Sqlite, CheckpointsComeByTheAmountWritten) {
  constexpr int kCommits = 400;
  testkit::FaultyVfs vfs("counting");
  const auto opened = open({.checkpoint_bytes = 256 << 10, .vfs = vfs.name()});
  for (int i = 0; i < kCommits; ++i)
    ASSERT_TRUE(
        (*opened)
            ->write_sync([](Tx& tx) { tx.append({"k", std::nullopt, std::string(600, 'x'), {}}); })
            .has_value());
  (*opened)->stop();
  EXPECT_GT(vfs.syncs(), kCommits + 5u) << "else nothing was copied";
  EXPECT_LT(vfs.syncs(), kCommits + 45u);
}

TEST_F(Sqlite, WriteAheadLogStaysBounded) {
  constexpr std::size_t kThreshold = 256 << 10;
  const auto opened = open({.max_batch = 16, .checkpoint_bytes = kThreshold});
  Store& store = **opened;
  constexpr int kRounds = 150, kEach = 64;
  std::size_t most = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::latch done(kEach);
    for (int i = 0; i < kEach; ++i) {
      store.submit(
          [](Tx& tx) { return tx.append({"k", std::nullopt, std::string(2000, 'x'), {}}); },
          [&](Result<Seq> r) {
            EXPECT_TRUE(r.has_value());
            done.count_down();
          });
    }
    done.wait();
    most = std::max(most, store.health().wal_bytes);
  }
  EXPECT_EQ(store.size(), static_cast<Seq>(kRounds * kEach));
  EXPECT_GT(most, kThreshold) << "else nothing was tried";
  EXPECT_LT(most, 24 * kThreshold) << "of 20 MB written";
}

}  // namespace
}  // namespace stint::store
