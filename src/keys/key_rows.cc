#include "key_rows.h"

#include <algorithm>
#include <charconv>

namespace stint::keys {
namespace {

// JwkSet::kMaxKeys bounds the published ones; of the retired ones a list needs the newest.
constexpr store::Sql kCurrent =
    "SELECT kid, purpose, alg, state, public, sealed, created, activates, activated, retires, "
    "retired, revoked FROM signing_key WHERE state <> 'retired' ORDER BY created, kid LIMIT 200";
constexpr store::Sql kRetired =
    "SELECT kid, purpose, alg, state, public, sealed, created, activates, activated, retires, "
    "retired, revoked FROM signing_key WHERE state = 'retired' "
    "ORDER BY retired DESC, kid LIMIT 200";
constexpr store::Sql kVersion = "SELECT value FROM meta WHERE key = 'keys_version'";
// Changes nothing but takes the row, which orders all changes of keys.
constexpr store::Sql kLock =
    "INSERT INTO meta (key, value) VALUES ('keys_version', $1) "
    "ON CONFLICT (key) DO UPDATE SET value = meta.value";
constexpr store::Sql kPutVersion = "UPDATE meta SET value = $1 WHERE key = 'keys_version'";

}  // namespace

KeyRow KeyRow::from_row(store::Row& r) {
  return {.kid = r.get<std::string>(),
          .purpose = r.get<std::string>(),
          .alg = r.get<std::string>(),
          .state = r.get<std::string>(),
          .public_half = r.get<std::string>(),
          .sealed = r.get<std::string>(),
          .created = r.get<WallTime>(),
          .activates = r.get<std::optional<WallTime>>(),
          .activated = r.get<std::optional<WallTime>>(),
          .retires = r.get<std::optional<WallTime>>(),
          .retired = r.get<std::optional<WallTime>>(),
          .revoked = r.get<std::optional<WallTime>>()};
}

std::vector<KeyRow> key_rows(store::Reader& reader) {
  auto rows = reader.rows<KeyRow>(kCurrent);
  for (auto& row : reader.rows<KeyRow>(kRetired)) rows.push_back(std::move(row));
  std::ranges::sort(rows, {}, [](const KeyRow& r) { return std::pair(r.created, r.kid); });
  return rows;
}

Result<KeyInfo> info_of(const KeyRow& row) {
  const auto alg = crypto::parse_alg(row.alg);
  if (!alg) return fail(Errc::kInternal, "stored key of an unknown algorithm");
  KeyInfo info{.kid = row.kid,
               .use = row.purpose == kLogPurpose ? audit::KeyUse::kLog : audit::KeyUse::kToken,
               .alg = *alg,
               .created = row.created,
               .activates = row.activates,
               .activated = row.activated,
               .retires = row.retires,
               .retired = row.retired,
               .revoked = row.revoked};
  if (row.state == "live") {
    info.stage = Stage::kLive;
  } else if (row.state == "published") {
    info.stage = row.activated ? Stage::kFormer : Stage::kNext;
  } else if (row.state == "retired") {
    info.stage = Stage::kRetired;
  } else {
    return fail(Errc::kInternal, "stored key of an unknown state");
  }
  return info;
}

std::uint64_t read_version(store::Reader& reader) {
  std::uint64_t version = 0;
  if (const auto text = reader.one<std::string>(kVersion))
    std::from_chars(text->data(), text->data() + text->size(), version);
  return version;
}

std::uint64_t lock_version(store::Tx& tx) {
  tx.run(kLock, store::Blob{"0"});
  return read_version(tx);
}

void write_version(store::Tx& tx, std::uint64_t version) {
  const std::string text = std::to_string(version);
  tx.run(kPutVersion, store::Blob{text});
}

std::string place(std::string_view purpose, std::string_view alg, std::string_view kid) {
  std::string out = "signing key\n";
  for (const std::string_view part : {purpose, alg, kid}) out.append(part).push_back('\n');
  return out;
}

}  // namespace stint::keys
