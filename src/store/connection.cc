#include "connection.h"

#include <array>
#include <charconv>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>

#include "schema.h"
#include "stint/base/log.h"

namespace stint::store {
namespace {

// Rows of these may change without an event: they repeat or protect what events say.
constexpr std::array<std::string_view, 8> kBookkeeping{
    "meta", "used_jti", "idempotency", "checkpoint", "tile", "receipt", "owed", "status_list"};

bool is_bookkeeping(int action, std::string_view table, std::string_view column) {
  for (const std::string_view name : kBookkeeping) {
    if (table == name) return true;
  }
  if (action == SQLITE_UPDATE) return table == "task" && column == "last_used";
  if (action == SQLITE_DELETE) return table == "token" || table == "handle";
  return false;
}

void configure_sqlite() {
  static std::once_flag once;
  // No allocation statistics: they put one process-wide lock under every allocation. Fails when
  // somebody else has initialized SQLite already, which costs speed only.
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

constexpr const char* kPragmas =
    "PRAGMA synchronous = FULL;"
    "PRAGMA wal_autocheckpoint = 0;"  // the checkpoint thread does it, off the writer's path
    "PRAGMA temp_store = MEMORY;"     // also keeps savepoint journals off the disk
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA journal_size_limit = 67108864;";

// The size of pages holds for a file that is made by this.
constexpr const char* kWritePragmas =
    "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA cache_size = -65536;";
static_assert(kPageBytes == 8192);

const char* pragmas_of(Connection::Use use) {
  switch (use) {
    case Connection::Use::kWrite:
      return kWritePragmas;
    case Connection::Use::kRead:
      return "PRAGMA query_only = ON; PRAGMA cache_size = -8192;";
    case Connection::Use::kCheckpoint:
      return "PRAGMA cache_size = -256;";
  }
  __builtin_trap();
}

}  // namespace

Statement::Statement(sqlite3_stmt* statement, bool event, bool state)
    : handle(statement),
      writes_event(event),
      writes_state(state),
      read_only(sqlite3_stmt_readonly(statement) != 0) {
  const int count = sqlite3_bind_parameter_count(handle);
  for (int i = 1; i <= count; ++i) {
    const char* name = sqlite3_bind_parameter_name(handle, i);
    std::size_t number = 0;
    if (name != nullptr) std::from_chars(name + 1, name + std::strlen(name), number);
    number_.push_back(number);
  }
}

Status Statement::bind(std::initializer_list<Param> parameters) {
  for (std::size_t i = 0; i < number_.size(); ++i) {
    if (number_[i] == 0 || number_[i] > parameters.size()) {
      return fail(Errc::kInternal, "statement parameters");
    }
    const Param& p = parameters.begin()[number_[i] - 1];
    const int at = static_cast<int>(i) + 1;
    // An empty view may have a null pointer, which SQLite would take for NULL.
    const char* bytes = p.bytes().empty() ? "" : p.bytes().data();
    int code = SQLITE_OK;
    switch (p.kind()) {
      case Param::Kind::kNull:
        code = sqlite3_bind_null(handle, at);
        break;
      case Param::Kind::kInteger:
        code = sqlite3_bind_int64(handle, at, p.integer());
        break;
      case Param::Kind::kText:
        code = sqlite3_bind_text64(handle, at, bytes, p.bytes().size(), SQLITE_STATIC, SQLITE_UTF8);
        break;
      case Param::Kind::kBlob:
        code = sqlite3_bind_blob64(handle, at, bytes, p.bytes().size(), SQLITE_STATIC);
        break;
    }
    if (code != SQLITE_OK) return fail(Errc::kTooLarge, "statement parameter");
  }
  return {};
}

void Statement::reset() {
  sqlite3_reset(handle);
  sqlite3_clear_bindings(handle);  // they borrow
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path,
                                                     const std::string& vfs, Use use) {
  configure_sqlite();
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      vfs.empty() ? nullptr : vfs.c_str());
  if (db == nullptr) return fail(Errc::kUnavailable, "out of memory");
  std::unique_ptr<Connection> c(new Connection(db));
  if (code != SQLITE_OK) return fail(c->error(code));
  if (sqlite3_db_readonly(db, "main") == 1) return fail(Errc::kReadOnly, "database is read-only");
  sqlite3_busy_timeout(db, 2000);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  STINT_TRY(c->exec(kPragmas));
  STINT_TRY(c->exec(pragmas_of(use)));
  return c;
}

Connection::~Connection() {
  statements_.clear();
  sqlite3_close(db_);
}

Status Connection::exec(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(error(code));
  return {};
}

void Connection::watch_writes() { sqlite3_set_authorizer(db_, &Connection::authorize, this); }

int Connection::authorize(void* self, int action, const char* first, const char* second,
                          const char*, const char*) {
  if (action != SQLITE_INSERT && action != SQLITE_UPDATE && action != SQLITE_DELETE) {
    return SQLITE_OK;
  }
  auto& c = *static_cast<Connection*>(self);
  const std::string_view table = first == nullptr ? "" : first;
  if (table == "event" || table == "event_task" || table == "event_opened") {
    c.preparing_event_ = true;
  } else if (!is_bookkeeping(action, table, second == nullptr ? "" : second)) {
    c.preparing_state_ = true;
  }
  return SQLITE_OK;
}

Result<Statement*> Connection::prepare(Sql sql) {
  if (const auto at = statements_.find(sql.text()); at != statements_.end()) {
    return at->second.get();
  }
  preparing_event_ = preparing_state_ = false;
  sqlite3_stmt* handle = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.text(), -1, SQLITE_PREPARE_PERSISTENT, &handle, &tail);
  if (code != SQLITE_OK) {
    // The message speaks of a literal and of the schema: nothing that was bound is in it.
    if ((code & 0xff) == SQLITE_ERROR) {
      log::error("a statement does not compile", {{"why", log::label(sqlite3_errmsg(db_))}});
    }
    return fail(error(code));
  }
  auto made = std::make_unique<Statement>(handle, preparing_event_, preparing_state_);
  if (handle == nullptr ||
      std::string_view(tail).find_first_not_of(" \n\t;") != std::string_view::npos) {
    return fail(Errc::kInternal, "not one statement");
  }
  return (statements_[sql.text()] = std::move(made)).get();
}

