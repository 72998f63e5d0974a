#pragma once

#include <cstddef>
#include <string>

#include "stint/authority/types.h"
#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/crypto/root_key.h"
#include "stint/keys/root_source.h"
#include "stint/store/store.h"

namespace stint::authority {

struct Rewrapped {
  std::size_t keys = 0, credentials = 0;
  std::string from, to;  // public names of the root keys, 8 hex digits
};

// Seals everything that the store holds sealed under another root key: signing keys, credentials,
// and what the new root key itself needs kept. One transaction: after a crash the store is wholly
// the old one or wholly the new one. Each value is opened again under the new key, as it is read
// back, before the commit.
//
// For a store that nobody else has open (store::Options::alone): a service that runs keeps the old
// root key in memory. A node of a shared store that was cut off meanwhile, and comes back, hears of
// it before it writes anything, and does nothing more.
// Threads: any but the writer. Blocking: on the commit.
// Errors:  kConflict "other processes may have the store open", "the new root key is the old one";
// kWrongKey "sealed under another root key"
//          (`from` is not what this store is sealed under); kBadSignature; the store's.
Result<Rewrapped> rewrap(store::Store& store, const crypto::RootKey& from, const keys::NewRoot& to,
                         Entropy& entropy, const Actor& actor, WallTime now);

}  // namespace stint::authority
