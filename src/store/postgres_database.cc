#include "postgres_database.h"

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "log_rows.h"
#include "postgres_feed.h"
#include "postgres_presence.h"
#include "postgres_schema.h"
#include "stint/base/log.h"

namespace stint::store {
namespace {

constexpr Sql kRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr Sql kBegin = "BEGIN ISOLATION LEVEL READ COMMITTED";
// What may_write() asks comes along: each node begins a transaction several times a second, also to
// confirm its view (authority), so one that may not write is one that denies.
constexpr Sql kTurn = "SELECT 1 FROM log_head FOR UPDATE";
// By a statement of its own: it sees what was committed by whom the first waited for.
constexpr Sql kHead =
    "SELECT size, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, "
    "(SELECT oldest FROM stint_schema) FROM log_head";
constexpr Sql kGrow = "UPDATE log_head SET size = $1";
constexpr Sql kNotify = "SELECT pg_notify('stint_log', $1)";
constexpr Sql kCommit = "COMMIT";
constexpr Sql kRollback = "ROLLBACK";
constexpr Sql kSavepoint = "SAVEPOINT command";
constexpr Sql kRelease = "RELEASE SAVEPOINT command";
constexpr Sql kUndo = "ROLLBACK TO SAVEPOINT command";

// What a command's statement does, when it may.
Result<PgStatement::Does> allowed(Sql sql) {
  const auto does = PgStatement::does(sql.text());
  switch (does) {
    case PgStatement::Does::kWritesLog:
      // append() is the one way into the log.
      return fail(Errc::kInternal, "statement writes the log");
    case PgStatement::Does::kOther:
      return fail(Errc::kInternal, "statement is not of rows");
    case PgStatement::Does::kReads:
    case PgStatement::Does::kChangesBookkeeping:
    case PgStatement::Does::kChangesState:
      return does;
  }
  __builtin_trap();
}

// Databases of PostgreSQL's language need not have these.
Result<bool> can_notify(PgSession& session) {
  const Status asked = session.exec("LISTEN stint_log; SELECT pg_notify('stint_log', '0')");
  if (asked) return true;
  const Errc code = asked.error().code;
  if (code != Errc::kInternal && code != Errc::kDenied) return fail(asked.error());
  log::warning("the database announces no commits: it is asked again and again",
               {{"every_ms", PostgresFeed::kPolled.count()}});
  return false;
}

}  // namespace

Result<std::unique_ptr<PostgresDatabase>> PostgresDatabase::open(const PostgresOptions& options,
                                                                 bool alone, const Clock& clock) {
  auto target = STINT_TRY(PostgresTarget::parse(options));  // before `new`: this may return
  std::unique_ptr<PostgresDatabase> database(new PostgresDatabase(std::move(target), alone, clock));
  auto session = STINT_TRY(PgSession::open(database->target_));
  STINT_TRY(check_server(*session, clock));
  if (alone) STINT_TRY(database->go_alone(*session));
  STINT_TRY(migrate_postgres(*session));
  if (!alone) database->locks_ = STINT_TRY(has_locks(*session));
  // What a database does not know may be the end of the session.
  if (session->dead()) session = STINT_TRY(PgSession::open(database->target_));
  database->notifies_ = STINT_TRY(can_notify(*session));
  return database;
}

// Before anything is changed, a migration too. From then on it is the writer's session that is
// alone: a node that is faster is found there.
Status PostgresDatabase::go_alone(PgSession& session) const {
  if (!STINT_TRY(session.text("SELECT 1 WHERE to_regclass('log_head') IS NOT NULL")))
    return fail(Errc::kNotFound, "there is no store");
  STINT_TRY(be_alone(session));
  return check_alone(session, target_);
}

Status PostgresDatabase::show(PgSession& session) const {
  return locks_ ? be_present(session) : Status();
}

Result<std::unique_ptr<WriteConnection>> PostgresDatabase::open_writer() {
  auto session = STINT_TRY(PgSession::open(target_));
  if (alone_) {
    STINT_TRY(be_alone(*session));
    STINT_TRY(session->be_patient({}));
  } else {
    STINT_TRY(show(*session));
  }
  STINT_TRY(session->enter_pipeline());
  // Prepared while no transaction is spoilt.
  for (const Sql sql : {kRollback, kSavepoint, kRelease, kUndo}) STINT_TRY(session->know(sql));
  return std::make_unique<PgWriter>(this, std::move(session));
}

Result<std::unique_ptr<ReadConnection>> PostgresDatabase::open_reader() {
  return std::make_unique<PgReader>(this, STINT_TRY(reading_session()));
}

Result<std::unique_ptr<PgSession>> PostgresDatabase::reading_session() const {
  auto session =
      STINT_TRY(PgSession::open(target_, prompt_ ? PgSession::kPrompt : PgSession::kAnswer));
  STINT_TRY(session->enter_pipeline());
  for (const Sql sql : {kRead, kRollback}) STINT_TRY(session->know(sql));
  return session;
}

std::unique_ptr<Feed> PostgresDatabase::make_feed(Delivery& delivery) {
  return std::make_unique<PostgresFeed>(*this, target_, delivery);
}

Status PostgresDatabase::may_write(WallTime before, WallTime theirs, std::int64_t oldest) const {
  if (const Status known = may_work_with(oldest); !known)
    return fail(Errc::kUnavailable, known.error().reason);
  const auto ahead = clocks_differ(before, theirs, now());
  if (!ahead) {
    differs_ = false;
    return {};
  }
  if (!differs_.exchange(true))
    log::error("clocks differ", {{"ours_ahead_of_the_database_s", ahead->count()}});
  return fail(Errc::kUnavailable,
              "this machine's clock and the database's differ by more than 30 s");
}

// --- reading ---

// A session that was not in use may have died there, with its server or by an administrator's hand.
// While nothing of the snapshot has been seen, another one is as good.
Status PgReader::renew() {
  unanswered_ = false;
  session_ = STINT_TRY(database_->reading_session());
  return session_->defer(kRead);
}

Result<Cursor*> PgReader::start(Sql sql, std::span<const Param> parameters) {
  STINT_TRY(allowed(sql));
  const auto started = session_->run(sql, parameters);
  if (started) {
    unanswered_ = false;
    return *started;
  }
  if (database_ == nullptr || !unanswered_ || !session_->dead() || session_->silent())
    return fail(started.error());
  STINT_TRY(renew());
  return STINT_TRY(session_->run(sql, parameters));
}

Result<Effect> PgReader::finish(Cursor& cursor) {
  return PgSession::finish(static_cast<PgStatement&>(cursor));
}

Status PgReader::begin() {
  if (const Status begun = session_->defer(kRead); !begun)
    return database_ == nullptr ? begun : renew();
  unanswered_ = true;
  return {};
}

Status PgReader::end() {
  if (session_->dead()) return {};  // it told so already
  STINT_TRY(session_->defer(kRollback));
  return session_->push();
}

// --- writing ---

Result<Seq> PgWriter::begin() {
  in_doubt_ = false;
  each_alone_ = session_->put_failed();
  session_->forget();
  STINT_TRY(session_->defer(kBegin));
  in_transaction_ = true;
  const WallTime before = database_ == nullptr ? WallTime() : database_->now();
  STINT_TRY(session_->defer(kTurn));
  PgStatement* const head = STINT_TRY(session_->run(kHead, {}));
  const bool found = STINT_TRY(head->next()) && head->type(2) == ColumnType::kInteger;
  const Seq size = found ? static_cast<Seq>(head->integer(0)) : 0;
  const WallTime theirs = from_unix_millis(found ? head->integer(1) : 0);
  const std::int64_t oldest = found ? head->integer(2) : 0;
  PgSession::finish(*head);
  if (!found) return fail(Errc::kInternal, "database is damaged");
  if (database_ != nullptr) STINT_TRY(database_->may_write(before, theirs, oldest));
  return size;
}

Status PgWriter::begin_savepoint() {
  if (!std::exchange(savepoint_due_, false)) return {};
  STINT_TRY(session_->defer(kSavepoint));
  savepoint_begun_ = true;
  return {};
}

void PgWriter::begin_command() {
  savepoint_due_ = true;
  session_->withdraw();
}

Status PgWriter::announce(Sql sql, std::span<const Param> parameters) {
  // One that failed must not fail the batch again: the read itself answers for itself.
  if (each_alone_) return {};
  STINT_TRY(begin_savepoint());
  return session_->announce(sql, parameters);
}

Result<Cursor*> PgWriter::start(Sql sql, std::span<const Param> parameters) {
  STINT_TRY(begin_savepoint());
  STINT_TRY(allowed(sql));
  return STINT_TRY(session_->run(sql, parameters));
}

Result<Effect> PgWriter::finish(Cursor& cursor) {
  return PgSession::finish(static_cast<PgStatement&>(cursor));
}

Result<Effect> PgWriter::put(Sql sql, std::span<const Param> parameters) {
  const auto does = STINT_TRY(allowed(sql));
  if (each_alone_ || does == PgStatement::Does::kReads)
    return finish(*STINT_TRY(start(sql, parameters)));
  STINT_TRY(begin_savepoint());
  STINT_TRY(session_->put(sql, parameters));
  return Effect{.rows = 1, .state = does == PgStatement::Does::kChangesState};
}

Status PgWriter::end_command(bool keep) {
  session_->withdraw();
  savepoint_due_ = false;
  if (!std::exchange(savepoint_begun_, false)) return {};
  if (keep) return session_->defer(kRelease);
  STINT_TRY(session_->defer(kUndo));
  STINT_TRY(session_->defer(kRelease));
  return session_->failed() ? session_->sync() : Status();
}

bool PgWriter::lost() const {
  return !in_transaction_ || session_->dead() || session_->disk_failed() || session_->may_retry() ||
         (session_->failed() && !savepoint_begun_);
}

Status PgWriter::write_log(const EventBatch& batch, std::span<const EventView> events) {
  if (batch.empty()) return {};
  STINT_TRY(write_blocks(batch, events, [this](Sql sql, std::initializer_list<Param> parameters) {
    return session_->defer(sql, parameters);
  }));
  STINT_TRY(session_->defer(kGrow, std::array{Param(batch.next())}));
  if (database_ == nullptr || !database_->notifies()) return {};
  size_text_ = std::to_string(batch.next());
  return session_->defer(kNotify, std::array{Param(size_text_)});
}

Status PgWriter::commit() {
  session_->forget();
  const auto committed = session_->run(kCommit, {});
  if (!committed) {
    // Until the connection breaks the server answers for what it did.
    in_doubt_ = session_->dead() && !session_->refused();
    return fail(committed.error());
  }
  in_transaction_ = false;
  // A transaction that was spoilt is rolled back by COMMIT, which is then no error.
  const bool kept = PgSession::tag(**committed) == "COMMIT";
  PgSession::finish(**committed);
  if (!kept) return fail(Errc::kInternal, "transaction was lost");
  return {};
}

void PgWriter::abandon() {
  savepoint_due_ = savepoint_begun_ = false;
  if (!std::exchange(in_transaction_, false) || session_->dead()) return;
  (void)session_->sync();  // what failed before is known
  if (const auto done = session_->run(kRollback, {}); done) PgSession::finish(**done);
}

}  // namespace stint::store
