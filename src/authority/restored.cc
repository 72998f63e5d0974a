#include "stint/authority/restored.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "impl.h"
#include "stint/domain/json.h"
#include "stint/keys/key_changes.h"
#include "stint/vault/vault.h"

namespace stint::authority {
namespace {

// Tasks in one step: bounds its memory.
constexpr std::size_t kTogether = 500;

constexpr store::Sql kOpen = "SELECT body FROM task WHERE state <> 'closed' ORDER BY id LIMIT $1";
constexpr store::Sql kTokenKeys =
    "SELECT kid, alg, state = 'live' FROM signing_key "
    "WHERE purpose = 'token' AND state <> 'retired' AND activated IS NOT NULL "
    "ORDER BY created, kid LIMIT 1000";
constexpr store::Sql kNextKeys =
    "SELECT kid, alg, state = 'live' FROM signing_key "
    "WHERE purpose = 'token' AND state <> 'retired' ORDER BY created, kid LIMIT 1000";
constexpr store::Sql kPutRestored =
    "INSERT INTO meta (key, value) VALUES ('restored_at', $1) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value";

struct TokenKey {
  std::string kid, alg;
  bool live;
  static TokenKey from_row(store::Row& r) {
    return {r.get<std::string>(), r.get<std::string>(), r.get<bool>()};
  }
};

}  // namespace

Result<std::optional<WallTime>> restored_at(store::Reader& reader) {
  const auto text = reader.one<std::string>("SELECT value FROM meta WHERE key = 'restored_at'");
  if (reader.error()) return fail(*reader.error());
  if (!text) return std::optional<WallTime>();
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), ms);
  if (error != std::errc() || end != text->data() + text->size())
    return fail(Errc::kInternal, "the time of the restore cannot be read");
  return std::optional(from_unix_millis(ms));
}

Result<AfterRestore> AfterRestore::make(const crypto::RootKey& root,
                                        const store::BackupInfo& backup, Entropy& entropy,
                                        Actor actor, std::string version, WallTime now) {
  AfterRestore out(root, std::move(actor), now);
  out.version_ = std::move(version);
  out.taken_ = backup.taken;
  out.size_ = backup.size;
  out.backup_root_ = backup.root;
  out.ring_ = keys::KeyRing::detached(root, entropy);
  out.made_ = STINT_TRY(KeyMaker::make_now(*out.ring_, keys::token_algs(), now));
  return out;
}

Result<bool> AfterRestore::step(store::Tx& tx) {
  if (begun_) return close_some(tx);
  begun_ = true;
  STINT_TRY(begin(tx));
  return true;
}

Status AfterRestore::begin(store::Tx& tx) {
  done_.keys = STINT_TRY(ring_->check(tx));
  done_.credentials = STINT_TRY(vault::check(tx, root_));
  append(tx, now_,
         audit::ServerRestored{.version = version_,
                               .taken = taken_,
                               .size = static_cast<std::int64_t>(size_),
                               .root = backup_root_,
                               .actor = to_audit(actor_)});
  const std::string at = std::to_string(unix_millis(now_));
  tx.run(kPutRestored, store::Blob{at});
  tx.run("DELETE FROM status_list");
  tx.run("UPDATE lease SET holder = $1, fence = fence + 1", NodeId{});
  return revoke_keys(tx);
}

// Those that sign first: each takes its algorithm's next one with it, which is then retired.
Status AfterRestore::revoke_keys(store::Tx& tx) {
  keys::KeyChanges work(tx, {}, to_audit(actor_), now_);
  for (const store::Sql which : {kTokenKeys, kNextKeys}) {
    for (const TokenKey& key : tx.rows<TokenKey>(which)) {
      const auto made = std::ranges::find_if(
          made_, [&](const auto& m) { return crypto::text(m.key.alg) == key.alg; });
      if (made == made_.end()) return fail(Errc::kInternal, "stored key of an unknown algorithm");
      if (std::ranges::any_of(made_, [&](const auto& m) { return m.key.kid == key.kid; })) continue;
      STINT_TRY(work.revoke(key.kid, *made));
      ++done_.revoked;
    }
  }
  work.finish();
  return {};
}

Result<bool> AfterRestore::close_some(store::Tx& tx) {
  Changes changes;  // nobody's view follows yet
  const auto bodies = tx.rows<std::string>(kOpen, kTogether);
  for (const std::string& body : bodies) {
    domain::Task task = STINT_TRY(domain::decode_task(body));
    domain::close(task, domain::How::kRevoked, now_);
    Authority::Impl::update_task(tx, task);
    tx.run("UPDATE handle SET state = 'revoked' WHERE task = $1 AND state = 'live'", task.id);
    tx.run("INSERT INTO owed (kind, task, since, next, body) VALUES ('receipt', $1, $2, $2, '{}')",
           task.id, now_);
    STINT_TRY(Authority::Impl::settle_approvals(tx, changes, task.id, now_));
    append(tx, now_,
           audit::TaskClosed{
               .task = task.id, .how = *task.how, .actor = to_audit(actor_), .spend = task.spend});
    ++done_.closed;
  }
  if (tx.error()) return fail(*tx.error());
  if (bodies.empty()) tx.no_event();
  return bodies.size() == kTogether;
}

}  // namespace stint::authority
