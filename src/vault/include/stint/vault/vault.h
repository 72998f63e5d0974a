#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/root_key.h"
#include "stint/crypto/sealer.h"
#include "stint/store/store.h"

namespace stint::vault {

// Upstream credentials, sealed at rest with AES-256-GCM under the root key, each blob bound to its
// name and version: a row moved to another name, or an old row put back as a new version, does not
// open. Memory holds the sealed blobs; plaintext exists in what release() returns, for its life.
//
// Changes take two steps, so that they belong to the caller's transaction: seal() outside it, put()
// or retire() inside, then installed() or removed() once it is committed.
//
// Threads:  any. put() and retire() on the store's writer thread only.
// Blocking: open() on the database; the rest never.
// Limits:   a value of crypto::Sealer::kMaxPlain bytes; an empty one is refused.
// Errors:   kNotFound "credential has no value"; kWrongKey, kBadSignature (the blob does not open);
//           kTooLarge; kMalformed "credential is empty".
class Vault {
 public:
  // Opens every value once: a wrong root key is known at start-up, not at the first call.
  static Result<std::unique_ptr<Vault>> open(store::Store& store, const crypto::RootKey& root,
                                             Entropy& entropy);

  // A value on its way to the store. No secret is in it that the root key does not guard.
  struct Sealed {
    std::string name;
    std::uint64_t version;  // the one after the present
    std::string blob;
    crypto::Digest mark;  // keyed hash of the value; stays in memory
  };
  struct Opened {
    std::uint64_t version;
    Secret secret;
  };

  Result<Sealed> seal(std::string_view name, const Secret& value);

  // Fails the transaction with kConflict when another put of this or a later version came first.
  void put(store::Tx& tx, const Sealed& sealed, WallTime now) const;
  // The row stays, without its value, so that its version is never used again.
  void retire(store::Tx& tx, std::string_view name) const;

  // Reads the rows again: what another node put or retired. Errors: of open(); what was read before
  // the error stays.
  Status reload(store::Store& store) { return load(store); }

  // Whether this very value is the live one already: nothing to put then.
  bool holds(const Sealed& sealed) const;
  void installed(const Sealed& sealed);
  void removed(std::string_view name);

  // Of the live value; nullopt when there is none.
  std::optional<std::uint64_t> version(std::string_view name) const;
  Result<Opened> release(std::string_view name) const;

  // The credential whose live value this text is: an upstream's own secret offered to us. Constant
  // cost in the number of credentials; says nothing about texts that are close.
  std::optional<std::string> recognise(std::string_view offered) const;

 private:
  struct Entry {
    std::uint64_t version = 0;
    bool live = false;
    std::string blob;
    crypto::Digest mark{};
  };
  Vault(const crypto::RootKey& root, Entropy& entropy);
  Status load(store::Store& store);
  void retired(const std::string& name, std::uint64_t version);
  void forget(const crypto::Digest& mark, std::string_view name);  // under the lock
  Result<Secret> unseal(const std::string& name, std::uint64_t version,
                        std::string_view blob) const;

  const crypto::Sealer sealer_;
  Entropy& entropy_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::multimap<crypto::Digest, std::string> by_mark_;  // two names may hold one value
};

// Seals every live value under another root key, in the caller's transaction, and opens each again
// as it is read back. Returns how many. Errors: the vault's, the store's.
Result<std::size_t> reseal(store::Tx& tx, const crypto::RootKey& from, const crypto::RootKey& to,
                           Entropy& entropy);

// Opens every live value. Returns how many. Errors: the same.
Result<std::size_t> check(store::Reader& reader, const crypto::RootKey& root);

}  // namespace stint::vault
