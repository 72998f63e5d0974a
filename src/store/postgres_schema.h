#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "postgres_session.h"
#include "stint/base/clock.h"

namespace stint::store {

// Whether the server is one that may be trusted with the log. Changes nothing. Errors:
// kUnsupported (encoding, fsync off, version), kReadOnly (a replica, or told to take no writes),
// kPreconditionFailed (clocks differ by more than 30 s).
Status check_server(PgSession& session, const Clock& clock);

// Of a clock that was read before and after another's `theirs`: by how much it is ahead, when that
// is more than 30 s either way.
std::optional<std::chrono::seconds> clocks_differ(WallTime before, WallTime theirs, WallTime after);

// Whether this program may work with a schema that asks for `oldest`. Errors: kUnsupported.
Status may_work_with(std::int64_t oldest);

// Makes the tables, or brings them to this version, in one transaction that one node at a time
// carries out. A schema names the oldest version of Stint that still works with it, so that nodes
// may be upgraded one after another. It takes as long as it takes; no limit that is set for the
// user or the database cuts it. Errors: kUnsupported (a newer schema that this version does not
// know how to use; tables of these names that are not ours), the database's.
Status migrate_postgres(PgSession& session);

// Parts of it, in the caller's transaction: the table that tells the version, and the tables of
// version `to` made of those of `from` (0: none).
Status make_postgres_versions(PgSession& session);
Status raise_postgres(PgSession& session, std::int64_t from, std::int64_t to);

// The statements of schema.cc in PostgreSQL's words.
std::string in_postgres(std::string_view schema);

}  // namespace stint::store
