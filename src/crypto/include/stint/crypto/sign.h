#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/entropy.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"

// Signatures in the formats of JWS (RFC 7518 section 3, RFC 8037). There is no MAC and no "none"
// here, so no confusion with them can happen.
namespace stint::crypto {

enum class Alg : std::uint8_t { kES256, kRS256, kEdDSA, kPS256 };
std::string_view text(Alg alg);                       // the JWS "alg" value
std::optional<Alg> parse_alg(std::string_view text);  // exact, case-sensitive

enum class KeyKind : std::uint8_t { kP256, kRsa, kEd25519 };

// The algorithm that a key of this kind signs with when nobody says otherwise: RS256 for RSA.
Alg default_alg(KeyKind kind);
bool fits(Alg alg, KeyKind kind);

// A public key, checked when it was made: on the curve, RSA of 2048 to 4096 bits with odd e in
// [3, 2^32), Ed25519 not of small order. Copies share one immutable key; copying is cheap.
//
// Threads:   any, for const methods.
// Ownership: keeps no view of what it was made from.
// Blocking:  never.
class PublicKey {
 public:
  // x and y are 32 bytes each, big endian (RFC 7518 section 6.2.1). Errors: kMalformed.
  static Result<PublicKey> from_p256(std::string_view x, std::string_view y);
  // Big endian without leading zero bytes (RFC 7518 section 6.3.1). Errors: kMalformed,
  // kUnsupported (size).
  static Result<PublicKey> from_rsa(std::string_view n, std::string_view e);
  // 32 bytes (RFC 8037 section 2). Errors: kMalformed.
  static Result<PublicKey> from_ed25519(std::string_view x);

  KeyKind kind() const;
  // Components, big endian, as given: (x, y), (n, e) or (x, "").
  std::string_view first() const;
  std::string_view second() const;

  // ES256: raw r || s, 64 bytes. RS256: PKCS#1 v1.5. PS256: PSS with a salt of 32 bytes. EdDSA:
  // 64 bytes. Uses the key's table when it has one (see hot_keys.h).
  // Errors: kWrongKey (alg does not fit the key), kBadSignature (all else).
  Status verify(Alg alg, std::string_view message, std::string_view signature) const;

  // Same key, by components. Public data: not constant time.
  bool operator==(const PublicKey& other) const;

  struct Impl;

 private:
  friend class HotKeys;
  friend class PrivateKey;
  explicit PublicKey(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// A private key. Copies share it; the last one wipes it.
//
// Threads: any, for const methods. Blocking: never; generate() of RSA takes ~0.1 s.
class PrivateKey {
 public:
  // P-256 and Ed25519 take their secret from `entropy`; RSA (2048 bits) and ECDSA nonces come from
  // the library's own generator.
  static Result<PrivateKey> generate(Alg alg, Entropy& entropy);

  // PKCS#8, DER or PEM (not encrypted). `alg` must fit the key. P-256, RSA and Ed25519 only.
  // Limit: 16 KiB. Errors: kTooLarge, kMalformed, kWrongKey, kUnsupported.
  static Result<PrivateKey> from_pkcs8(std::string_view der, Alg alg);
  static Result<PrivateKey> from_pem(std::string_view pem, Alg alg);
  // The 32-byte scalar or seed of a JWK's "d" (P-256, Ed25519). Errors: kMalformed, kUnsupported.
  static Result<PrivateKey> from_raw(std::string_view d, Alg alg);

  // PKCS#8 DER, for sealing.
  Secret to_pkcs8() const;
  // Plain PEM, for a key that its owner keeps in a file of mode 0600. The caller wipes the text.
  std::string export_plain_pem() const;

  Alg alg() const;
  const PublicKey& public_key() const;

  // The formats of PublicKey::verify. Errors: kInternal.
  Result<std::string> sign(std::string_view message) const;

  struct Impl;

 private:
  explicit PrivateKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  static Result<PrivateKey> adopt(void* pkey, Alg alg);  // owns an EVP_PKEY*, null refuses
  std::shared_ptr<const Impl> impl_;
};

}  // namespace stint::crypto
