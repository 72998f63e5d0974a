#include "stint/keys/key_ring.h"

#include <algorithm>
#include <array>
#include <utility>

#include "key_rows.h"
#include "stint/audit/event.h"
#include "stint/codec/json.h"
#include "stint/merkle/note.h"

namespace stint::keys {
namespace {

constexpr std::string_view kSealed = "signing-key";  // what a sealer of keys is for
constexpr store::Sql kReseal = "UPDATE signing_key SET sealed = $2 WHERE kid = $1";
constexpr store::Sql kInsertFirst =
    "INSERT INTO signing_key (kid, purpose, alg, state, public, sealed, created, activated) "
    "VALUES ($1, $2, $3, 'live', $4, $5, $6, $6)";

struct Need {
  std::string_view purpose;
  crypto::Alg alg;
};
constexpr std::array kNeeds{
    Need{kTokenPurpose, crypto::Alg::kES256}, Need{kTokenPurpose, crypto::Alg::kRS256},
    Need{kTokenPurpose, crypto::Alg::kEdDSA}, Need{kLogPurpose, crypto::Alg::kEdDSA}};

Result<std::string> public_half(const SigningKey& key, std::string_view purpose,
                                const std::string& origin) {
  if (purpose == kLogPurpose) {
    return STINT_TRY(merkle::NoteKey::make(origin, key.key.public_key())).str();
  }
  return json::canonical(jose::to_json({key.key.public_key(), key.alg, key.kid}));
}

bool has_live(const std::vector<KeyRow>& rows, const Need& need) {
  return std::ranges::any_of(rows, [&](const KeyRow& row) {
    return row.state == "live" && row.purpose == need.purpose && row.alg == text(need.alg);
  });
}

Status append_created(store::Tx& tx, const Need& need, const KeyRing::Made& made) {
  const bool log = need.purpose == kLogPurpose;
  const audit::AnyEvent event =
      audit::KeyCreated{.kid = made.key.kid,
                        .alg = need.alg,
                        .use = log ? audit::KeyUse::kLog : audit::KeyUse::kToken,
                        .public_key = log ? made.public_half : made.key.kid};
  tx.append({.kind = audit::kind(event),
             .task = std::nullopt,
             .bytes = STINT_TRY(audit::encode(made.key.created, event)),
             .time = made.key.created});
  return {};
}

}  // namespace

struct KeyRing::Row : KeyRow {};

std::vector<crypto::Alg> token_algs() {
  std::vector<crypto::Alg> out;
  for (const Need& need : kNeeds)
    if (need.purpose == kTokenPurpose) out.push_back(need.alg);
  return out;
}

KeyRing::KeyRing(const crypto::RootKey& root, std::string origin, Entropy& entropy)
    : sealer_(root, kSealed), origin_(std::move(origin)), entropy_(entropy) {}

Result<KeyRing::Made> KeyRing::make(std::string_view purpose, crypto::Alg alg, WallTime now) const {
  auto key = STINT_TRY(crypto::PrivateKey::generate(alg, entropy_));
  std::string kid = jose::thumbprint(key.public_key());
  Made made{.key = {std::move(kid), alg, std::move(key), now}, .public_half = {}, .sealed = {}};
  made.public_half = STINT_TRY(public_half(made.key, purpose, origin_));
  made.sealed =
      STINT_TRY(sealer_.seal_key(made.key.key, place(purpose, text(alg), made.key.kid), entropy_));
  return made;
}

Result<KeyRing::Made> KeyRing::make(crypto::Alg alg, WallTime now) const {
  return make(kTokenPurpose, alg, now);
}

Result<SigningKey> KeyRing::unseal(const Row& row) const {
  const auto alg = crypto::parse_alg(row.alg);
  if (!alg) return fail(Errc::kInternal, "stored key of an unknown algorithm");
  auto key = STINT_TRY(sealer_.open_key(row.sealed, place(row.purpose, row.alg, row.kid), *alg));
  if (jose::thumbprint(key.public_key()) != row.kid) {
    return fail(Errc::kInternal, "stored key is not the one of its name");
  }
  SigningKey out{row.kid, *alg, std::move(key), row.created};
  // The column that strangers are shown must be the sealed key's: whoever can write the database
  // must not publish a key of their own.
  if (row.purpose == kTokenPurpose &&
      STINT_TRY(public_half(out, row.purpose, origin_)) != row.public_half) {
    return fail(Errc::kInternal, "stored public key is not the private key's");
  }
  return out;
}

Status KeyRing::open_log(const Row& row) {
  SigningKey key = STINT_TRY(unseal(row));
  const std::string half = STINT_TRY(public_half(key, row.purpose, origin_));
  if (half != row.public_half)
    return fail(Errc::kConflict, "log origin differs from the log key's");
  log_vkey_ = half;
  log_key_ = std::make_unique<SigningKey>(std::move(key));
  return {};
}

Status KeyRing::make_missing(store::Store& store, const std::vector<Row>& rows, WallTime now) {
  const std::vector<KeyRow> there(rows.begin(), rows.end());
  std::vector<std::pair<Need, Made>> made;
  for (const Need& need : kNeeds)
    if (!has_live(there, need))
      made.emplace_back(need, STINT_TRY(make(need.purpose, need.alg, now)));
  if (made.empty()) return {};
  return store.write_sync([&](store::Tx& tx) -> Status {
    const std::uint64_t version = lock_version(tx);
    // Another node may have started at the same time.
    const auto present = key_rows(tx);
    // And the store may have been sealed under another root key.
    for (const KeyRow& row : present)
      if (row.state != "retired") STINT_TRY(unseal({row}));
    bool any = false;
    for (const auto& [need, one] : made) {
      if (has_live(present, need)) continue;
      any = true;
      tx.run(kInsertFirst, one.key.kid, need.purpose, text(need.alg), one.public_half,
             store::Blob{one.sealed}, now);
      STINT_TRY(append_created(tx, need, one));
    }
    if (any)
      write_version(tx, version + 1);
    else
      tx.no_event();
    return {};
  });
}

Result<std::unique_ptr<KeyRing>> KeyRing::open(store::Store& store, const crypto::RootKey& root,
                                               std::string origin, Entropy& entropy, WallTime now) {
  std::unique_ptr<KeyRing> ring(new KeyRing(root, std::move(origin), entropy));
  const auto rows = [&]() -> Result<std::vector<Row>> {
    return store.read([](store::Reader& r) {
      std::vector<Row> out;
      for (KeyRow& row : key_rows(r)) out.push_back({std::move(row)});
      return out;
    });
  };
  // Those that are there open first: under a wrong root key nothing new is made.
  const auto before = STINT_TRY(rows());
  for (const Row& row : before)
    if (row.state != "retired") STINT_TRY(ring->unseal(row));
  STINT_TRY(ring->make_missing(store, before, now));
  // What was just written is read back and opened like any other: it must be usable tomorrow.
  for (const Row& row : STINT_TRY(rows()))
    if (row.purpose == kLogPurpose && row.state == "live") STINT_TRY(ring->open_log(row));
  STINT_TRY(ring->reload(store));
  return ring;
}

std::unique_ptr<KeyRing> KeyRing::detached(const crypto::RootKey& root, Entropy& entropy) {
  return std::unique_ptr<KeyRing>(new KeyRing(root, "", entropy));
}

Result<std::size_t> KeyRing::check(store::Reader& reader) const {
  std::size_t count = 0;
  for (KeyRow& plain : key_rows(reader)) {
    const Row row{std::move(plain)};
    if (row.state == "retired") continue;
    ++count;
    const SigningKey key = STINT_TRY(unseal(row));
    if (row.purpose != kLogPurpose) continue;
    // Whatever its name is: the name stands in no other place.
    const auto named = STINT_TRY(merkle::NoteKey::parse(row.public_half));
    if (STINT_TRY(public_half(key, row.purpose, named.name())) != row.public_half)
      return fail(Errc::kInternal, "stored public key is not the private key's");
  }
  if (reader.error()) return fail(*reader.error());
  return count;
}

Result<std::shared_ptr<const KeySet>> KeyRing::load(store::Reader& reader) const {
  const auto before = now();
  std::shared_ptr<KeySet> set(new KeySet);
  set->version_ = read_version(reader);
  std::vector<jose::Jwk> published;
  std::vector<std::string> revoked;
  for (KeyRow& plain : key_rows(reader)) {
    const Row row{std::move(plain)};
    set->all_.push_back(STINT_TRY(info_of(row)));
    if (row.revoked) revoked.push_back(row.kid);
    if (row.purpose != kTokenPurpose || row.state == "retired") continue;
    const auto open = [&]() -> Result<SigningKey> {
      if (before) {
        const auto at = std::ranges::find(before->keys_, row.kid, &SigningKey::kid);
        if (at != before->keys_.end()) return *at;
      }
      return unseal(row);
    };
    SigningKey key = STINT_TRY(open());
    published.push_back({key.key.public_key(), key.alg, key.kid});
    set->keys_.push_back(std::move(key));
  }
  if (reader.error()) return fail(*reader.error());
  auto jwks = STINT_TRY(jose::JwkSet::of(std::move(published)));
  jwks.revoke(std::move(revoked));
  set->public_keys_ = std::make_shared<const jose::JwkSet>(std::move(jwks));
  return std::shared_ptr<const KeySet>(std::move(set));
}

bool KeyRing::adopt(std::shared_ptr<const KeySet> set) {
  const std::lock_guard lock(adopting_);
  const auto before = now();
  if (before && before->version() > set->version()) return false;
  set_.store(std::move(set), std::memory_order_release);
  return true;
}

Status KeyRing::reload(store::Store& store) {
  adopt(STINT_TRY(store.read([this](store::Reader& reader) { return load(reader); })));
  return {};
}

Result<std::size_t> reseal_keys(store::Tx& tx, const crypto::RootKey& from,
                                const crypto::RootKey& to, Entropy& entropy) {
  const crypto::Sealer old_sealer(from, kSealed), new_sealer(to, kSealed);
  std::size_t count = 0;
  for (const KeyRow& row : key_rows(tx)) {
    if (row.state == "retired") continue;
    const std::string blob = STINT_TRY(
        old_sealer.reseal(row.sealed, new_sealer, place(row.purpose, row.alg, row.kid), entropy));
    tx.run(kReseal, row.kid, store::Blob{blob});
    ++count;
  }
  // As they will be read tomorrow.
  for (const KeyRow& row : key_rows(tx))
    if (row.state != "retired")
      STINT_TRY(new_sealer.open(row.sealed, place(row.purpose, row.alg, row.kid)));
  if (tx.error()) return fail(*tx.error());
  return count;
}

}  // namespace stint::keys
