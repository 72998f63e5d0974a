#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "database.h"
#include "fair_mutex.h"

namespace stint::store {

// A prepared statement, kept for the life of its connection.
class SqliteStatement final : public Cursor {
 public:
  SqliteStatement(sqlite3_stmt* handle, bool writes_event, bool writes_state);
  ~SqliteStatement() { sqlite3_finalize(handle); }
  SqliteStatement(const SqliteStatement&) = delete;

  // Errors: kInternal when the numbers do not fit the statement's.
  Status bind(std::span<const Param> parameters);
  void reset();

  Result<bool> next() override;
  ColumnType type(int column) const override;
  std::int64_t integer(int column) const override { return sqlite3_column_int64(handle, column); }
  std::string_view bytes(int column) const override;

  sqlite3_stmt* const handle;
  const bool writes_event;  // the tables of the log
  const bool writes_state;  // what may not change without an event
  const bool read_only;
  class SqliteSession* session = nullptr;

 private:
  std::vector<std::size_t> number_;  // of each SQLite parameter: n of its "$n"
  bool over_ = false;  // no row is left, or it failed: another step would run it again
};

// One SQLite handle and its statements. One thread at a time.
class SqliteSession {
 public:
  // kBuild: a file that counts once it is whole, synced and has its name, by whoever makes it.
  // kArchive: a finished one that nobody writes, and that nothing is written beside.
  enum class Use : std::uint8_t { kWrite, kRead, kCheckpoint, kBuild, kArchive };
  static Result<std::unique_ptr<SqliteSession>> open(const std::string& path,
                                                     const std::string& vfs, Use use);
  ~SqliteSession();
  SqliteSession(const SqliteSession&) = delete;

  Status exec(const char* sql);
  // One statement to its end, whatever it writes; its rows are not wanted.
  Status step(Sql sql, std::span<const Param> parameters = {});
  // From now on prepared statements are told apart by what they write.
  void watch_writes();
  Result<SqliteStatement*> prepare(Sql sql);

  // Maps the result code and remembers whether it speaks of the disk rather than the statement.
  Error error(int code);
  bool broken() const { return broken_; }
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  sqlite3* db() const { return db_; }

 private:
  explicit SqliteSession(sqlite3* db) : db_(db) {}
  static int authorize(void* self, int action, const char* first, const char* second, const char*,
                       const char*);

  sqlite3* db_;
  std::unordered_map<const char*, std::unique_ptr<SqliteStatement>> statements_;
  bool broken_ = false;
  bool preparing_event_ = false, preparing_state_ = false;
};

// For reading: the pool's connections, and those that tools open for themselves.
class SqliteReader final : public ReadConnection {
 public:
  explicit SqliteReader(std::unique_ptr<SqliteSession> session) : session_(std::move(session)) {}
  Result<Cursor*> start(Sql sql, std::span<const Param> parameters) override;
  Result<Effect> finish(Cursor& cursor) override;
  Status begin() override { return session_->step("BEGIN"); }
  Status end() override;
  bool usable() const override { return true; }
  SqliteSession& session() { return *session_; }

 private:
  std::unique_ptr<SqliteSession> session_;
};

// The writer's. Holds `gate` from begin() to the end of the transaction: the checkpoint thread
// takes it to let the WAL start over.
class SqliteWriter final : public WriteConnection {
 public:
  SqliteWriter(std::unique_ptr<SqliteSession> session, FairMutex& gate,
               std::function<void(int)> wal_pages);
  ~SqliteWriter() override;
  Result<Cursor*> start(Sql sql, std::span<const Param> parameters) override;
  Result<Effect> finish(Cursor& cursor) override;
  Result<Seq> begin() override;
  Status write_log(const EventBatch& batch, std::span<const EventView> events) override;
  Status commit() override;
  void abandon() override;
  void begin_command() override { savepoint_due_ = true; }
  Status end_command(bool keep) override;
  bool lost() const override { return session_->broken() || !session_->in_transaction(); }
  bool in_doubt() const override { return false; }  // what could not be synced is rolled back
  bool may_retry() const override { return false; }

 private:
  std::unique_ptr<SqliteSession> session_;
  std::unique_lock<FairMutex> gate_;
  const std::function<void(int)> wal_pages_;
  // A command that only appends to the log needs no savepoint: what it appended is a range. So the
  // savepoint begins with its first other change.
  bool savepoint_due_ = false, savepoint_begun_ = false;
};

}  // namespace stint::store
