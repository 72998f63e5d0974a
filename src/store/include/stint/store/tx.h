#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/store/event.h"
#include "stint/store/sql.h"

namespace stint::store {

class Connection;
class EventBatch;

// Reads of one snapshot of the database.
//
// Keeps its first error: after it every call does nothing and returns nothing, and the read or
// write that it belongs to returns that error, whatever the function given to it returns. So a
// caller need not check between two statements, only before it acts on an absent row outside.
//
// Threads: the one that runs the function it was given to. Lives no longer than that call.
// Limits:  the caller's LIMIT clause; every rows() must have a bound.
class Reader {
 public:
  explicit Reader(Connection& connection) : connection_(connection) {}
  Reader(const Reader&) = delete;

  // T is one column, std::tuple of columns, or a struct with `static T from_row(store::Row&)`.
  template <class T, class... A>
  std::vector<T> rows(Sql sql, const A&... parameters) {
    std::vector<T> out;
    each<T>(sql, {Param(parameters)...}, [&](T&& row) {
      out.push_back(std::move(row));
      return true;
    });
    if (error_) out.clear();
    return out;
  }
  // The first row, if there is one.
  template <class T, class... A>
  std::optional<T> one(Sql sql, const A&... parameters) {
    std::optional<T> out;
    each<T>(sql, {Param(parameters)...}, [&](T&& row) {
      out.emplace(std::move(row));
      return false;
    });
    if (error_) out.reset();
    return out;
  }

  // Calls `take(T&&)` row by row until it returns false: for reads bounded by bytes.
  template <class T, class Take, class... A>
  void scan(Sql sql, Take take, const A&... parameters) {
    each<T>(sql, {Param(parameters)...}, take);
  }

  void fail(Error error) {
    if (!error_) error_ = error;
  }
  const std::optional<Error>& error() const { return error_; }

 protected:
  Cursor* start(Sql sql, std::initializer_list<Param> parameters);  // null: error_ is set
  bool step(Cursor& cursor);                                        // true: stands on a row
  std::int64_t finish(Cursor& cursor);                              // rows changed

  Connection& connection_;
  std::optional<Error> error_;
  bool changed_ = false;        // rows of any table
  bool state_changed_ = false;  // rows of a table that is not bookkeeping

 private:
  template <class T, class Take>
  void each(Sql sql, std::initializer_list<Param> parameters, Take take) {
    Cursor* const cursor = start(sql, parameters);
    if (cursor == nullptr) return;
    struct Finish {  // also when `take` throws: else the statement stays under way for good
      Reader& reader;
      Cursor& cursor;
      ~Finish() { reader.finish(cursor); }
    } const finished{*this, *cursor};
    while (step(*cursor)) {
      Row row(*cursor);
      T value = detail::ReadRow<T>::from(row);
      if (row.bad_) {
        fail(Error{Errc::kInternal, "column type"});
        break;
      }
      if (!take(std::move(value))) break;
    }
  }
};

// One command's part of a transaction: its changes and its events are kept together or not at all.
//
// Refused at its end, kInternal: rows changed and no event appended (no_event() names the
// exception), any write to the tables of the log other than append().
// Statements with RETURNING are read with rows() or one().
class Tx : public Reader {
 public:
  // Number of rows changed; 0 after an error.
  template <class... A>
  std::int64_t run(Sql sql, const A&... parameters) {
    return run_all(sql, {Param(parameters)...});
  }

  // The same where nobody needs the number: not waited for by itself. Counts as a change even if no
  // row was there to change.
  template <class... A>
  void put(Sql sql, const A&... parameters) {
    put_all(sql, {Param(parameters)...});
  }

  // Says that this very read, with these parameters, comes soon: with a database that is asked over
  // a wire, all that were announced are waited for together. A change of a table that it names
  // takes the announcement back; nothing else may change what it reads.
  template <class... A>
  void announce(Sql sql, const A&... parameters) {
    announce_all(sql, {Param(parameters)...});
  }

  // Appends at the end of the log. The position is final once the command is acknowledged.
  // Errors: kTooLarge over kMaxEventBytes.
  Seq append(const EventBytes& event);
  // Each of them, in order; returns the position of the first.
  Seq append(const EventRun& events);

  // Says that this command changes bookkeeping only: meta, used_jti, idempotency, checkpoint, tile,
  // receipt, owed, lease, status_list, and the deletion of token and handle rows. Any other change
  // without an event stays refused.
  void no_event() { no_event_ = true; }

 private:
  friend class Writer;
  friend class Restoring;
  Tx(Connection& connection, EventBatch& events) : Reader(connection), events_(events) {}
  std::int64_t run_all(Sql sql, std::initializer_list<Param> parameters);
  void put_all(Sql sql, std::initializer_list<Param> parameters);
  void announce_all(Sql sql, std::initializer_list<Param> parameters);

  // What the commit asks: the first error, or the rule that the command broke.
  std::optional<Error> verdict() const;

  bool appended_ = false;
  EventBatch& events_;  // of the whole transaction; this command's are its tail
  bool no_event_ = false;
};

}  // namespace stint::store
