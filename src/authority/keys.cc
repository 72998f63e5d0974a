// The service's own keys over time: rotation, revocation, what other nodes did.
#include <algorithm>

#include "impl.h"
#include "stint/jose/jws.h"
#include "stint/keys/key_changes.h"

namespace stint::authority {
namespace {

constexpr std::chrono::seconds kRetryKeys{10};

// Tokens that count, of open tasks; those of a release that recorded no key may be this key's.
// $1 now, $2 kid.
constexpr store::Sql kKilled =
    "SELECT t.audience, count(*), count(*) - count(t.kid) FROM token t "
    "JOIN task k ON k.id = t.task "
    "WHERE t.exp > $1 AND t.revoked IS NULL AND (t.kid = $2 OR t.kid IS NULL) "
    "AND k.state <> 'closed' GROUP BY t.audience ORDER BY t.audience LIMIT 100000";
constexpr store::Sql kTasksHit =
    "SELECT count(DISTINCT t.task) FROM token t JOIN task k ON k.id = t.task "
    "WHERE t.exp > $1 AND t.revoked IS NULL AND (t.kid = $2 OR t.kid IS NULL) "
    "AND k.state <> 'closed'";
constexpr std::size_t kAudiences = 200;

std::string_view state_of(const keys::KeyInfo& key) {
  return key.revoked ? "revoked" : keys::text(key.stage);
}

KeyView view_of(const keys::KeyInfo& key) {
  return {.kid = key.kid,
          .use = key.use == audit::KeyUse::kLog ? "log" : "token",
          .state = state_of(key),
          .alg = key.alg,
          .created = key.created,
          .activates = key.stage == keys::Stage::kNext ? key.activates : std::nullopt,
          .activated = key.activated,
          .retires = key.stage == keys::Stage::kFormer ? key.retires : std::nullopt,
          .retired = key.retired,
          .revoked = key.revoked};
}

Rotation rotation_of(const keys::KeySet& set, const std::vector<crypto::Alg>& algs, bool changed) {
  Rotation out{.next = {}, .live = {}, .changed = changed};
  for (const keys::KeyInfo& key : set.all()) {
    if (key.use != audit::KeyUse::kToken || std::ranges::find(algs, key.alg) == algs.end())
      continue;
    if (key.stage == keys::Stage::kNext) out.next.push_back(view_of(key));
    if (key.stage == keys::Stage::kLive) out.live.push_back(view_of(key));
  }
  return out;
}

// As KeyChanges::revoke would say.
Status revocable(const keys::KeyInfo* key) {
  if (key == nullptr) return fail(Errc::kNotFound, "no such key");
  if (key->use == audit::KeyUse::kLog)
    return fail(Errc::kConflict, "the log's key is its identity: it is not revoked");
  if (key->revoked) return fail(Errc::kConflict, "the key is revoked already");
  if (key->stage == keys::Stage::kRetired)
    return fail(Errc::kConflict, "the key is retired: no token that it signed counts");
  return {};
}

}  // namespace

void Authority::Impl::set_keys(std::shared_ptr<const keys::KeySet> set) {
  const std::lock_guard lock(keys_mutex);
  const auto before = keys();
  if (before && before->set->version() > set->version()) return;
  parts.keys.adopt(set);
  if (on_keys) on_keys(*set->public_keys());
  jose::AccessTokenVerifier verifier(settings.issuer, settings.issuer, set->public_keys());
  keys_.store(std::make_shared<const Keys>(std::move(set), std::move(verifier)),
              std::memory_order_release);
}

keys::Schedule Authority::Impl::schedule() const {
  return {.rotate_every = settings.rotate_keys_every,
          .publish_ahead = settings.publish_keys_ahead,
          .token_ttl = settings.limits.token_ttl};
}

void Authority::on_keys(std::function<void(const jose::JwkSet&)> f) {
  const std::lock_guard lock(impl_->keys_mutex);
  f(*impl_->keys()->set->public_keys());
  impl_->on_keys = std::move(f);
}

std::vector<KeyView> Authority::keys() const {
  std::vector<KeyView> out;
  for (const keys::KeyInfo& key : impl_->keys()->set->all()) out.push_back(view_of(key));
  return out;
}

rt::Co<Result<Rotation>> Authority::rotate_keys(std::optional<crypto::Alg> alg, bool at_once,
                                                Actor actor) {
  Impl* impl = impl_.get();
  std::vector<crypto::Alg> algs = keys::token_algs();
  if (alg) {
    if (std::ranges::find(algs, *alg) == algs.end())
      co_return fail(Errc::kUnsupported, "no key signs with this algorithm");
    algs = {*alg};
  }
  auto made = co_await impl->key_maker.make(algs, impl->now());
  if (!made) co_return fail(made.error());
  co_return co_await impl->commit(
      [impl, algs, made = *std::move(made), at_once, actor = std::move(actor)](
          store::Tx& tx, Changes& changes) -> Result<Rotation> {
        bool changed = false;
        STINT_TRY(impl->change_keys(tx, changes, actor, [&](keys::KeyChanges& work) -> Status {
          for (const auto& one : made) changed = STINT_TRY(work.rotate(one, at_once)) || changed;
          return {};
        }));
        const auto set = changes.keys ? changes.keys : STINT_TRY(impl->parts.keys.load(tx));
        return rotation_of(*set, algs, changed);
      });
}

Result<KeyRevocation> Authority::Impl::killed_by(const keys::KeyInfo& key) {
  KeyRevocation out{.key = view_of(key), .audiences = {}, .replaced_by = {}};
  return parts.store.read([&](store::Reader& reader) -> Result<KeyRevocation> {
    using Row = std::tuple<std::string, std::size_t, std::size_t>;
    for (auto& [audience, tokens, unknown] : reader.rows<Row>(kKilled, now(), key.kid)) {
      out.tokens += tokens;
      out.unknown += unknown;
      if (out.audiences.size() < kAudiences)
        out.audiences.emplace_back(std::move(audience), tokens);
    }
    out.tasks = reader.one<std::size_t>(kTasksHit, now(), key.kid).value_or(0);
    return out;
  });
}

Result<KeyRevocation> Authority::key_revocation(const std::string& kid) {
  const auto set = impl_->keys()->set;
  const keys::KeyInfo* key = set->find(kid);
  STINT_TRY(revocable(key));
  return impl_->killed_by(*key);
}

rt::Co<Result<KeyRevocation>> Authority::revoke_key(std::string kid, Actor actor) {
  Impl* impl = impl_.get();
  const auto before = impl->keys()->set;
  const keys::KeyInfo* key = before->find(kid);
  STINT_CO_TRY(revocable(key));
  // Made also when the key does not sign by what is known here: the rows may know better.
  auto made = co_await impl->key_maker.make({key->alg}, impl->now());
  if (!made) co_return fail(made.error());
  const auto signed_until_now =
      co_await impl->commit([impl, kid, made = *made, actor = std::move(actor)](
                                store::Tx& tx, Changes& changes) -> Result<bool> {
        bool live = false;
        STINT_TRY(impl->change_keys(tx, changes, actor, [&](keys::KeyChanges& work) -> Status {
          live = STINT_TRY(work.revoke(kid, made.front()));
          return {};
        }));
        return live;
      });
  if (!signed_until_now) co_return fail(signed_until_now.error());
  const auto after = impl->keys()->set;
  const keys::KeyInfo* revoked = after->find(kid);
  auto killed = impl->killed_by(revoked != nullptr ? *revoked : *key);
  if (killed && *signed_until_now) killed->replaced_by = made->front().key.kid;
  co_return killed;
}

Status Authority::Impl::reload_keys() {
  set_keys(STINT_TRY(
      parts.store.read([this](store::Reader& reader) { return parts.keys.load(reader); })));
  return {};
}

rt::Co<bool> Authority::learn_of_key(std::string token_text) {
  Impl* impl = impl_.get();
  if (!impl->parts.store.shared()) co_return false;
  const auto token = jose::parse_compact(token_text);
  if (!token || token->header().kid.empty()) co_return false;
  const std::string kid = token->header().kid;
  // What is known stays refused, for whatever reason it was.
  if (impl->keys()->set->find(kid) != nullptr) co_return false;
  co_await impl->key_news.ask();
  co_return impl->keys()->set->find(kid) != nullptr;
}

Status Authority::reload_keys() { return impl_->reload_keys(); }

Result<bool> Authority::tend_keys() {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  const auto due = keys::due(*impl->keys()->set, impl->schedule(), now);
  if (!due.any) return false;
  // What fails is not tried every second: an RSA key is work.
  if (now >= impl->keys_failed && now - impl->keys_failed < kRetryKeys) return false;
  const auto tended = [&]() -> Result<bool> {
    const auto made = STINT_TRY(KeyMaker::make_now(impl->parts.keys, due.make, now));
    return impl->commit_sync([&](store::Tx& tx, Changes& changes) -> Result<bool> {
      STINT_TRY(impl->change_keys(tx, changes, Actor::system("schedule"),
                                  [&](keys::KeyChanges& work) -> Status {
                                    work.tend(made);
                                    return {};
                                  }));
      return changes.keys != nullptr;
    });
  }();
  if (!tended) impl->keys_failed = now;
  // Nothing to do by the rows: another node did it, and this one has not heard yet.
  if (tended && !*tended) STINT_TRY(reload_keys());
  return tended;
}

}  // namespace stint::authority
