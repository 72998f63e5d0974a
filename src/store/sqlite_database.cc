#include "sqlite_database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "schema.h"
#include "stint/base/log.h"

namespace stint::store {
namespace {

Result<std::int64_t> number(SqliteSession& session, Sql sql) {
  SqliteStatement* const statement = STINT_TRY(session.prepare(sql));
  const Result<bool> row = statement->next();
  const std::int64_t value = row.value_or(false) ? statement->integer(0) : 0;
  statement->reset();
  if (!row) return fail(row.error());
  return value;
}

Status run_migration(SqliteSession& session, std::size_t version) {
  const std::string sql = "BEGIN IMMEDIATE;" + std::string(migrations()[version]) +
                          "PRAGMA application_id = " + std::to_string(kApplicationId) +
                          "; PRAGMA user_version = " + std::to_string(version + 1) + "; COMMIT;";
  if (const Status s = session.exec(sql.c_str()); !s) {
    if (session.in_transaction()) (void)session.exec("ROLLBACK");
    return s;
  }
  return {};
}

Status migrate(SqliteSession& session) {
  const std::int64_t application = STINT_TRY(number(session, "PRAGMA application_id"));
  const std::int64_t version = STINT_TRY(number(session, "PRAGMA user_version"));
  const std::int64_t tables = STINT_TRY(number(session, "SELECT count(*) FROM sqlite_schema"));
  if (application == kEarlyApplicationId) {
    return fail(Errc::kUnsupported, "database of a build before the first release");
  }
  if (application == kBackupApplicationId) {
    return fail(Errc::kUnsupported, "a backup, not a database: stint restore makes one of it");
  }
  if (application != kApplicationId && (application != 0 || version != 0 || tables != 0)) {
    return fail(Errc::kUnsupported, "not a Stint database");
  }
  const auto known = static_cast<std::int64_t>(migrations().size());
  if (version > known) return fail(Errc::kUnsupported, "database of a newer version");
  for (std::int64_t v = version; v < known; ++v) {
    STINT_TRY(run_migration(session, static_cast<std::size_t>(v)));
    if (version > 0) log::info("database migrated", {{"version", v + 1}});  // and not made
  }
  return {};
}

}  // namespace

// The writer keeps the log's size in memory, so a second process must not write.
Result<File> SqliteDatabase::lock_process(const std::string& path) {
  File file(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.fd() < 0) return fail(Errc::kIo, "lock file of the database cannot be opened");
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::kUnavailable, "another process has the database open");
  }
  return file;
}

Status SqliteDatabase::create_private(const std::string& path) {
  const File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.fd() >= 0) return {};
  if (errno == EROFS || errno == EACCES) return fail(Errc::kReadOnly, "database is read-only");
  return fail(Errc::kIo, "database cannot be opened");
}

Result<std::unique_ptr<Database>> SqliteDatabase::open(const Options& options) {
  if (options.alone && ::access(options.path.c_str(), F_OK) != 0)
    return fail(Errc::kNotFound, "there is no store");
  File lock = STINT_TRY(lock_process(options.path));
  STINT_TRY(create_private(options.path));
  {
    const auto session =
        STINT_TRY(SqliteSession::open(options.path, options.vfs, SqliteSession::Use::kWrite));
    STINT_TRY(migrate(*session));
  }
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(options, std::move(lock)));
  STINT_TRY(database->start());
  return std::unique_ptr<Database>(std::move(database));
}

SqliteDatabase::SqliteDatabase(const Options& options, File lock)
    : path_(options.path),
      vfs_(options.vfs),
      checkpoint_bytes_(options.checkpoint_bytes),
      lock_(std::move(lock)) {}

Status SqliteDatabase::start() {
  checkpoint_ = STINT_TRY(SqliteSession::open(path_, vfs_, SqliteSession::Use::kCheckpoint));
  checkpointer_ = std::thread([this] { checkpoint_loop(); });
  return {};
}

SqliteDatabase::~SqliteDatabase() {
  {
    const std::lock_guard lock(checkpoint_mutex_);
    stopping_ = true;
  }
  checkpoint_wake_.notify_all();
  if (checkpointer_.joinable()) checkpointer_.join();
}

Result<std::unique_ptr<WriteConnection>> SqliteDatabase::open_writer() {
  auto session = STINT_TRY(SqliteSession::open(path_, vfs_, SqliteSession::Use::kWrite));
  return std::make_unique<SqliteWriter>(std::move(session), gate_,
                                        [this](int pages) { wal_grew(pages); });
}

Result<std::unique_ptr<ReadConnection>> SqliteDatabase::open_reader() {
  return std::make_unique<SqliteReader>(
      STINT_TRY(SqliteSession::open(path_, vfs_, SqliteSession::Use::kRead)));
}

std::size_t SqliteDatabase::wal_bytes() const {
  return static_cast<std::size_t>(wal_pages_.load()) * kPageBytes;
}

void SqliteDatabase::wal_grew(int pages) {
  wal_pages_.store(pages, std::memory_order_relaxed);
  // Counted from the last copy: a copy for each commit would be an fsync for each.
  int from = copied_pages_.load(std::memory_order_relaxed);
  if (pages < from) copied_pages_.store(from = 0, std::memory_order_relaxed);  // started over
  if (static_cast<std::size_t>(pages - from) * kPageBytes < checkpoint_bytes_) return;
  {
    const std::lock_guard lock(checkpoint_mutex_);
    due_ = true;
  }
  checkpoint_wake_.notify_one();
}

// PASSIVE never waits for the writer nor makes it wait. But under steady load it never reaches
// the end of the WAL, which then grows for ever: past four times the threshold the rest, a
// moment's work by then, is copied while the writer stands at its gate, and the WAL starts over.
void SqliteDatabase::checkpoint_loop() {
  std::unique_lock lock(checkpoint_mutex_);
  while (true) {
    checkpoint_wake_.wait(lock, [this] { return due_ || stopping_; });
    if (stopping_) return;
    due_ = false;
    lock.unlock();
    int pages = copy_wal();
    if (static_cast<std::size_t>(pages) * kPageBytes > 4 * checkpoint_bytes_) {
      const std::lock_guard gate(gate_);
      pages = copy_wal();
    }
    lock.lock();
  }
}

int SqliteDatabase::copy_wal() {
  int pages = 0;
  int copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(checkpoint_->db(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                             &pages, &copied);
  // Nothing is lost: the WAL holds all of it, and the next commit asks again.
  const bool failed = code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY;
  if (failed && !checkpoint_failed_) {
    log::warning("checkpoint failed", {{"why", checkpoint_->error(code).reason}});
  }
  checkpoint_failed_ = failed;
  if (!failed) copied_pages_.store(std::max(copied, 0), std::memory_order_relaxed);
  return std::max(pages, 0);
}

}  // namespace stint::store
