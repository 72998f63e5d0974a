#pragma once

#include <string>

#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/crypto/root_key.h"
#include "stint/keys/root_source.h"
#include "stint/store/store.h"

// A root key that a PKCS#11 token guards (OASIS PKCS#11 2.40, through p11-kit). The token holds an
// AES key that does not leave it; the store keeps the root key wrapped by it (CKM_AES_GCM, in
// meta). At start the token unwraps it, and is left alone from then on: no request waits for a
// token.
namespace stint::keys {

struct Pkcs11Source {
  std::string uri;     // RFC 7512: names one token and one AES key in it, by object or id
  std::string module;  // whole path of the library to load
};

// The PIN is wiped, and tried once: tokens count wrong ones. `create`: where the store is new,
// makes a root key and keeps it wrapped.
//
// Threads:  any; one at a time for one module. Blocking: on the token.
// Errors:   kMissing "PKCS#11 module is missing"; kUnsupported "PKCS#11 module cannot be loaded";
//           kMalformed "not a PKCS#11 URI (RFC 7512)", "the PKCS#11 URI names no object", "the PIN
//           does not belong in the PKCS#11 URI"; kNotFound "no such PKCS#11 token", "the PKCS#11
//           token has no such AES key"; kConflict "several PKCS#11 tokens match", "several PKCS#11
//           keys match"; kDenied "the PKCS#11 PIN is wrong", "the PKCS#11 PIN is locked"; kWrongKey
//           "the PKCS#11 key does not open the store's root key"; kMissing "the store keeps no root
//           key for a PKCS#11 token"; kIo "the PKCS#11 token failed"; the store's.
Result<crypto::RootKey> root_key_from_pkcs11(const Pkcs11Source& source, std::string&& pin,
                                             store::Store& store, bool create, Entropy& entropy);

// Of what a backup keeps; nothing is made. Errors: as above.
Result<crypto::RootKey> root_key_from_pkcs11(const Pkcs11Source& source, std::string&& pin,
                                             const KeptRoot& kept);

// Makes a root key and has it wrapped; put_root() keeps it. Errors: as above.
Result<NewRoot> new_root_from_pkcs11(const Pkcs11Source& source, std::string&& pin,
                                     Entropy& entropy);

}  // namespace stint::keys
