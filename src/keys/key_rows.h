#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/keys/key_set.h"
#include "stint/store/tx.h"

// The table signing_key, as both KeyRing and KeyChanges read it.
namespace stint::keys {

inline constexpr std::string_view kTokenPurpose = "token", kLogPurpose = "log";

struct KeyRow {
  std::string kid, purpose, alg, state, public_half, sealed;
  WallTime created;
  std::optional<WallTime> activates, activated, retires, retired, revoked;
  static KeyRow from_row(store::Row& r);
};

// All that are not retired, and the newest retired ones, by creation.
std::vector<KeyRow> key_rows(store::Reader& reader);
// Errors: kInternal "stored key of an unknown algorithm", "stored key of an unknown state".
Result<KeyInfo> info_of(const KeyRow& row);

// The version of all keys together. The first takes the lock of key changes too: where two
// transactions run at once, the second waits here for the first one's end.
std::uint64_t lock_version(store::Tx& tx);
std::uint64_t read_version(store::Reader& reader);
void write_version(store::Tx& tx, std::uint64_t version);

// What a sealed key is bound to.
std::string place(std::string_view purpose, std::string_view alg, std::string_view kid);

}  // namespace stint::keys
