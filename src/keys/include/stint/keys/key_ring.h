#pragma once

#include <memory>
#include <string>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/crypto/root_key.h"
#include "stint/crypto/sign.h"
#include "stint/jose/jwk.h"

namespace stint::store { class Store; }

namespace stint::keys {

// The service's own signing keys: one for access tokens per algorithm (ES256, RS256, EdDSA) and the
// Ed25519 key of the log. Made at the first start, sealed under the root key in the store.
//
// Threads:   any, for const methods. Ownership: holds the opened private keys; wiped at its end.
// Errors:    kWrongKey when the store was sealed under another root key.
class KeyRing {
 public:
  struct SigningKey {
    std::string kid;
    crypto::PrivateKey key;
  };

  // Loads, or makes and stores (with a key.created event each) what is missing. `origin` names the
  // log in its checkpoints and verifier key (C2SP signed-note key name). Blocks.
  static Result<std::unique_ptr<KeyRing>> open(store::Store& store, const crypto::RootKey& root,
                                               std::string origin, const Clock& clock,
                                               Entropy& entropy);
  virtual ~KeyRing() = default;

  virtual Result<SigningKey> signing_key(crypto::Alg alg) const = 0;        // kUnsupported
  virtual std::shared_ptr<const jose::JwkSet> public_keys() const = 0;      // to verify tokens
  virtual const crypto::PrivateKey& log_key() const = 0;
  virtual const std::string& origin() const = 0;
  virtual std::string log_vkey() const = 0;  // "<origin>+<hash>+<base64>", C2SP signed-note
};

}  // namespace stint::keys
