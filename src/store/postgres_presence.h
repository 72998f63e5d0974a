#pragma once

#include "postgres_session.h"
#include "postgres_target.h"

// Who has a database open. A node's sessions hold a lock that nodes share: the one that writes, and
// the one that listens. A tool that changes what nodes keep in memory takes the same lock for
// itself, which proves that there is none. The server keeps it for as long as a session lives
// there: a frozen node's goes on, and those of a node which lost its network end after seconds; the
// node asks anew before it follows or writes again.
namespace stint::store {

// Whether the database has such locks. Without them nodes work on, and nobody can have the database
// alone. Errors: the session's.
Result<bool> has_locks(PgSession& session);

// Of a node's session, and of one that wants the database alone. Both wait a moment for
// others that are just going. Errors: kUnavailable "another process has the database for itself",
// "another process has the database open".
Status be_present(PgSession& session);
Status be_alone(PgSession& session);

// Of a session that is alone: whether that keeps another one out, as it must, and ends it. Errors:
// kUnsupported "the database has no locks: it cannot be known that no node has it open".
Status check_alone(PgSession& alone, const PostgresTarget& target);

}  // namespace stint::store
