#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/sign.h"
#include "stint/jose/key_cache.h"
#include "stint/jose/nonce.h"

// DPoP proofs (RFC 9449).
//
// Threads: any. Blocking: never. That there is exactly one DPoP header is the caller's check, and
// so is ReplayCache::once(proof.jkt, proof.jti, now), last.
namespace stint::jose {

inline constexpr std::chrono::seconds kProofMaxAge{60};  // unless max_age() says otherwise
inline constexpr std::chrono::seconds kProofFuture{30};  // clocks of clients run ahead
inline constexpr std::chrono::seconds kProofWindow = kProofMaxAge + kProofFuture;
inline constexpr std::size_t kMaxProof = 8 * 1024;

// What the proof must show. Views live through the call.
class DpopExpect {
 public:
  // At a token or PAR endpoint: no access token is presented and "ath" is not looked at.
  // `htu` is codec::normalise_htu of the URL that the client called.
  static DpopExpect without_token(std::string_view method, std::string_view htu, WallTime now);
  // With an access token: "ath" must be its hash, and the key the one it is bound to.
  // `token_digest` is crypto::sha256 of the compact token (VerifiedToken::digest()).
  static DpopExpect with_token(std::string_view method, std::string_view htu, WallTime now,
                               const crypto::Digest& token_digest, std::string_view jkt);

  // The proof must carry a nonce of ours. Borrows.
  DpopExpect& require_nonce(const DpopNonces& nonces);
  // The key must be this one (a refresh handle's, a dpop_jkt). Borrows.
  DpopExpect& require_key(std::string_view jkt);
  // A proof made longer ago is refused. The ReplayCache must remember for this and kProofFuture.
  DpopExpect& max_age(std::chrono::seconds age);

 private:
  friend Result<struct DpopProof> verify_proof(std::string_view, const DpopExpect&, KeyCache*);
  friend struct ProofCheck;
  DpopExpect() = default;
  std::string_view method_, htu_, jkt_;
  WallTime now_;
  std::optional<crypto::Digest> token_digest_;
  bool key_required_ = false;
  std::chrono::seconds max_age_ = kProofMaxAge;
  const DpopNonces* nonces_ = nullptr;
};

struct DpopProof {
  std::string jkt;  // RFC 7638 thumbprint of the key that signed
  std::string jti;
  WallTime iat;
  crypto::PublicKey key;
  bool stale_nonce = false;  // good, but of the previous bucket: send a new one with the reply
};

// Checks, in order, and their errors:
//   form (those of parse_compact; kTooLarge); typ dpop+jwt (kWrongType "dpop typ"); jwk there,
//   public, usable (kMissing "dpop jwk", those of parse_public_jwk); alg fits the key and its
//   "alg" (kWrongKey "dpop alg"); kid ignored; signature (kBadSignature "signature");
//   claims (those of json::parse_object; kMalformed "dpop claims": a wrong type);
//   jti of 1 to 128 bytes (kMissing, kTooLarge "dpop jti"); htm equal, case-sensitive
//   (kWrongMethod "dpop htm"); htu, normalised, equal (kWrongTarget "dpop htu"); iat in
//   [now - max_age, now + kProofFuture] (kExpired "dpop iat too old", kNotYetValid "dpop iat
//   in the future"); ath (kMissing "dpop ath", kWrongKey "dpop ath"); key (kWrongKey "dpop key");
//   nonce (kNonceRequired "dpop nonce").
// `cache` may be null.
Result<DpopProof> verify_proof(std::string_view proof, const DpopExpect& expect, KeyCache* cache);

// The client's side.
struct ProofRequest {
  std::string_view method;
  std::string_view htu;  // without query and fragment
  WallTime now;
  std::string_view jti;
  std::string_view access_token;  // empty: no "ath"
  std::string_view nonce;         // empty: no "nonce"
};
Result<std::string> make_proof(const crypto::PrivateKey& key, const ProofRequest& request);

}  // namespace stint::jose
