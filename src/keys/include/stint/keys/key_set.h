#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/audit/event.h"
#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/crypto/sign.h"
#include "stint/jose/jwk.h"

namespace stint::keys {

// A key that signs tokens. Copies share the key.
struct SigningKey {
  std::string kid;  // RFC 7638 thumbprint
  crypto::Alg alg;
  crypto::PrivateKey key;
  WallTime created;
};

// next ──► live ──► former ──► retired; revoking leads to retired from anywhere.
enum class Stage : std::uint8_t {
  kNext,     // published, so that verifiers know it before it signs
  kLive,     // signs; published
  kFormer,   // signs no more; published while a token that it signed may live
  kRetired,  // not published, its private half is wiped
};
std::string_view text(Stage stage);

// What is known of one key, without the key. Times are of the past, but for `activates` of the next
// one and `retires` of a former one.
struct KeyInfo {
  std::string kid;
  audit::KeyUse use = audit::KeyUse::kToken;
  crypto::Alg alg = crypto::Alg::kES256;
  Stage stage = Stage::kLive;
  WallTime created;
  std::optional<WallTime> activates, activated, retires, retired, revoked;

  // Since when it signs.
  WallTime since() const { return activated.value_or(created); }
  bool operator==(const KeyInfo&) const = default;
};

// The issuer's keys at one moment. Immutable and shared: take one for each token, so that the key
// that signs and those that verify are of the same moment.
class KeySet {
 public:
  // The live one. Errors: kUnsupported for an algorithm that no token is signed with (PS256).
  Result<SigningKey> signing_key(crypto::Alg alg) const;

  // For verifiers, and for publishing (to_json()). Token keys only: next, live and former; it also
  // names those that were revoked.
  const std::shared_ptr<const jose::JwkSet>& public_keys() const { return public_keys_; }

  // All but the oldest retired ones, by creation; the log's key too.
  const std::vector<KeyInfo>& all() const { return all_; }
  const KeyInfo* find(std::string_view kid) const;  // nullptr: none of that name

  // Grows by one with each change of any key.
  std::uint64_t version() const { return version_; }

 private:
  friend class KeyRing;
  KeySet() = default;
  std::uint64_t version_ = 0;
  std::vector<KeyInfo> all_;
  std::vector<SigningKey> keys_;  // those of all() whose private half is there; token keys
  std::shared_ptr<const jose::JwkSet> public_keys_;
};

}  // namespace stint::keys
