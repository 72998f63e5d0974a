#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ossl.h"
#include "p256_table.h"
#include "stint/crypto/sign.h"

namespace stint::crypto {

// Initialised EVP_PKEY_CTXs of one key, one operation and one algorithm: making one costs as much
// as a hash, and each serves one thread at a time.
class CtxPool {
 public:
  // A pooled context, or null: the caller then makes one.
  PkeyCtx take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return nullptr;
    PkeyCtx ctx = std::move(free_.back());
    free_.pop_back();
    return ctx;
  }
  void give(PkeyCtx ctx) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKept) free_.push_back(std::move(ctx));
  }

 private:
  static constexpr std::size_t kKept = 8;
  std::mutex mutex_;
  std::vector<PkeyCtx> free_;
};

struct PublicKey::Impl {
  KeyKind kind;
  std::string first, second;
  Pkey pkey;  // null for Ed25519, which is libsodium's

  CtxPool pools[2];  // [1] for PS256

  // Verified signatures, counted for P-256; when they reach `due` the key has earned a table.
  std::atomic<std::uint64_t> good{0};
  std::atomic<std::uint64_t> due{0};

  std::shared_ptr<const P256Table> table() const {
    if (!has_table.load(std::memory_order_acquire)) return nullptr;
    const std::lock_guard lock(table_mutex);
    return table_;
  }
  void set_table(std::shared_ptr<const P256Table> table) {
    const std::lock_guard lock(table_mutex);
    table_ = std::move(table);
    has_table.store(table_ != nullptr, std::memory_order_release);
  }

  std::atomic<bool> has_table{false};
  mutable std::mutex table_mutex;
  std::shared_ptr<const P256Table> table_;
};

// Sets padding and digest of an RSA context; nothing to do for EC, whose input is the hash.
bool configure(EVP_PKEY_CTX* ctx, Alg alg);

// A checked public key from the parts of an EVP_PKEY. Errors: kUnsupported.
Result<PublicKey> public_key_of(EVP_PKEY* pkey);

}  // namespace stint::crypto
