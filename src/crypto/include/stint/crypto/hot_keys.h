#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "stint/base/error.h"
#include "stint/crypto/sign.h"

namespace stint::crypto {

// Precomputed P-256 tables for the public keys that are seen most: a verification with a table
// costs about half. A table is 152 KB and 15 ms of CPU, so it is built off the request path, and
// only for keys that proved themselves by that many good signatures: a stranger cannot buy one.
//
// Copies of a PublicKey share the table. Built without STINT_P256_TABLES, or for a key that is not
// P-256, everything here is a no-op and verification takes the ordinary way.
//
// Threads: any. Blocking: build() computes for ~15 ms; the rest never.
class HotKeys {
 public:
  static constexpr std::size_t kMaxTables = 128;
  static constexpr std::uint64_t kWorthIt = 1000;  // good signatures before a table pays

  explicit HotKeys(std::size_t capacity = kMaxTables);
  ~HotKeys();
  HotKeys(const HotKeys&) = delete;
  HotKeys& operator=(const HotKeys&) = delete;

  static bool available();

  // True once per key: when it has verified kWorthIt signatures and nobody was told yet. The
  // caller then hands the key to a background thread that calls build(). Cheap: one atomic read.
  static bool deserves_table(const PublicKey& key);

  // Builds the key's table now and keeps it; the table whose key verified least since the last
  // build goes when the set is full. Building twice is harmless.
  // Errors: kUnsupported (not P-256, or built without tables), kInternal.
  Status build(const PublicKey& key);

  // As build(), and the table is never evicted: for our own signing keys. Counts to the capacity;
  // kLimit when all places are pinned.
  Status build_pinned(const PublicKey& key);

  static bool has_table(const PublicKey& key);
  std::size_t size() const;

 private:
  struct Impl;
  Status add(const PublicKey& key, bool pinned);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::crypto
