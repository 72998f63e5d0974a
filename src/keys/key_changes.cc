#include "stint/keys/key_changes.h"

#include <algorithm>

#include "key_rows.h"

namespace stint::keys {
namespace {

// So that a set of keys always loads, with room for every algorithm's next one.
constexpr std::size_t kMaxPublished = jose::JwkSet::kMaxKeys / 2;

constexpr store::Sql kInsertNext =
    "INSERT INTO signing_key (kid, purpose, alg, state, public, sealed, created, activates) "
    "VALUES ($1, 'token', $2, 'published', $3, $4, $5, $6)";
constexpr store::Sql kActivate =
    "UPDATE signing_key SET state = 'live', activated = $2 WHERE kid = $1";
constexpr store::Sql kStepDown =
    "UPDATE signing_key SET state = 'published', activated = $2, retires = $3 WHERE kid = $1";
constexpr store::Sql kRetire =
    "UPDATE signing_key SET state = 'retired', sealed = $3, retired = $2 WHERE kid = $1";
constexpr store::Sql kRevoke = "UPDATE signing_key SET revoked = $2 WHERE kid = $1";
constexpr store::Sql kLastToken = "SELECT max(exp) FROM token";
constexpr store::Sql kOneKey = "SELECT state, retires, revoked FROM signing_key WHERE kid = $1";

const KeyInfo* find(const std::vector<KeyInfo>& keys, crypto::Alg alg, Stage stage) {
  const auto at = std::ranges::find_if(keys, [&](const KeyInfo& k) {
    return k.use == audit::KeyUse::kToken && k.alg == alg && k.stage == stage;
  });
  return at == keys.end() ? nullptr : &*at;
}

// The next key is published so early that the live one is as old as it may get when it steps down.
bool grows_old(const KeyInfo& live, const Schedule& schedule, WallTime now) {
  return schedule.rotate_every.count() > 0 &&
         now >= live.since() + schedule.rotate_every - schedule.publish_ahead;
}

bool activates(const KeyInfo& k, WallTime now) {
  return k.stage == Stage::kNext && now >= k.activates.value_or(k.created);
}
bool retires(const KeyInfo& k, WallTime now) {
  return k.stage == Stage::kFormer && k.retires && now >= *k.retires;
}

}  // namespace

Due due(const KeySet& keys, const Schedule& schedule, WallTime now) {
  Due out;
  for (const KeyInfo& k : keys.all()) {
    if (activates(k, now) || retires(k, now)) out.any = true;
    if (k.use != audit::KeyUse::kToken || k.stage != Stage::kLive) continue;
    if (grows_old(k, schedule, now) && find(keys.all(), k.alg, Stage::kNext) == nullptr)
      out.make.push_back(k.alg);
  }
  out.any = out.any || !out.make.empty();
  return out;
}

KeyChanges::KeyChanges(store::Tx& tx, Schedule schedule, audit::Actor actor, WallTime now)
    : tx_(tx), schedule_(schedule), actor_(std::move(actor)), now_(now) {
  lock_version(tx_);
  for (const KeyRow& row : key_rows(tx_)) {
    auto info = info_of(row);
    if (!info) {
      tx_.fail(info.error());
      return;
    }
    keys_.push_back(*std::move(info));
  }
}

KeyInfo* KeyChanges::of(crypto::Alg alg, Stage stage) {
  return const_cast<KeyInfo*>(find(keys_, alg, stage));
}

void KeyChanges::append(const audit::AnyEvent& event) {
  auto bytes = audit::encode(now_, event);
  if (!bytes) return tx_.fail(bytes.error());
  tx_.append(
      {.kind = audit::kind(event), .task = std::nullopt, .bytes = *std::move(bytes), .time = now_});
  changed_ = true;
}

void KeyChanges::publish(const KeyRing::Made& made, WallTime activates) {
  tx_.run(kInsertNext, made.key.kid, text(made.key.alg), made.public_half, store::Blob{made.sealed},
          now_, activates);
  append(audit::KeyCreated{.kid = made.key.kid,
                           .alg = made.key.alg,
                           .use = audit::KeyUse::kToken,
                           .public_key = made.key.kid});
  keys_.push_back({.kid = made.key.kid,
                   .alg = made.key.alg,
                   .stage = Stage::kNext,
                   .created = now_,
                   .activates = activates});
}

void KeyChanges::activate(KeyInfo& next, std::string replaces) {
  if (KeyInfo* old = of(next.alg, Stage::kLive); old != nullptr) {
    // The rows know the last token of any key and of any configuration: one that was minted when
    // tokens lived longer keeps the old key too.
    const auto last = tx_.one<std::optional<WallTime>>(kLastToken);
    const WallTime dead =
        std::max(now_ + schedule_.token_ttl, last.value_or(std::nullopt).value_or(now_)) +
        kClockSkew;
    tx_.run(kStepDown, old->kid, old->since(), dead);
    old->stage = Stage::kFormer;
    old->activated = old->since();
    old->retires = dead;
    replaces = old->kid;
  }
  tx_.run(kActivate, next.kid, now_);
  next.stage = Stage::kLive;
  next.activated = now_;
  append(audit::KeyActivated{.kid = next.kid, .replaces = std::move(replaces), .actor = actor_});
}

void KeyChanges::retire(KeyInfo& key) {
  tx_.run(kRetire, key.kid, now_, store::Blob{""});
  key.stage = Stage::kRetired;
  key.retired = now_;
  append(audit::KeyRetired{.kid = key.kid, .actor = actor_});
}

void KeyChanges::tend(std::span<const KeyRing::Made> made) {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (activates(keys_[i], now_)) activate(keys_[i], "");
    if (retires(keys_[i], now_)) retire(keys_[i]);
  }
  for (const KeyRing::Made& one : made) {
    const KeyInfo* live = of(one.key.alg, Stage::kLive);
    if (live == nullptr || !grows_old(*live, schedule_, now_) ||
        of(one.key.alg, Stage::kNext) != nullptr)
      continue;
    publish(one, std::max(now_ + schedule_.publish_ahead, live->since() + schedule_.rotate_every));
  }
}

