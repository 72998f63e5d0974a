#include "postgres_presence.h"

#include <chrono>
#include <thread>

#include "stint/base/log.h"

namespace stint::store {
namespace {

// The lock's name: "Stin", and the log's table, since a database may hold a store in each schema.
constexpr const char* kProbe =
    "SELECT pg_advisory_unlock_shared(1400138094, 'log_head'::regclass::oid::int)";
constexpr const char* kShare =
    "SELECT pg_try_advisory_lock_shared(1400138094, 'log_head'::regclass::oid::int)";
constexpr const char* kTake =
    "SELECT pg_try_advisory_lock(1400138094, 'log_head'::regclass::oid::int)";
constexpr const char* kGive =
    "SELECT pg_advisory_unlock(1400138094, 'log_head'::regclass::oid::int)";

// A session that was closed is noticed by its server a moment later.
constexpr std::chrono::milliseconds kGoing{2000}, kLook{25};

constexpr Error kNoLocks{Errc::kUnsupported,
                         "the database has no locks: it cannot be known that no node has it open"};

// The session keeps it for as long as it lives, and it does not die of having nothing to do.
constexpr const char* kStay =
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";

Result<bool> granted(PgSession& session, const char* sql) {
  return STINT_TRY(session.text(sql)) == "t";
}

Status take(PgSession& session, const char* sql, Error refusal) {
  const MonoTime until = std::chrono::steady_clock::now() + kGoing;
  while (!STINT_TRY(granted(session, sql))) {
    if (std::chrono::steady_clock::now() >= until) return fail(refusal);
    std::this_thread::sleep_for(kLook);
  }
  return session.exec(kStay);
}

}  // namespace

Result<bool> has_locks(PgSession& session) {
  const Status probed = session.exec(kProbe);
  if (probed) return true;
  if (probed.error().code != Errc::kInternal) return fail(probed.error());
  log::warning("the database has no locks: nobody can have it alone");
  return false;
}

Status be_present(PgSession& session) {
  return take(session, kShare, {Errc::kUnavailable, "another process has the database for itself"});
}

Status be_alone(PgSession& session) {
  return take(session, kTake, {Errc::kUnavailable, "another process has the database open"});
}

Status check_alone(PgSession& alone, const PostgresTarget& target) {
  const auto other = STINT_TRY(PgSession::open(target));
  if (STINT_TRY(granted(*other, kShare))) return fail(kNoLocks);
  // And that the lock is the session's that asked for it.
  return STINT_TRY(granted(alone, kGive)) ? Status() : fail(kNoLocks);
}

}  // namespace stint::store
