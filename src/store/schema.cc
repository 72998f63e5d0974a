#include "schema.h"

#include <algorithm>
#include <array>

#include "database.h"

namespace stint::store {
namespace {

// Conventions: ids and hashes are BLOBs of their bytes (16, 32), times are milliseconds since the
// epoch, `body` is the canonical JSON of the whole entity; the other columns repeat what is
// searched. `version` grows by one with each change of the row.
constexpr char kVersion1[] = R"sql(
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit log, in blocks of events that were committed together (event_block.h). An event's seq
-- is its leaf's index: 0, 1, 2, … without gaps. Append-only.
CREATE TABLE event (
  first  INTEGER PRIMARY KEY,        -- seq of the first
  count  INTEGER NOT NULL,
  leaves BLOB NOT NULL,              -- 32 bytes each
  body   BLOB NOT NULL
) STRICT;
-- Which blocks tell of a task. By spans of 8,192 events: ordered by the task alone, each event would
-- touch a page of its own once there are many tasks.
CREATE TABLE event_task (
  span  INTEGER NOT NULL,            -- first >> 13
  task  BLOB NOT NULL,
  first INTEGER NOT NULL,
  PRIMARY KEY (span, task, first)
) STRICT, WITHOUT ROWID;
-- Where a task's story begins: its task.opened.
CREATE TABLE event_opened (
  task BLOB PRIMARY KEY,
  seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE task (
  id           BLOB PRIMARY KEY,
  state        TEXT NOT NULL CHECK (state IN ('active', 'paused', 'closed')),
  why          TEXT,                 -- of a pause
  how          TEXT,                 -- of a close
  agent        TEXT NOT NULL,
  human        TEXT,                 -- null: autonomous
  reference    TEXT,
  parent       BLOB,
  depth        INTEGER NOT NULL,
  opened       INTEGER NOT NULL,
  deadline     INTEGER NOT NULL,
  idle_seconds INTEGER,              -- null: no idle limit
  last_used    INTEGER NOT NULL,
  closed       INTEGER,
  version      INTEGER NOT NULL,
  body         TEXT NOT NULL,
  CHECK ((state = 'closed') = (how IS NOT NULL)),
  CHECK ((state = 'closed') = (closed IS NOT NULL))
) STRICT;
CREATE INDEX task_parent ON task (parent) WHERE parent IS NOT NULL;
CREATE INDEX task_children ON task (parent) WHERE parent IS NOT NULL AND state <> 'closed';
CREATE INDEX task_deadline ON task (state, deadline);
CREATE INDEX task_agent ON task (agent, opened);
CREATE INDEX task_human ON task (human, opened) WHERE human IS NOT NULL;
CREATE INDEX task_reference ON task (reference) WHERE reference IS NOT NULL AND state <> 'closed';
CREATE INDEX task_open ON task (id) WHERE state <> 'closed';
CREATE INDEX task_opened ON task (opened, id);
-- A closed task stays closed (rule 2), whatever a statement says.
CREATE TRIGGER task_closed_is_final BEFORE UPDATE OF state, how ON task
WHEN old.state = 'closed' AND (new.state <> 'closed' OR new.how IS NOT old.how)
BEGIN SELECT RAISE(ABORT, 'a closed task stays closed'); END;

CREATE TABLE token (
  jti      BLOB PRIMARY KEY,
  task     BLOB NOT NULL,
  audience TEXT NOT NULL,
  exp      INTEGER NOT NULL,
  revoked  INTEGER                   -- when; null: not
) STRICT, WITHOUT ROWID;
CREATE INDEX token_task ON token (task);
CREATE INDEX token_exp ON token (exp);

-- hash = SHA-256 of the handle's text, which is stored nowhere.
CREATE TABLE handle (
  id      BLOB PRIMARY KEY,
  hash    BLOB NOT NULL UNIQUE,
  task    BLOB NOT NULL,
  jkt     TEXT NOT NULL,
  state   TEXT NOT NULL CHECK (state IN ('live', 'used', 'revoked')),
  created INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  body    TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX handle_task ON handle (task);

-- Client assertions and other one-time values. scope: who said it; hash: SHA-256 of the value.
CREATE TABLE used_jti (
  scope TEXT NOT NULL,
  hash  BLOB NOT NULL,
  exp   INTEGER NOT NULL,
  PRIMARY KEY (scope, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_jti_exp ON used_jti (exp);

CREATE TABLE approval (
  id      BLOB PRIMARY KEY,
  task    BLOB NOT NULL,
  state   TEXT NOT NULL CHECK (state IN ('pending', 'granted', 'refused', 'expired', 'consumed')),
  digest  BLOB NOT NULL,             -- of the call that it is bound to
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  version INTEGER NOT NULL,
  body    TEXT NOT NULL
) STRICT;
CREATE INDEX approval_call ON approval (task, digest);
CREATE INDEX approval_state ON approval (state, expires);

-- Declared resources: human, group, agent, upstream, issuer, …
CREATE TABLE entity (
  kind    TEXT NOT NULL,
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,
  state   TEXT NOT NULL,
  body    TEXT NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE credential (
  name    TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  state   TEXT NOT NULL CHECK (state IN ('live', 'retired')),
  sealed  BLOB NOT NULL,             -- empty once retired
  created INTEGER NOT NULL,
  rotated INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_key (
  kid     TEXT PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('token', 'log', 'secret')),
  alg     TEXT NOT NULL,
  state   TEXT NOT NULL CHECK (state IN ('live', 'published', 'retired')),
  public  TEXT NOT NULL,             -- JWK, or the log key's verifier text; '' for secret
  sealed  BLOB NOT NULL,
  created INTEGER NOT NULL
) STRICT;

-- A prefix of the log, signed. Its right edge stands in the partial tiles.
CREATE TABLE checkpoint (
  size INTEGER PRIMARY KEY,
  root BLOB NOT NULL,
  note TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT;

CREATE TABLE tile (
  level INTEGER NOT NULL,
  idx   INTEGER NOT NULL,
  data  BLOB NOT NULL,
  PRIMARY KEY (level, idx)
) STRICT;

CREATE TABLE receipt (
  task BLOB PRIMARY KEY,
  time INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;

CREATE TABLE idempotency (
  principal TEXT NOT NULL,
  key       BLOB NOT NULL,           -- SHA-256 of the Idempotency-Key
  request   BLOB NOT NULL,           -- digest of the request that it was first used with
  response  TEXT NOT NULL,
  exp       INTEGER NOT NULL,
  PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_exp ON idempotency (exp);

-- What a close still owes: carried out after it, retried until done.
CREATE TABLE owed (
  id       INTEGER PRIMARY KEY,
  kind     TEXT NOT NULL,
  task     BLOB,
  since    INTEGER NOT NULL,
  next     INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  body     TEXT NOT NULL
) STRICT;
CREATE INDEX owed_next ON owed (next);
CREATE INDEX owed_task ON owed (task) WHERE task IS NOT NULL;
)sql";

// Several nodes, signing keys over time, status lists.
constexpr char kVersion2[] = R"sql(
-- Who does what one node of a fleet does. beat: grows while the holder lives; fence: with each new
-- holder.
CREATE TABLE lease (
  name   TEXT PRIMARY KEY,
  holder BLOB NOT NULL,              -- zeros: nobody
  fence  INTEGER NOT NULL,
  beat   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A key is 'published' with no `activated` while it is the next one, 'live' while it signs,
-- 'published' again as a former one while its tokens live, 'retired' with its sealed half wiped. A
-- token tells its key, so that what a revocation kills can be counted; those of before tell none.
ALTER TABLE signing_key ADD COLUMN activates INTEGER;  -- the next one: does not sign before
ALTER TABLE signing_key ADD COLUMN activated INTEGER;  -- null and live: since it was created
ALTER TABLE signing_key ADD COLUMN retires INTEGER;    -- a former one: its last token is dead then
ALTER TABLE signing_key ADD COLUMN retired INTEGER;
ALTER TABLE signing_key ADD COLUMN revoked INTEGER;    -- null: not
-- Also when two nodes rotate at once: one key signs, and one is next.
CREATE UNIQUE INDEX signing_key_live ON signing_key (purpose, alg) WHERE state = 'live';
CREATE UNIQUE INDEX signing_key_next ON signing_key (purpose, alg)
  WHERE state = 'published' AND activated IS NULL;
ALTER TABLE token ADD COLUMN kid TEXT;

-- Where a token's status stands: list and idx, none for tokens of before. A list's row says until
-- when a token of it may live.
ALTER TABLE token ADD COLUMN list INTEGER;
ALTER TABLE token ADD COLUMN idx INTEGER;
CREATE TABLE status_list (
  n    INTEGER PRIMARY KEY,          -- random, of 53 bits
  ends INTEGER NOT NULL
) STRICT;
)sql";

constexpr std::array<const char*, 2> kMigrations{kVersion1, kVersion2};

}  // namespace

std::span<const char* const> all_migrations() { return kMigrations; }

bool is_bookkeeping(std::string_view table) {
  static constexpr std::array<std::string_view, 9> kTables{"meta",       "used_jti", "idempotency",
                                                           "checkpoint", "tile",     "receipt",
                                                           "owed",       "lease",    "status_list"};
  return std::ranges::find(kTables, table) != kTables.end();
}

bool is_log(std::string_view table) {
  return table == "event" || table == "event_task" || table == "event_opened";
}

}  // namespace stint::store