Result<bool> KeyChanges::rotate(const KeyRing::Made& made, bool at_once) {
  KeyInfo* next = of(made.key.alg, Stage::kNext);
  if (next != nullptr && !at_once) return false;
  if (next == nullptr) {
    const auto published = std::ranges::count_if(keys_, [](const KeyInfo& k) {
      return k.use == audit::KeyUse::kToken && k.stage != Stage::kRetired;
    });
    if (static_cast<std::size_t>(published) >= kMaxPublished)
      return fail(Errc::kLimit, "too many keys are published: wait until former ones retire");
    publish(made, at_once ? now_ : now_ + schedule_.publish_ahead);
    next = &keys_.back();
  }
  if (at_once) activate(*next, "");
  return true;
}

Result<bool> KeyChanges::revoke(std::string_view kid, const KeyRing::Made& made) {
  const auto key = std::ranges::find(keys_, kid, &KeyInfo::kid);
  if (key == keys_.end()) return fail(Errc::kNotFound, "no such key");
  if (key->use == audit::KeyUse::kLog)
    return fail(Errc::kConflict, "the log's key is its identity: it is not revoked");
  if (key->revoked) return fail(Errc::kConflict, "the key is revoked already");
  if (key->stage == Stage::kRetired)
    return fail(Errc::kConflict, "the key is retired: no token that it signed counts");
  if (made.key.alg != key->alg) return fail(Errc::kInternal, "the new key is of another kind");
  const crypto::Alg alg = key->alg;
  const bool live = key->stage == Stage::kLive;
  key->revoked = now_;
  tx_.run(kRevoke, key->kid, now_);
  append(audit::KeyRevoked{
      .kid = key->kid, .replaced_by = live ? made.key.kid : std::string(), .actor = actor_});
  retire(*key);
  if (KeyInfo* next = of(alg, Stage::kNext)) retire(*next);
  if (live) {
    publish(made, now_);
    activate(keys_.back(), std::string(kid));
  }
  return live;
}

bool KeyChanges::finish() {
  if (!changed_) {
    tx_.no_event();
    return false;
  }
  write_version(tx_, read_version(tx_) + 1);
  return true;
}

void announce_key(store::Tx& tx, std::string_view kid) { tx.announce(kOneKey, kid); }

Status still_signs(store::Reader& reader, std::string_view kid, std::optional<WallTime> expires) {
  using Columns = std::tuple<std::string, std::optional<WallTime>, std::optional<WallTime>>;
  const auto row = reader.one<Columns>(kOneKey, kid);
  if (reader.error()) return fail(*reader.error());
  if (!row) return fail(Errc::kWrongKey, "jws unknown key");
  const auto& [state, retires, revoked] = *row;
  if (revoked) return fail(Errc::kRevoked, "the key that signed the token is revoked");
  const bool former_dies = expires && retires && *retires < *expires;
  if (state == "retired" || former_dies)
    return fail(Errc::kUnavailable, "the signing key changed meanwhile");
  return {};
}

}  // namespace stint::keys
