#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/sign.h"
#include "stint/jose/confirmation.h"
#include "stint/jose/jwk.h"
#include "stint/jose/status_list.h"

// Access tokens (RFC 9068) with the claims of a task.
//
// Threads: any. Ownership: values own their bytes. Blocking: never.
namespace stint::jose {

inline constexpr std::chrono::seconds kAccessTokenLeeway{30};  // for an iat or nbf ahead; exp: none
inline constexpr std::size_t kMaxAccessToken = 8 * 1024;
inline constexpr std::size_t kMaxActors = 8;
inline constexpr std::size_t kMaxAudiences = 16;

struct TaskClaim {
  TaskId id;
  WallTime opened;  // whole seconds on the wire
  WallTime deadline;
  std::string reference;         // left out when empty
  std::optional<TaskId> parent;  // left out when absent
  bool operator==(const TaskClaim&) const = default;
};

struct AccessToken {
  std::string iss, sub;
  std::vector<std::string> aud;  // one is written as a string
  WallTime exp, iat;             // whole seconds on the wire
  TokenId jti;
  std::string client_id;
  Confirmation cnf;
  std::vector<std::string> act;  // subjects, the current actor first; empty: none
  TaskClaim task;
  std::string authorization_details;  // JSON array as text; empty: none
  std::string scope;                  // left out when empty
  std::string acr;                    // left out when empty
  std::optional<WallTime> auth_time;
  std::optional<StatusReference> status;  // status.status_list
};

// Errors: kMalformed "token authorization_details" (not a JSON array), "token claims" (an empty
// required claim, both confirmations, exp not after iat, too many actors or audiences), kTooLarge
// "token too large", kInternal.
Result<std::string> sign_access_token(const AccessToken& token, std::string_view kid,
                                      const crypto::PrivateKey& key);

// SHA-256 of the compact text: names the token in caches, and is the value behind "ath".
crypto::Digest token_digest(std::string_view compact);

// Proof that a token passed every check of an AccessTokenVerifier; nothing else makes one. It says
// nothing about the task being alive, nor about the presenter holding the key.
// Copies share one immutable value: fit for a cache, whose reader calls check_time.
class VerifiedToken {
 public:
  const AccessToken& claims() const { return signed_->claims; }
  TaskId task() const { return claims().task.id; }
  const std::string& kid() const { return signed_->kid; }  // of the key that signed it
  const crypto::Digest& digest() const { return digest_; }

  // What a cached token must pass on each use. Errors: kExpired "token expired".
  Status check_time(WallTime now) const;

 private:
  friend class AccessTokenVerifier;
  struct Signed {
    AccessToken claims;
    std::string kid;
  };
  VerifiedToken(std::shared_ptr<const Signed> is, const crypto::Digest& digest)
      : signed_(std::move(is)), digest_(digest) {}
  std::shared_ptr<const Signed> signed_;
  crypto::Digest digest_;
};

// Checks, in order, and their errors: form and size (as parse_compact); typ at+jwt (kWrongType
// "token typ": an ID token or an assertion is not an access token); kid names no revoked key
// (kRevoked "the key that signed the token is revoked"); kid and alg name a key of ours (kWrongKey
// "jws unknown key"), signature (kBadSignature); iss (kWrongIssuer "token iss"); aud has
// ours (kWrongAudience "token aud"); iss sub aud exp iat jti client_id task present (kMissing) and
// well-formed (kMalformed "token claims"); expired (kExpired "token expired": no leeway, the clock
// is ours); iat not ahead (kNotYetValid).
//
// Threads:   any. Ownership: shares `keys`.
// Closed:    an empty issuer or audience is a programming error and refuses everything.
class AccessTokenVerifier {
 public:
  AccessTokenVerifier(std::string issuer, std::string audience, std::shared_ptr<const JwkSet> keys);
  Result<VerifiedToken> verify(std::string_view compact, WallTime now) const;
  // For the issuer's own endpoints (introspection, exchange), which take tokens for any audience.
  Result<VerifiedToken> verify_any_audience(std::string_view compact, WallTime now) const;
  // What a cached token must pass on each use: keys go. Errors: kRevoked, kWrongKey, as above.
  Status check_key(std::string_view kid) const;

 private:
  Result<VerifiedToken> check(std::string_view compact, WallTime now, bool any_audience) const;
  std::string issuer_, audience_;
  std::shared_ptr<const JwkSet> keys_;
};

}  // namespace stint::jose
