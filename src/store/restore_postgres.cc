#include <chrono>
#include <string>
#include <utility>

#include "postgres_database.h"
#include "postgres_schema.h"
#include "restore_target.h"
#include "schema.h"

namespace stint::store {
namespace {

// One transaction for all of it: it waits for our disk and for a root key, and its last statement
// for its own. In a database that is empty it holds nobody up.
constexpr PgSession::Patience kPatience{.answer = std::chrono::hours(1),
                                        .idle = std::chrono::hours(1)};
constexpr const char* kBegin =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    "SELECT pg_advisory_xact_lock(8391162081219)";  // of two restores, one finds the other's work
// Tables, views, sequences, and what else has a name there.
constexpr const char* kAnything =
    "SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace LIMIT 1";
constexpr Sql kHead =
    "UPDATE log_head SET size = (SELECT coalesce(max(first + count), 0) FROM event)";
constexpr Sql kOwed =
    "SELECT setval(pg_get_serial_sequence('owed', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM "
    "owed), false)";

// Rows whose answers are waited for together.
constexpr int kTogether = 256;

class ToPostgres final : public RestoreTarget {
 public:
  explicit ToPostgres(std::unique_ptr<PgSession> session)
      : session_(session.get()), writer_(std::make_unique<PgWriter>(nullptr, std::move(session))) {}

  Status begin(std::int64_t schema) override {
    STINT_TRY(session_->be_patient(kPatience));
    STINT_TRY(session_->exec(kBegin));
    if (STINT_TRY(session_->text(kAnything)))
      return fail(Errc::kConflict,
                  "the database is not empty: a backup is restored into a new one");
    STINT_TRY(make_postgres_versions(*session_));
    STINT_TRY(raise_postgres(*session_, 0, schema));
    return session_->enter_pipeline();
  }
  Status put(Sql insert, std::span<const Param> row) override {
    STINT_TRY(session_->defer(insert, row));
    if (++waiting_ < kTogether) return {};
    waiting_ = 0;
    return session_->sync();
  }
  Status rows_are_in() override {
    STINT_TRY(session_->defer(kHead));
    STINT_TRY(session_->defer(kOwed));
    return session_->sync();
  }
  Status migrate(std::int64_t schema) override {
    const auto known = static_cast<std::int64_t>(migrations().size());
    if (schema >= known) return {};
    STINT_TRY(session_->leave_pipeline());
    STINT_TRY(raise_postgres(*session_, schema, known));
    return session_->enter_pipeline();
  }
  WriteConnection& connection() override { return *writer_; }
  Status commit() override { return writer_->commit(); }

 private:
  PgSession* session_;  // the writer's; gone with it, and the transaction that it did not commit
  std::unique_ptr<PgWriter> writer_;
  int waiting_ = 0;
};

}  // namespace

Result<std::unique_ptr<RestoreTarget>> restore_to_postgres(const PostgresOptions& to,
                                                           const Clock& clock) {
  const auto target = STINT_TRY(PostgresTarget::parse(to));
  auto session = STINT_TRY(PgSession::open(target));
  STINT_TRY(check_server(*session, clock));
  return std::make_unique<ToPostgres>(std::move(session));
}

}  // namespace stint::store
