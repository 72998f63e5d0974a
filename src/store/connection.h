#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "stint/base/error.h"
#include "stint/store/sql.h"

namespace stint::store {

// A prepared statement, kept for the life of its connection.
class Statement {
 public:
  Statement(sqlite3_stmt* handle, bool writes_event, bool writes_state);
  ~Statement() { sqlite3_finalize(handle); }
  Statement(const Statement&) = delete;

  // Errors: kInternal when the numbers do not fit the statement's.
  Status bind(std::initializer_list<Param> parameters);
  void reset();

  sqlite3_stmt* const handle;
  const bool writes_event;  // the tables of the log
  const bool writes_state;  // what may not change without an event
  const bool read_only;

 private:
  std::vector<std::size_t> number_;  // of each SQLite parameter: n of its "$n"
};

// One SQLite connection and its statements. One thread at a time.
class Connection {
 public:
  enum class Use : std::uint8_t { kWrite, kRead, kCheckpoint };
  static Result<std::unique_ptr<Connection>> open(const std::string& path, const std::string& vfs,
                                                  Use use);
  ~Connection();
  Connection(const Connection&) = delete;

  Status exec(const char* sql);
  // From now on prepared statements are told apart by what they write.
  void watch_writes();
  Result<Statement*> prepare(Sql sql);

  // Maps the result code and remembers whether it speaks of the disk rather than the statement.
  Error error(int code);
  bool broken() const { return broken_; }
  void clear_broken() { broken_ = false; }
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

  // A command that only appends to the log needs no savepoint: what it appended is a range. So the
  // savepoint begins with its first other change.
  void begin_command() { savepoint_due_ = true; }
  Status before_change();
  // Whether the command made a savepoint; there is no command from now on.
  bool end_command();
  sqlite3* db() const { return db_; }

 private:
  explicit Connection(sqlite3* db) : db_(db) {}
  static int authorize(void* self, int action, const char* first, const char* second, const char*,
                       const char*);

  sqlite3* db_;
  std::unordered_map<const char*, std::unique_ptr<Statement>> statements_;
  bool broken_ = false;
  bool preparing_event_ = false, preparing_state_ = false;
  bool savepoint_due_ = false, savepoint_begun_ = false;
};

}  // namespace stint::store
