#include "stint/keys/key_ring.h"

#include <algorithm>
#include <array>
#include <utility>

#include "stint/audit/event.h"
#include "stint/codec/json.h"
#include "stint/crypto/sealer.h"
#include "stint/merkle/note.h"

namespace stint::keys {
namespace {

constexpr store::Sql kLive =
    "SELECT kid, purpose, alg, public, sealed, created FROM signing_key WHERE state = 'live' "
    "ORDER BY created, kid LIMIT 100";
constexpr store::Sql kInsert =
    "INSERT INTO signing_key (kid, purpose, alg, state, public, sealed, created) "
    "VALUES ($1, $2, $3, 'live', $4, $5, $6)";

struct Need {
  std::string_view purpose;
  crypto::Alg alg;
};
constexpr std::array kNeeds{Need{"token", crypto::Alg::kES256}, Need{"token", crypto::Alg::kRS256},
                            Need{"token", crypto::Alg::kEdDSA}, Need{"log", crypto::Alg::kEdDSA}};

struct KeyRow {
  std::string kid, purpose, alg, public_half, sealed;
  WallTime created;
  static KeyRow from_row(store::Row& r) {
    return {r.get<std::string>(), r.get<std::string>(), r.get<std::string>(),
            r.get<std::string>(), r.get<std::string>(), r.get<WallTime>()};
  }
};

std::string place(std::string_view purpose, std::string_view alg, std::string_view kid) {
  std::string out = "signing key\n";
  for (const std::string_view part : {purpose, alg, kid}) out.append(part).push_back('\n');
  return out;
}

Result<std::string> public_half(const SigningKey& key, std::string_view purpose,
                                const std::string& origin) {
  if (purpose == "log") {
    return STINT_TRY(merkle::NoteKey::make(origin, key.key.public_key())).str();
  }
  return json::canonical(jose::to_json({key.key.public_key(), key.alg, key.kid}));
}

Result<SigningKey> make(const Need& need, Entropy& entropy, WallTime now) {
  auto key = STINT_TRY(crypto::PrivateKey::generate(need.alg, entropy));
  return SigningKey{jose::thumbprint(key.public_key()), need.alg, std::move(key), now};
}

Status insert(store::Store& store, const crypto::Sealer& sealer, const std::string& origin,
              const std::vector<std::pair<Need, SigningKey>>& made, Entropy& entropy) {
  std::vector<std::pair<std::string, std::string>> texts;  // public half, sealed
  for (const auto& [need, key] : made) {
    texts.emplace_back(
        STINT_TRY(public_half(key, need.purpose, origin)),
        STINT_TRY(sealer.seal_key(key.key, place(need.purpose, text(need.alg), key.kid), entropy)));
  }
  return store.write_sync([&](store::Tx& tx) -> Status {
    for (std::size_t i = 0; i < made.size(); ++i) {
      const auto& [need, key] = made[i];
      const auto& [half, sealed] = texts[i];
      tx.run(kInsert, key.kid, need.purpose, text(need.alg), half, store::Blob{sealed},
             key.created);
      const bool log = need.purpose == "log";
      const audit::AnyEvent event =
          audit::KeyCreated{.kid = key.kid,
                            .alg = need.alg,
                            .use = log ? audit::KeyUse::kLog : audit::KeyUse::kToken,
                            .public_key = log ? half : key.kid};
      tx.append({.kind = audit::kind(event),
                 .task = std::nullopt,
                 .bytes = STINT_TRY(audit::encode(key.created, event)),
                 .time = key.created});
    }
    return {};
  });
}

Result<SigningKey> unseal(const KeyRow& row, const crypto::Sealer& sealer) {
  const auto alg = crypto::parse_alg(row.alg);
  if (!alg) return fail(Errc::kInternal, "stored key of an unknown algorithm");
  auto key = STINT_TRY(sealer.open_key(row.sealed, place(row.purpose, row.alg, row.kid), *alg));
  if (jose::thumbprint(key.public_key()) != row.kid) {
    return fail(Errc::kInternal, "stored key is not the one of its name");
  }
  return SigningKey{row.kid, *alg, std::move(key), row.created};
}

Result<std::vector<KeyRow>> load(store::Store& store) {
  return store.read([](store::Reader& r) { return r.rows<KeyRow>(kLive); });
}

}  // namespace

Result<std::unique_ptr<KeyRing>> KeyRing::open(store::Store& store, const crypto::RootKey& root,
                                               std::string origin, Entropy& entropy, WallTime now) {
  const crypto::Sealer sealer(root, "signing-key");
  std::vector<KeyRow> rows = STINT_TRY(load(store));
  std::vector<std::pair<Need, SigningKey>> made;
  for (const Need& need : kNeeds) {
    const bool there = std::ranges::any_of(rows, [&](const KeyRow& row) {
      return row.purpose == need.purpose && row.alg == text(need.alg);
    });
    if (!there) made.emplace_back(need, STINT_TRY(make(need, entropy, now)));
  }
  // Those that are there open first: under a wrong root key nothing new is made.
  std::unique_ptr<KeyRing> ring(new KeyRing);
  ring->origin_ = std::move(origin);
  for (const KeyRow& row : rows) STINT_TRY(unseal(row, sealer));
  if (!made.empty()) {
    STINT_TRY(insert(store, sealer, ring->origin_, made, entropy));
    rows = STINT_TRY(load(store));
  }
  // What was just written is read back and opened like any other: it must be usable tomorrow.
  std::vector<jose::Jwk> published;
  for (const KeyRow& row : rows) {
    SigningKey key = STINT_TRY(unseal(row, sealer));
    const std::string half = STINT_TRY(public_half(key, row.purpose, ring->origin_));
    if (row.purpose == "log") {
      if (half != row.public_half) {
        return fail(Errc::kConflict, "log origin differs from the log key's");
      }
      ring->log_vkey_ = half;
      ring->log_key_ = std::make_unique<SigningKey>(std::move(key));
      continue;
    }
    if (half != row.public_half) {
      return fail(Errc::kInternal, "stored public key is not the private key's");
    }
    published.push_back({key.key.public_key(), key.alg, key.kid});
    ring->keys_.push_back(std::move(key));
  }
  ring->public_keys_ =
      std::make_shared<const jose::JwkSet>(STINT_TRY(jose::JwkSet::of(std::move(published))));
  return ring;
}

Result<SigningKey> KeyRing::signing_key(crypto::Alg alg) const {
  // The newest, when there are several.
  for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
    if (key->alg == alg) return *key;
  }
  return fail(Errc::kUnsupported, "no key signs with this algorithm");
}

}  // namespace stint::keys
