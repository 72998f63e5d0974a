#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stint/authority/types.h"
#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/crypto/root_key.h"
#include "stint/keys/key_ring.h"
#include "stint/store/backup.h"

namespace stint::authority {

// What a store that was made of a backup must forget before anybody works with it (docs/adr/0018).
// The backup does not know what was closed, revoked or used up after it was taken, so nothing that
// was good then is good now:
//   - every sealed value opens under the root key, or nothing is restored;
//   - every signing key of tokens is revoked and replaced: no token of before counts, whenever it
//     was signed;
//   - every task that was open is closed as `revoked`, its handle and waiting approvals with it;
//   - status lists of before are served no more;
//   - assertions that may have been used before are refused from now on, by restored_at();
//   - leases are nobody's, with a greater fence.
// The log says so first, by server.restored.
//
// A store::RestoreStep: call step() until it returns false. Makes three keys when it is made
// (~0.1 s for RSA).
//
// Threads: one. Blocking: on the database.
// Errors:  kWrongKey "sealed under another root key", kBadSignature (a sealed value was altered),
//          kInternal (a public half that does not fit), the store's.
class AfterRestore {
 public:
  // `root` outlives it.
  static Result<AfterRestore> make(const crypto::RootKey& root, const store::BackupInfo& backup,
                                   Entropy& entropy, Actor actor, std::string version,
                                   WallTime now);

  Result<bool> step(store::Tx& tx);

  struct Done {
    std::size_t keys = 0, credentials = 0;  // sealed values that opened
    std::size_t revoked = 0, closed = 0;    // keys, tasks
  };
  const Done& done() const { return done_; }

 private:
  AfterRestore(const crypto::RootKey& root, Actor actor, WallTime now)
      : root_(root), actor_(std::move(actor)), now_(now) {}
  Status begin(store::Tx& tx);
  Status revoke_keys(store::Tx& tx);
  Result<bool> close_some(store::Tx& tx);

  const crypto::RootKey& root_;
  Actor actor_;
  WallTime now_;
  std::string version_;
  WallTime taken_;
  store::Seq size_ = 0;
  store::Hash backup_root_{};
  std::unique_ptr<keys::KeyRing> ring_;
  std::vector<keys::KeyRing::Made> made_;
  bool begun_ = false;
  Done done_;
};

// When the store was made of a backup; nullopt: never.
Result<std::optional<WallTime>> restored_at(store::Reader& reader);

}  // namespace stint::authority
