#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"
#include "stint/crypto/root_key.h"

namespace stint::store {
class Store;
class Tx;
}

namespace stint::vault {

// Upstream credentials, sealed at rest (AES-256-GCM, bound to name and version). Keeps the sealed
// blobs in memory, so that a release costs no read of the database; opens one only to hand it out.
//
// Threads: any. put() is for the store's writer thread, inside a command.
class Vault {
 public:
  struct Opened {
    Secret secret;
    std::uint64_t version = 0;
  };

  static Result<std::unique_ptr<Vault>> open(store::Store& store, const crypto::RootKey& root,
                                             Entropy& entropy);
  virtual ~Vault() = default;

  // Seals before the transaction; the result goes into put(). Limit: Sealer::kMaxPlain.
  struct Sealed {
    std::string name;
    std::uint64_t version = 0;
    std::string blob;
    std::string mark;  // keyed digest of the value, for recognise()
  };
  virtual Result<Sealed> seal(std::string_view name, const Secret& value) = 0;
  // Writes the row inside the caller's transaction (which appends the event), and after the commit
  // installed() makes it the one that is released.
  virtual void put(store::Tx& tx, const Sealed& sealed, WallTime now) = 0;
  virtual void installed(const Sealed& sealed) = 0;
  virtual void retire(store::Tx& tx, std::string_view name) = 0;

  virtual std::optional<std::uint64_t> version(std::string_view name) const = 0;
  virtual Result<Opened> release(std::string_view name) const = 0;  // kNotFound, Sealer's
  // The name of the credential with this value, by keyed digest: for finding borrowed secrets.
  virtual std::optional<std::string> recognise(std::string_view offered) const = 0;
};

}  // namespace stint::vault
