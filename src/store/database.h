#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "event_block.h"
#include "stint/base/error.h"
#include "stint/store/event.h"
#include "stint/store/sql.h"

// What the store needs of a database. SQLite and PostgreSQL stand behind it, and everything that
// the store promises above them (store.h) is written once.
namespace stint::store {

enum class ColumnType : std::uint8_t { kNull, kInteger, kText, kBlob };

// A statement that is under way: stands before its first row.
class Cursor {
 public:
  virtual Result<bool> next() = 0;  // false: no row is left
  virtual ColumnType type(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;    // of kInteger
  virtual std::string_view bytes(int column) const = 0;  // of kText and kBlob; until next()

 protected:
  ~Cursor() = default;
};

// What a statement did.
struct Effect {
  std::int64_t rows = 0;  // changed
  bool state = false;     // they were of a table that is not bookkeeping
};

// One connection and its statements. One thread at a time.
//
// Errors: kConflict "constraint"; kInternal, a statement that is wrong (its text is logged, nothing
// that was bound), is under way already, or writes the log; kUnavailable, kStorageFull, kIo,
// kReadOnly, kDenied: the database's.
class Connection {
 public:
  virtual ~Connection() = default;
  // The cursor is the connection's, and good until finish(): call it whatever came of the rows.
  virtual Result<Cursor*> start(Sql sql, std::span<const Param> parameters) = 0;
  // A statement that changes rows is carried through, whether its rows were taken or not.
  virtual Result<Effect> finish(Cursor& cursor) = 0;
  // That this very read comes soon, from the command under way. Over a wire it is sent at once, and
  // waited for with the next statement that is: its answer may be as old as the announcement, but
  // not older than a change of a table that it names.
  virtual Status announce(Sql, std::span<const Param>) { return {}; }
  // One that changes rows and of which nobody asks how many. Its error may come with any later call
  // that waits for the database, at the latest commit(): may_retry() is true then, and in the run
  // after it each put() answers for itself.
  virtual Result<Effect> put(Sql sql, std::span<const Param> parameters) {
    return finish(*STINT_TRY(start(sql, parameters)));
  }
};

class ReadConnection : public Connection {
 public:
  virtual Status begin() = 0;  // a snapshot that holds everything that was acknowledged before
  virtual Status end() = 0;
  virtual bool usable() const = 0;  // false: it broke, open another
  // From now on requests wait for it: a database that is silent is given up soon.
  virtual void be_prompt() {}
};

// The connection of a store's writer. After an error of begin(), write_log() or commit(), and once
// lost() is true, only abandon() is left, and begin() after it when may_retry() was true.
class WriteConnection : public Connection {
 public:
  // Begins a transaction and waits until nobody else has one that writes. Returns the log's size.
  virtual Result<Seq> begin() = 0;
  virtual Status write_log(const EventBatch& batch, std::span<const EventView> events) = 0;
  virtual Status commit() = 0;
  // Rolls back, if there is anything to.
  virtual void abandon() = 0;

  // What stands between is undone by end_command(false), and nothing else is.
  virtual void begin_command() = 0;
  virtual Status end_command(bool keep) = 0;
  // The transaction cannot go on: the disk failed, or the connection did.
  virtual bool lost() const = 0;
  // Of a commit() that failed: whether it may have been carried out all the same.
  virtual bool in_doubt() const = 0;
  // After an error of begin(): the session had been ended before, and another may do.
  virtual bool stale() const { return false; }
  // The last error was a conflict with another's transaction: the same may succeed after abandon().
  virtual bool may_retry() const = 0;
};

// Follows what others commit to a shared database, on a thread of its own, from start() on.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual void start() = 0;  // once
  // Calls `done` from the feed's thread once everything that was committed before this call has
  // been delivered, or with the error that came instead.
  virtual void sync(std::function<void(Status)> done) = 0;
  // The database has not answered for longer than one that is well would take: what asks it would
  // wait in vain. Any thread.
  virtual bool silent() const { return false; }
  virtual void stop() = 0;  // idempotent; what still waits in sync() is refused
};

class Delivery;

class Database {
 public:
  virtual ~Database() = default;
  virtual Result<std::unique_ptr<WriteConnection>> open_writer() = 0;
  virtual Result<std::unique_ptr<ReadConnection>> open_reader() = 0;
  // Whether other processes write to it too.
  virtual bool shared() const = 0;
  // Nobody else has it open, nor can while a writer's connection lives.
  virtual bool alone() const { return !shared(); }
  virtual std::unique_ptr<Feed> make_feed(Delivery&) { return nullptr; }  // when it is shared
  virtual std::size_t wal_bytes() const { return 0; }
};

// Rows of these may change without an event: they repeat or protect what events say.
bool is_bookkeeping(std::string_view table);
// No statement of a command may write these.
bool is_log(std::string_view table);

}  // namespace stint::store
