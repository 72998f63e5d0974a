#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/root_key.h"
#include "stint/crypto/sign.h"

namespace stint::crypto {

// Seals secrets at rest: AES-256-GCM under a key derived (HKDF) from the root key for one purpose,
// so that a blob of one purpose never opens as another.
//
// Blob: version byte 1 | root key id, 4 bytes big endian | nonce 12 | ciphertext | tag 16. The
// header is authenticated with the caller's `aad`, which binds the blob to its place (kind, name,
// version): a blob moved to another row does not open. Nonces are random: fewer than 2^32 seals
// under one root key and purpose.
//
// Threads:   any, for const methods. Ownership: keeps a wiped copy of the derived key.
// Blocking:  never.
// Limits:    kMaxPlain bytes of plaintext, kMaxAad of aad.
// Errors:    seal: kTooLarge. open: kMalformed (too short), kTooLarge, kUnsupported (version),
//            kWrongKey (another root key), kBadSignature (altered, or another place or purpose).
class Sealer {
 public:
  static constexpr std::size_t kMaxPlain = 64 * 1024;
  static constexpr std::size_t kMaxAad = 1024;
  static constexpr std::size_t kOverhead = 1 + 4 + 12 + 16;

  // `purpose` is a literal of ours, such as "vault" or "signing-key".
  Sealer(const RootKey& root, std::string_view purpose);
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;
  ~Sealer();

  Result<std::string> seal(const Secret& plain, std::string_view aad, Entropy& entropy) const;
  Result<Secret> open(std::string_view blob, std::string_view aad) const;

  // A signing key, as PKCS#8 inside.
  Result<std::string> seal_key(const PrivateKey& key, std::string_view aad, Entropy& entropy) const;
  Result<PrivateKey> open_key(std::string_view blob, std::string_view aad, Alg alg) const;

  // HMAC-SHA-256 under a key of this sealer: tells whether an offered text is a secret that was
  // sealed, without opening any. Worth nothing to who does not have the root key.
  Digest fingerprint(const Secret& plain) const;
  Digest fingerprint(std::string_view offered) const;

  std::uint32_t root_id() const { return root_id_; }

  // A blob of this sealer as one of `to`, for the same place; opened again and compared before it
  // is returned. Errors: those of open() and seal().
  Result<std::string> reseal(std::string_view blob, const Sealer& to, std::string_view aad,
                             Entropy& entropy) const;

 private:
  std::array<std::uint8_t, 32> key_{};
  std::uint32_t root_id_ = 0;
};

}  // namespace stint::crypto
