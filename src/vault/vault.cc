#include "stint/vault/vault.h"

#include <algorithm>
#include <utility>

namespace stint::vault {
namespace {

constexpr store::Sql kAll =
    "SELECT name, version, state = 'live', sealed FROM credential "
    "WHERE name > $1 ORDER BY name LIMIT 1000";
constexpr store::Sql kPut =
    "INSERT INTO credential (name, version, state, sealed, created, rotated) "
    "VALUES ($1, $2, 'live', $3, $4, $4) "
    "ON CONFLICT (name) DO UPDATE SET version = excluded.version, state = 'live', "
    "sealed = excluded.sealed, rotated = excluded.rotated "
    "WHERE credential.version < excluded.version";
constexpr store::Sql kRetire =
    "UPDATE credential SET state = 'retired', sealed = $2 WHERE name = $1";

struct CredentialRow {
  std::string name;
  std::uint64_t version;
  bool live;
  std::string sealed;
  static CredentialRow from_row(store::Row& r) {
    return {r.get<std::string>(), r.get<std::uint64_t>(), r.get<bool>(), r.get<std::string>()};
  }
};

constexpr std::string_view kSealed = "vault";  // what a sealer of values is for
constexpr store::Sql kReseal = "UPDATE credential SET sealed = $2 WHERE name = $1";

std::string place(std::string_view name, std::uint64_t version) {
  return "credential\n" + std::string(name) + "\n" + std::to_string(version);
}

}  // namespace

Vault::Vault(const crypto::RootKey& root, Entropy& entropy)
    : sealer_(root, kSealed), entropy_(entropy) {}

Result<std::unique_ptr<Vault>> Vault::open(store::Store& store, const crypto::RootKey& root,
                                           Entropy& entropy) {
  std::unique_ptr<Vault> vault(new Vault(root, entropy));
  STINT_TRY(vault->load(store));
  return vault;
}

Status Vault::load(store::Store& store) {
  std::string after;
  while (true) {
    const auto rows =
        STINT_TRY(store.read([&](store::Reader& r) { return r.rows<CredentialRow>(kAll, after); }));
    for (const CredentialRow& row : rows) {
      if (!row.live) {
        retired(row.name, row.version);
        continue;
      }
      const Secret secret = STINT_TRY(unseal(row.name, row.version, row.sealed));
      installed({row.name, row.version, row.sealed, sealer_.fingerprint(secret)});
    }
    if (rows.size() < 1000) return {};
    after = rows.back().name;
  }
}

Result<Secret> Vault::unseal(const std::string& name, std::uint64_t version,
                             std::string_view blob) const {
  return sealer_.open(blob, place(name, version));
}

Result<Vault::Sealed> Vault::seal(std::string_view name, const Secret& value) {
  if (value.size() == 0) return fail(Errc::kMalformed, "credential is empty");
  std::uint64_t version = 1;
  {
    const std::shared_lock lock(mutex_);
    if (const auto at = entries_.find(name); at != entries_.end()) version = at->second.version + 1;
  }
  std::string blob = STINT_TRY(sealer_.seal(value, place(name, version), entropy_));
  return Sealed{std::string(name), version, std::move(blob), sealer_.fingerprint(value)};
}

void Vault::put(store::Tx& tx, const Sealed& sealed, WallTime now) const {
  const auto changed = tx.run(kPut, sealed.name, sealed.version, store::Blob{sealed.blob}, now);
  if (changed == 0) tx.fail(Error{Errc::kConflict, "credential was changed meanwhile"});
}

void Vault::retire(store::Tx& tx, std::string_view name) const {
  tx.run(kRetire, name, store::Blob{""});
}

void Vault::installed(const Sealed& sealed) {
  const std::unique_lock lock(mutex_);
  Entry& entry = entries_[sealed.name];
  if (entry.version > sealed.version) return;  // a later one was faster
  if (entry.live) forget(entry.mark, sealed.name);
  entry = {sealed.version, true, sealed.blob, sealed.mark};
  by_mark_.emplace(sealed.mark, sealed.name);
}

void Vault::retired(const std::string& name, std::uint64_t version) {
  const std::unique_lock lock(mutex_);
  Entry& entry = entries_[name];
  if (entry.version > version) return;
  if (entry.live) forget(entry.mark, name);
  entry = {.version = version, .live = false, .blob = {}, .mark = {}};
}

void Vault::forget(const crypto::Digest& mark, std::string_view name) {
  const auto [first, last] = by_mark_.equal_range(mark);
  const auto at = std::find_if(first, last, [&](const auto& e) { return e.second == name; });
  if (at != last) by_mark_.erase(at);
}

void Vault::removed(std::string_view name) {
  const std::unique_lock lock(mutex_);
  const auto at = entries_.find(name);
  if (at == entries_.end() || !at->second.live) return;
  forget(at->second.mark, name);
  at->second.live = false;
  at->second.blob.clear();
}

std::optional<std::uint64_t> Vault::version(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto at = entries_.find(name);
  if (at == entries_.end() || !at->second.live) return std::nullopt;
  return at->second.version;
}

Result<Vault::Opened> Vault::release(std::string_view name) const {
  std::string blob;
  std::uint64_t version = 0;
  {
    const std::shared_lock lock(mutex_);
    const auto at = entries_.find(name);
    if (at == entries_.end() || !at->second.live) {
      return fail(Errc::kNotFound, "credential has no value");
    }
    blob = at->second.blob;
    version = at->second.version;
  }
  return Opened{version, STINT_TRY(unseal(std::string(name), version, blob))};
}

bool Vault::holds(const Sealed& sealed) const {
  const std::shared_lock lock(mutex_);
  const auto at = entries_.find(sealed.name);
  return at != entries_.end() && at->second.live && at->second.mark == sealed.mark;
}

std::optional<std::string> Vault::recognise(std::string_view offered) const {
  const crypto::Digest mark = sealer_.fingerprint(offered);
  const std::shared_lock lock(mutex_);
  const auto at = by_mark_.find(mark);
  if (at == by_mark_.end()) return std::nullopt;
  return at->second;
}

namespace {

// Calls f(row) with every live row, by name.
template <class F>
Status each_live(store::Reader& tx, F f) {
  std::string after;
  while (true) {
    const auto rows = tx.rows<CredentialRow>(kAll, after);
    for (const CredentialRow& row : rows)
      if (row.live) STINT_TRY(f(row));
    if (rows.size() < 1000) break;
    after = rows.back().name;
  }
  if (tx.error()) return fail(*tx.error());
  return {};
}

}  // namespace

Result<std::size_t> reseal(store::Tx& tx, const crypto::RootKey& from, const crypto::RootKey& to,
                           Entropy& entropy) {
  const crypto::Sealer old_sealer(from, kSealed), new_sealer(to, kSealed);
  std::size_t count = 0;
  STINT_TRY(each_live(tx, [&](const CredentialRow& row) -> Status {
    const std::string blob =
        STINT_TRY(old_sealer.reseal(row.sealed, new_sealer, place(row.name, row.version), entropy));
    tx.run(kReseal, row.name, store::Blob{blob});
    ++count;
    return {};
  }));
  STINT_TRY(each_live(tx, [&](const CredentialRow& row) -> Status {
    STINT_TRY(new_sealer.open(row.sealed, place(row.name, row.version)));
    return {};
  }));
  return count;
}

Result<std::size_t> check(store::Reader& reader, const crypto::RootKey& root) {
  const crypto::Sealer sealer(root, kSealed);
  std::size_t count = 0;
  STINT_TRY(each_live(reader, [&](const CredentialRow& row) -> Status {
    STINT_TRY(sealer.open(row.sealed, place(row.name, row.version)));
    ++count;
    return {};
  }));
  return count;
}

}  // namespace stint::vault