Status Connection::before_change() {
  if (!savepoint_due_) return {};
  Statement* const begin = STINT_TRY(prepare("SAVEPOINT command"));
  const int code = sqlite3_step(begin->handle);
  begin->reset();
  if (code != SQLITE_DONE) return fail(error(code));
  savepoint_due_ = false;
  savepoint_begun_ = true;
  return {};
}

bool Connection::end_command() {
  savepoint_due_ = false;
  return std::exchange(savepoint_begun_, false);
}

Error Connection::error(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      broken_ = true;
      return {Errc::kStorageFull, "disk full"};
    case SQLITE_IOERR:
      broken_ = true;
      return {Errc::kIo, "database input/output"};
    case SQLITE_CANTOPEN:
      broken_ = true;
      return {Errc::kIo, "database cannot be opened"};
    case SQLITE_READONLY:
      broken_ = true;
      return {Errc::kReadOnly, "database is read-only"};
    case SQLITE_PERM:
      broken_ = true;
      return {Errc::kIo, "database permissions"};
    case SQLITE_NOMEM:
      broken_ = true;
      return {Errc::kUnavailable, "out of memory"};
    case SQLITE_CORRUPT:
      broken_ = true;
      return {Errc::kInternal, "database is damaged"};
    case SQLITE_NOTADB:
      broken_ = true;
      return {Errc::kUnsupported, "not a database"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Errc::kUnavailable, "database is locked"};
    case SQLITE_CONSTRAINT:
      return {Errc::kConflict, "constraint"};
    case SQLITE_TOOBIG:
      return {Errc::kTooLarge, "value too large to store"};
    default:
      return {Errc::kInternal, "statement"};
  }
}

}  // namespace stint::store
