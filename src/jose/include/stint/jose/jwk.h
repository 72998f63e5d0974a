#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/codec/json.h"
#include "stint/crypto/sign.h"

// Public keys as JSON (RFC 7517, 7518 section 6, 8037).
//
// Threads: any. Ownership: results keep no view of the input. Blocking: never.
namespace stint::jose {

// A public key that may verify signatures of one algorithm.
struct Jwk {
  crypto::PublicKey key;
  crypto::Alg alg;  // the "alg" member; when absent, crypto::default_alg
  std::string kid;  // empty when absent
};

// RFC 7638 with SHA-256, base64url. The member order and spelling are fixed, so one key has one.
std::string thumbprint(const crypto::PublicKey& key);

// Members that we do not know are ignored (RFC 7517 section 4); what says that the key is private,
// not for signatures or not for us is refused.
// Errors: those of json accessors, base64url and PublicKey::from_*; kMalformed "jwk kid";
// kUnsupported "jwk kty", "jwk crv", "jwk alg"; kWrongKey "jwk private member", "jwk use", "jwk
// key_ops", "jwk alg mismatch".
Result<Jwk> parse_public_jwk(const json::Object& jwk);
Result<Jwk> parse_public_jwk(std::string_view text);

// The members of the thumbprint alone: what goes into a DPoP proof.
json::Object bare_json(const crypto::PublicKey& key);
// The same with "kid", "alg" and "use":"sig", for publishing.
json::Object to_json(const Jwk& jwk);

// A private JWK (RFC 8037 A.1, RFC 7517 A.2 for P-256) with "d", for a client's own key file. RSA
// keys come as PKCS#8. Errors: as parse_public_jwk; kMissing "jwk d"; kWrongKey "jwk pair".
Result<crypto::PrivateKey> parse_private_jwk(std::string_view text);

// An immutable set of keys.
class JwkSet {
 public:
  static constexpr std::size_t kMaxKeys = 64;
  static constexpr std::size_t kMaxBytes = 256 * 1024;

  JwkSet() = default;  // verifies nothing
  // Errors: kConflict "jwks duplicate kid" (same kid and alg), kLimit "jwks keys".
  static Result<JwkSet> of(std::vector<Jwk> keys);

  // {"keys": […]}, every key usable: for keys that somebody registers with us.
  // Errors: those of parse_public_jwk and of(), kTooLarge, kMissing "jwks keys".
  static Result<JwkSet> parse(std::string_view text);
  // The same, passing over keys of a kind or use that we do not take (RFC 7517 section 5): for the
  // sets of other issuers. A private or malformed key still refuses the set.
  static Result<JwkSet> parse_of_issuer(std::string_view text);

  // The key with this kid and alg. Without a kid: the only key for that alg, if there is one.
  const Jwk* find(std::string_view kid, crypto::Alg alg) const;
  bool has_kid(std::string_view kid) const;

  // Names keys that were revoked, so that what they signed is refused for that reason. They verify
  // nothing and are not published: a kid that is also a key's is dropped from the keys.
  void revoke(std::vector<std::string> kids);
  bool is_revoked(std::string_view kid) const;

  std::span<const Jwk> keys() const { return keys_; }
  std::string to_json() const;

 private:
  std::vector<Jwk> keys_;
  std::vector<std::string> revoked_;
};

}  // namespace stint::jose
