#include "stint/store/tx.h"

#include "connection.h"
#include "event_block.h"

namespace stint::store {
bool Row::null(int column) const {
  return sqlite3_column_type(statement_.handle, column) == SQLITE_NULL;
}

std::int64_t Row::integer(int column) {
  if (sqlite3_column_type(statement_.handle, column) != SQLITE_INTEGER) bad_ = true;
  return sqlite3_column_int64(statement_.handle, column);
}

std::string_view Row::bytes(int column) {
  const int type = sqlite3_column_type(statement_.handle, column);
  if (type != SQLITE_TEXT && type != SQLITE_BLOB) {
    bad_ = true;
    return {};
  }
  const void* data = sqlite3_column_blob(statement_.handle, column);
  const int size = sqlite3_column_bytes(statement_.handle, column);
  return {static_cast<const char*>(data), data == nullptr ? 0 : static_cast<std::size_t>(size)};
}

std::string_view Row::blob(int column, std::size_t size) {
  const std::string_view got = bytes(column);
  if (sqlite3_column_type(statement_.handle, column) != SQLITE_BLOB || got.size() != size) {
    bad_ = true;
    return {};
  }
  return got;
}

Statement* Reader::start(Sql sql, std::initializer_list<Param> parameters) {
  if (error_) return nullptr;
  const Result<Statement*> statement = connection_.prepare(sql);
  if (!statement) {
    fail(statement.error());
    return nullptr;
  }
  // append() is the one way into the log.
  if ((*statement)->writes_event) {
    fail(Error{Errc::kInternal, "statement writes the log"});
    return nullptr;
  }
  if (sqlite3_stmt_busy((*statement)->handle) != 0) {
    fail(Error{Errc::kInternal, "statement inside itself"});
    return nullptr;
  }
  if (!(*statement)->read_only) {
    if (const Status begun = connection_.before_change(); !begun) {
      fail(begun.error());
      return nullptr;
    }
  }
  if (const Status bound = (*statement)->bind(parameters); !bound) {
    (*statement)->reset();
    fail(bound.error());
    return nullptr;
  }
  return *statement;
}

bool Reader::step(Statement& statement) {
  const int code = sqlite3_step(statement.handle);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) fail(connection_.error(code));
  return false;
}

void Reader::finish(Statement& statement) {
  if (!statement.read_only) {
    while (sqlite3_stmt_busy(statement.handle) != 0 && step(statement)) {
    }
    if (sqlite3_changes64(connection_.db()) > 0) {
      changed_ = true;
      state_changed_ |= statement.writes_state;
    }
  }
  statement.reset();
}

std::int64_t Tx::run_all(Sql sql, std::initializer_list<Param> parameters) {
  Statement* const statement = start(sql, parameters);
  if (statement == nullptr) return 0;
  while (step(*statement)) {
  }
  const std::int64_t changed =
      error_ || statement->read_only ? 0 : sqlite3_changes64(connection_.db());
  finish(*statement);
  return changed;
}

Seq Tx::append(const EventBytes& event) {
  EventRun one;
  if (const Status added = one.add(event); !added) fail(added.error());
  return append(one);
}

Seq Tx::append(const EventRun& events) {
  const Seq first = events_.next();
  if (error_ || events.empty()) return first;
  events_.append(events);
  appended_ = true;
  return first;
}

std::optional<Error> Tx::verdict() const {
  if (error_) return error_;
  if (appended_) return std::nullopt;
  if (state_changed_ || (changed_ && !no_event_)) {
    return Error{Errc::kInternal, "state changed with no event"};
  }
  return std::nullopt;
}

}  // namespace stint::store
