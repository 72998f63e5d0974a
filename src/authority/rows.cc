#include <algorithm>

#include "impl.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"

namespace stint::authority {
namespace {

std::optional<std::string_view> text_or_null(std::string_view s) {
  return s.empty() ? std::nullopt : std::optional(s);
}

constexpr store::Sql kTask = "SELECT body FROM task WHERE id = $1";
constexpr store::Sql kRevoked = "SELECT 1 FROM token WHERE jti = $1 AND revoked IS NOT NULL";
constexpr store::Sql kDirectory = "SELECT value FROM meta WHERE key = 'directory_version'";

}  // namespace

bool has_budget(const domain::Task& task) { return task.budget.requests || task.budget.bytes_out; }

Result<domain::Task> Authority::Impl::load_task(store::Reader& reader, TaskId id) {
  const auto body = reader.one<std::string>(kTask, id);
  if (reader.error()) return fail(*reader.error());
  if (!body) return fail(Errc::kNotFound, "no such task");
  return domain::decode_task(*body);
}

void Authority::Impl::announce_task(store::Tx& tx, TaskId id) { tx.announce(kTask, id); }

Result<domain::Task> Authority::Impl::load_active(store::Reader& reader, TaskId id) const {
  domain::Task task = STINT_TRY(load_task(reader, id));
  if (const auto live = view.find(id, parts.clock.mono())) {
    task.last_used = std::max(task.last_used, (*live)->last_used());
    task.last_present = std::max(task.last_present, (*live)->last_present());
  }
  return task;
}

Result<std::vector<domain::Task>> Authority::Impl::live_rows(store::Reader& reader, TaskId task,
                                                             std::optional<TokenId> token,
                                                             WallTime at) const {
  std::vector<domain::Task> rows;
  for (std::optional<TaskId> next = task; next;) {
    rows.push_back(STINT_TRY(load_active(reader, *next)));
    STINT_TRY(domain::live(rows.back(), at));
    next = rows.back().parent;
  }
  if (token) STINT_TRY(not_revoked(reader, *token));
  if (reader.error()) return fail(*reader.error());
  return rows;
}

Status Authority::Impl::not_revoked(store::Reader& reader, TokenId token) {
  if (reader.one<std::int64_t>(kRevoked, token))
    return fail(Errc::kRevoked, "the token is revoked");
  if (reader.error()) return fail(*reader.error());
  return {};
}

void Authority::Impl::announce_directory(store::Tx& tx) { tx.announce(kDirectory); }

// What the view knows to be above the task: if the rows say otherwise, they are read all the same.
void Authority::Impl::announce(store::Tx& tx, TaskId task, std::optional<TokenId> token) const {
  announce_directory(tx);
  for (std::optional<TaskId> next = task; next;) {
    announce_task(tx, *next);
    const auto live = view.find(*next, parts.clock.mono());
    next = live ? (*live)->task()->parent : std::nullopt;
  }
  if (token) tx.announce(kRevoked, *token);
}

Status Authority::Impl::same_directory(store::Tx& tx, const Directory& dir) {
  const auto text = tx.one<std::string>(kDirectory);
  if (tx.error()) return fail(*tx.error());
  if (text.value_or("0") != std::to_string(dir.version()))
    return fail(Errc::kUnavailable, "the configuration changed meanwhile");
  return {};
}

void Authority::Impl::insert_task(store::Tx& tx, const domain::Task& t) {
  tx.put(
      "INSERT INTO task (id, state, agent, human, reference, parent, depth, opened, deadline, "
      "idle_seconds, last_used, version, body) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
      t.id, domain::text(t.state), t.agent, t.human, text_or_null(t.reference), t.parent, t.depth,
      t.opened, t.deadline, t.idle_limit.count(), t.last_used, t.version, domain::encode(t));
}

void Authority::Impl::update_task(store::Tx& tx, const domain::Task& t) {
  const auto why = t.why ? std::optional(domain::text(*t.why)) : std::nullopt;
  const auto how = t.how ? std::optional(domain::text(*t.how)) : std::nullopt;
  tx.put(
      "UPDATE task SET state = $2, why = $3, how = $4, closed = $5, last_used = $6, version = $7, "
      "body = $8 WHERE id = $1",
      t.id, domain::text(t.state), why, how, t.closed, t.last_used, t.version, domain::encode(t));
}

void Authority::Impl::insert_approval(store::Tx& tx, const domain::Approval& a) {
  tx.put(
      "INSERT INTO approval (id, task, state, digest, created, expires, version, body) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      a.id, a.call.task, domain::text(a.state), a.call_digest, a.requested, a.expires, a.version,
      domain::encode(a));
}

void Authority::Impl::update_approval(store::Tx& tx, const domain::Approval& a) {
  tx.put("UPDATE approval SET state = $2, version = $3, body = $4 WHERE id = $1", a.id,
         domain::text(a.state), a.version, domain::encode(a));
}

rt::Co<Status> Authority::spend(SingleUse use) {
  Impl* impl = impl_.get();
  if (!impl->parts.store.shared() && !impl->restored) co_return Status();
  const auto spent = co_await impl->commit(
      [impl, uses = std::vector{std::move(use)}](store::Tx& tx, Changes&) -> Result<bool> {
        tx.no_event();
        STINT_TRY(impl->spend_once(tx, uses));
        return true;
      });
  if (!spent) co_return fail(spent.error());
  co_return Status();
}

Status Authority::Impl::spend_once(store::Tx& tx, const std::vector<SingleUse>& uses) const {
  for (const SingleUse& use : uses) {
    // What was used up after the backup is not in it.
    if (restored && use.since < *restored)
      return fail(Errc::kReplayed, "the assertion may have been used before the restore");
    const auto fresh =
        tx.run("INSERT INTO used_jti (scope, hash, exp) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
               use.scope, crypto::sha256(use.key), use.expires);
    if (tx.error()) return fail(*tx.error());
    if (fresh == 0) return fail(Errc::kReplayed, "the assertion was used before");
  }
  return {};
}

}  // namespace stint::authority
