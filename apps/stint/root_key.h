#pragma once

#include <string>

#include "failure.h"
#include "stint/base/entropy.h"
#include "stint/keys/root_source.h"
#include "stint/resource/config.h"
#include "stint/store/store.h"

namespace stint::cli {

// The root key that a configuration names, as `stint serve` takes it: read from its file, from the
// systemd credential, from the passphrase (typed at a terminal, else one line of stdin), or
// unwrapped by a PKCS#11 token. Made on the first start where the configuration says so.
//
// Threads: one. Blocking: on files, stdin and the token; a passphrase ~0.2 s.
// Errors:  those of root_source.h and pkcs11_root.h, each a sentence with what to do.
Outcome<crypto::RootKey> take_root_key(const resource::Config::RootKey& config,
                                       const std::string& home, store::Store& store,
                                       Entropy& entropy);

// The root key that a backup is sealed under, from what it keeps for it. Nothing is made. Errors:
// as above.
Outcome<crypto::RootKey> take_kept_root_key(const resource::Config::RootKey& config,
                                            const std::string& home, const keys::KeptRoot& kept);

// A root key to seal everything anew under, with what the store must keep for it (salt or wrapped
// key). Nothing is written but a new key file; a passphrase is typed twice at a terminal. Errors:
// as above; that the two differ.
Outcome<keys::NewRoot> take_new_root_key(const resource::Config::RootKey& config,
                                         const std::string& home, Entropy& entropy);

}  // namespace stint::cli
