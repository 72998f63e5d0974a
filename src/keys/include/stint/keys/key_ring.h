#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/crypto/root_key.h"
#include "stint/crypto/sealer.h"
#include "stint/crypto/sign.h"
#include "stint/jose/jwk.h"
#include "stint/keys/key_set.h"
#include "stint/store/store.h"

namespace stint::keys {

// The issuer's own keys: for each token algorithm (ES256, RS256, EdDSA) the one that signs, perhaps
// the next one, and former ones whose tokens still live; and the log's Ed25519 key. The first ones
// are made at the first start, in one transaction with their events. Sealed at rest under the root
// key, each bound to its name, purpose and algorithm.
//
// All state stands in the table signing_key and changes by KeyChanges. This holds what this process
// knows of it: a snapshot that readers take without waiting, replaced by adopt() or reload().
//
// Threads: any.
// Errors:  of open(), load() and reload(): kWrongKey (another root key, or a wrong passphrase),
//          kBadSignature (a sealed key was altered), kInternal (a public half that does not fit its
//          private one), the store's; of open() also kConflict "log origin differs from the log
//          key's".
class KeyRing {
 public:
  // `origin` names the log and its key (C2SP: the issuer's host name, say); it is fixed by the
  // first start. RSA takes ~0.1 s then. Borrows `entropy`.
  static Result<std::unique_ptr<KeyRing>> open(store::Store& store, const crypto::RootKey& root,
                                               std::string origin, Entropy& entropy, WallTime now);

  // One that belongs to no store: make() and check() alone are of use.
  static std::unique_ptr<KeyRing> detached(const crypto::RootKey& root, Entropy& entropy);

  std::shared_ptr<const KeySet> now() const { return set_.load(std::memory_order_acquire); }
  Result<SigningKey> signing_key(crypto::Alg alg) const { return now()->signing_key(alg); }
  std::shared_ptr<const jose::JwkSet> public_keys() const { return now()->public_keys(); }

  // The keys as `reader` sees them, which may be inside a transaction: adopt() then, once it is
  // committed. What is open here already is not opened again.
  Result<std::shared_ptr<const KeySet>> load(store::Reader& reader) const;
  // Opens every key that is not retired, the log's too, and compares it with what is published of
  // it. Returns how many. Errors: as open().
  Result<std::size_t> check(store::Reader& reader) const;
  // False, and nothing changes, for a set that is older than the present one.
  bool adopt(std::shared_ptr<const KeySet> set);
  // For followers of the feed: what is committed by now.
  Status reload(store::Store& store);

  // A key that is not in the store yet.
  struct Made {
    SigningKey key;
    std::string public_half, sealed;
  };
  // Slow for RSA (~0.1 s): on no event loop, and on no writer thread.
  Result<Made> make(crypto::Alg alg, WallTime now) const;

  // The log's key never changes: it is the log's identity (docs/adr/0014).
  const std::string& origin() const { return origin_; }
  const std::string& log_vkey() const { return log_vkey_; }  // C2SP verifier key
  const crypto::PrivateKey& log_key() const { return log_key_->key; }

 private:
  struct Row;
  KeyRing(const crypto::RootKey& root, std::string origin, Entropy& entropy);
  Result<SigningKey> unseal(const Row& row) const;
  Status open_log(const Row& row);
  Status make_missing(store::Store& store, const std::vector<Row>& rows, WallTime now);
  Result<Made> make(std::string_view purpose, crypto::Alg alg, WallTime now) const;

  const crypto::Sealer sealer_;
  const std::string origin_;
  Entropy& entropy_;
  std::string log_vkey_;
  std::unique_ptr<SigningKey> log_key_;
  std::mutex adopting_;
  std::atomic<std::shared_ptr<const KeySet>> set_;
};

// Seals every key that is not retired under another root key, in the caller's transaction. Returns
// how many. Errors: as KeyRing::load().
Result<std::size_t> reseal_keys(store::Tx& tx, const crypto::RootKey& from,
                                const crypto::RootKey& to, Entropy& entropy);

// The algorithms that tokens are signed with.
std::vector<crypto::Alg> token_algs();

}  // namespace stint::keys
