#include "sqlite_connection.h"

#include <array>
#include <charconv>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>

#include "log_rows.h"
#include "schema.h"
#include "stint/base/log.h"
#include "stint/codec/percent.h"

namespace stint::store {
namespace {

bool needs_no_event(int action, std::string_view table) {
  if (is_bookkeeping(table)) return true;
  return action == SQLITE_DELETE && (table == "token" || table == "handle");
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

const char* pragmas_of(SqliteSession::Use use) {
  switch (use) {
    case SqliteSession::Use::kWrite:
      return kWritePragmas;
    case SqliteSession::Use::kRead:
      return "PRAGMA query_only = ON; PRAGMA cache_size = -8192;";
    case SqliteSession::Use::kCheckpoint:
      return "PRAGMA cache_size = -256;";
    case SqliteSession::Use::kBuild:
      return "PRAGMA page_size = 8192; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;"
             "PRAGMA cache_size = -65536;";
    case SqliteSession::Use::kArchive:
      return "PRAGMA query_only = ON; PRAGMA cache_size = -8192;";
  }
  __builtin_trap();
}

}  // namespace

SqliteStatement::SqliteStatement(sqlite3_stmt* statement, bool event, bool state)
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

Status SqliteStatement::bind(std::span<const Param> parameters) {
  for (std::size_t i = 0; i < number_.size(); ++i) {
    if (number_[i] == 0 || number_[i] > parameters.size()) {
      return fail(Errc::kInternal, "statement parameters");
    }
    const Param& p = parameters[number_[i] - 1];
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

Result<bool> SqliteStatement::next() {
  if (over_) return false;
  const int code = sqlite3_step(handle);
  if (code == SQLITE_ROW) return true;
  over_ = true;
  if (code != SQLITE_DONE) return fail(session->error(code));
  return false;
}

ColumnType SqliteStatement::type(int column) const {
  switch (sqlite3_column_type(handle, column)) {
    case SQLITE_INTEGER:
      return ColumnType::kInteger;
    case SQLITE_TEXT:
      return ColumnType::kText;
    case SQLITE_BLOB:
      return ColumnType::kBlob;
    default:
      return ColumnType::kNull;  // STRICT tables hold no other
  }
}

std::string_view SqliteStatement::bytes(int column) const {
  const void* data = sqlite3_column_blob(handle, column);
  const int size = sqlite3_column_bytes(handle, column);
  return {static_cast<const char*>(data), data == nullptr ? 0 : static_cast<std::size_t>(size)};
}

void SqliteStatement::reset() {
  sqlite3_reset(handle);
  sqlite3_clear_bindings(handle);  // they borrow
  over_ = false;
}

Result<std::unique_ptr<SqliteSession>> SqliteSession::open(const std::string& path,
                                                           const std::string& vfs, Use use) {
  configure_sqlite();
  const bool archive = use == Use::kArchive;
  const std::string name = archive ? "file:" + codec::percent_encode(path) + "?immutable=1" : path;
  const int access = archive ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE;
  sqlite3* db = nullptr;
  const int code =
      sqlite3_open_v2(name.c_str(), &db, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                      vfs.empty() ? nullptr : vfs.c_str());
  if (db == nullptr) return fail(Errc::kUnavailable, "out of memory");
  std::unique_ptr<SqliteSession> c(new SqliteSession(db));
  if (code != SQLITE_OK) return fail(c->error(code));
  if (!archive && sqlite3_db_readonly(db, "main") == 1)
    return fail(Errc::kReadOnly, "database is read-only");
  sqlite3_busy_timeout(db, 2000);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  STINT_TRY(c->exec(kPragmas));
  STINT_TRY(c->exec(pragmas_of(use)));
  return c;
}

SqliteSession::~SqliteSession() {
  statements_.clear();
  sqlite3_close(db_);
}

Status SqliteSession::exec(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(error(code));
  return {};
}

void SqliteSession::watch_writes() { sqlite3_set_authorizer(db_, &SqliteSession::authorize, this); }

int SqliteSession::authorize(void* self, int action, const char* first, const char*, const char*,
                             const char*) {
  if (action != SQLITE_INSERT && action != SQLITE_UPDATE && action != SQLITE_DELETE) {
    return SQLITE_OK;
  }
  auto& c = *static_cast<SqliteSession*>(self);
  const std::string_view table = first == nullptr ? "" : first;
  if (is_log(table)) {
    c.preparing_event_ = true;
  } else if (!needs_no_event(action, table)) {
    c.preparing_state_ = true;
  }
  return SQLITE_OK;
}

Result<SqliteStatement*> SqliteSession::prepare(Sql sql) {
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
  auto made = std::make_unique<SqliteStatement>(handle, preparing_event_, preparing_state_);
  if (handle == nullptr ||
      std::string_view(tail).find_first_not_of(" \n\t;") != std::string_view::npos) {
    return fail(Errc::kInternal, "not one statement");
  }
  made->session = this;
  return (statements_[sql.text()] = std::move(made)).get();
}

Error SqliteSession::error(int code) {
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

Status SqliteSession::step(Sql sql, std::span<const Param> parameters) {
  SqliteStatement* statement = STINT_TRY(prepare(sql));
  STINT_TRY(statement->bind(parameters));
  const Result<bool> stepped = statement->next();
  statement->reset();
  if (!stepped) return fail(stepped.error());
  return {};
}

// --- reading and writing ---

namespace {

constexpr Sql kBegin = "BEGIN IMMEDIATE";
constexpr Sql kCommit = "COMMIT";
constexpr Sql kRollback = "ROLLBACK";
constexpr Sql kSavepoint = "SAVEPOINT command";
constexpr Sql kRelease = "RELEASE command";
constexpr Sql kUndo = "ROLLBACK TO command";

Result<SqliteStatement*> prepared(SqliteSession& session, Sql sql) {
  SqliteStatement* const statement = STINT_TRY(session.prepare(sql));
  // append() is the one way into the log.
  if (statement->writes_event) return fail(Errc::kInternal, "statement writes the log");
  if (sqlite3_stmt_busy(statement->handle) != 0)
    return fail(Errc::kInternal, "statement inside itself");
  return statement;
}

Result<Cursor*> bound(SqliteStatement& statement, std::span<const Param> parameters) {
  if (const Status bound = statement.bind(parameters); !bound) {
    statement.reset();
    return fail(bound.error());
  }
  return &statement;
}

}  // namespace

Result<Cursor*> SqliteReader::start(Sql sql, std::span<const Param> parameters) {
  return bound(*STINT_TRY(prepared(*session_, sql)), parameters);
}

Result<Effect> SqliteReader::finish(Cursor& cursor) {
  static_cast<SqliteStatement&>(cursor).reset();
  return Effect{};
}

Status SqliteReader::end() {
  if (!session_->in_transaction()) return {};
  return session_->step(kRollback);
}

SqliteWriter::SqliteWriter(std::unique_ptr<SqliteSession> session, FairMutex& gate,
                           std::function<void(int)> wal_pages)
    : session_(std::move(session)), gate_(gate, std::defer_lock), wal_pages_(std::move(wal_pages)) {
  session_->watch_writes();
  sqlite3_wal_hook(
      session_->db(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SqliteWriter*>(self)->wal_pages_(pages);
        return SQLITE_OK;
      },
      this);
}

SqliteWriter::~SqliteWriter() { SqliteWriter::abandon(); }

Result<Cursor*> SqliteWriter::start(Sql sql, std::span<const Param> parameters) {
  SqliteStatement* const statement = STINT_TRY(prepared(*session_, sql));
  if (!statement->read_only && savepoint_due_) {
    STINT_TRY(session_->step(kSavepoint));
    savepoint_due_ = false;
    savepoint_begun_ = true;
  }
  return bound(*statement, parameters);
}

Result<Effect> SqliteWriter::finish(Cursor& cursor) {
  auto& statement = static_cast<SqliteStatement&>(cursor);
  if (statement.read_only) {
    statement.reset();
    return Effect{};
  }
  Result<bool> more = true;
  while (more && *more) more = statement.next();
  const Effect effect{.rows = sqlite3_changes64(session_->db()), .state = statement.writes_state};
  statement.reset();
  if (!more) return fail(more.error());
  return effect;
}

Result<Seq> SqliteWriter::begin() {
  gate_.lock();
  STINT_TRY(session_->step(kBegin));
  Reader reader(*this);
  const Seq size = log_size(reader);
  if (reader.error()) return fail(*reader.error());
  return size;
}

Status SqliteWriter::end_command(bool keep) {
  savepoint_due_ = false;
  if (!std::exchange(savepoint_begun_, false)) return {};
  if (!keep) STINT_TRY(session_->step(kUndo));
  return session_->step(kRelease);
}

Status SqliteWriter::write_log(const EventBatch& batch, std::span<const EventView> events) {
  return write_blocks(batch, events, [this](Sql sql, std::initializer_list<Param> parameters) {
    return session_->step(sql, parameters);
  });
}

Status SqliteWriter::commit() {
  STINT_TRY(session_->step(kCommit));
  gate_.unlock();
  return {};
}

void SqliteWriter::abandon() {
  if (session_->in_transaction()) (void)session_->step(kRollback);
  if (gate_.owns_lock()) gate_.unlock();
}

}  // namespace stint::store
