#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/crypto/root_key.h"
#include "stint/crypto/sign.h"
#include "stint/jose/jwk.h"
#include "stint/store/store.h"

namespace stint::keys {

// A key that signs tokens. Copies share the key.
struct SigningKey {
  std::string kid;  // RFC 7638 thumbprint
  crypto::Alg alg;
  crypto::PrivateKey key;
  WallTime created;
};

// The issuer's own keys: one of each token algorithm (ES256, RS256, EdDSA) and the log's Ed25519
// key. Made at the first start, in one transaction with their events; sealed at rest under the root
// key, each bound to its name, purpose and algorithm.
//
// Threads: any, for const methods: immutable after open().
// Errors:  of open(): kWrongKey (another root key, or a wrong passphrase), kBadSignature (a sealed
//          key was altered), kConflict "log origin differs from the log key's", kInternal (a public
//          half that does not fit its private one), the store's.
class KeyRing {
 public:
  // `origin` names the log and its key (C2SP: the issuer's host name, say); it is fixed by the
  // first start. RSA takes ~0.1 s then.
  static Result<std::unique_ptr<KeyRing>> open(store::Store& store, const crypto::RootKey& root,
                                               std::string origin, Entropy& entropy, WallTime now);

  // Errors: kUnsupported for an algorithm that no token is signed with (PS256).
  Result<SigningKey> signing_key(crypto::Alg alg) const;

  // For verifiers, and for publishing (to_json()). Token keys only.
  std::shared_ptr<const jose::JwkSet> public_keys() const { return public_keys_; }

  const std::string& origin() const { return origin_; }
  const std::string& log_vkey() const { return log_vkey_; }  // C2SP verifier key
  const crypto::PrivateKey& log_key() const { return log_key_->key; }

 private:
  KeyRing() = default;
  std::string origin_, log_vkey_;
  std::vector<SigningKey> keys_;
  std::unique_ptr<SigningKey> log_key_;
  std::shared_ptr<const jose::JwkSet> public_keys_;
};

}  // namespace stint::keys
