#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/jose/confirmation.h"
#include "stint/jose/jwk.h"
#include "stint/jose/jws.h"

// Client authentication by private_key_jwt (RFC 7523 as updated by rfc7523bis).
//
// Threads: any. Blocking: never. The caller refuses a jti that it has seen until `exp` (see
// kMaxLife) and compares client_id with the request's, when that has one.
namespace stint::jose {

inline constexpr std::chrono::seconds kAssertionMaxLife{300};
inline constexpr std::chrono::seconds kAssertionLeeway{30};  // both ways
inline constexpr std::size_t kMaxJti = 128;

// Read, not checked: enough to find whose keys to check with.
class UnverifiedAssertion {
 public:
  // Errors: those of parse_compact and parse_claims; kMissing "assertion sub".
  static Result<UnverifiedAssertion> parse(std::string_view compact);
  const std::string& claimed_client_id() const { return claimed_; }

 private:
  friend Result<struct ClientAssertion> verify_client_assertion(const UnverifiedAssertion&,
                                                                const JwkSet&, std::string_view,
                                                                WallTime);
  explicit UnverifiedAssertion(Unverified&& jws) : jws_(std::move(jws)) {}
  Unverified jws_;
  std::string claimed_;
};

struct ClientAssertion {
  std::string client_id;
  std::string jti;
  WallTime exp;
  WallTime usable_from;  // before this we would have refused it, by its iat and its exp
  std::string kid;       // of the registered key that verified
  Confirmation cnf;      // the key of the instance that it speaks for, when it names one
};

// `keys` are those registered for claimed_client_id(); each pins its algorithm. `audience` is our
// issuer identifier.
// Checks, in order, and their errors: typ absent, JWT or client-authentication+jwt (kWrongType
// "assertion typ"); key and signature (as verify); iss = sub = claimed client (kWrongIssuer
// "assertion iss", kMissing); aud the issuer as one string (kWrongAudience "assertion aud array",
// "assertion aud"; kMissing "assertion aud"); jti of 1 to 128 bytes (kMissing "assertion jti",
// kTooLarge "assertion jti"); times (as check_times), exp at most kAssertionMaxLife + leeway ahead
// (kNotYetValid "assertion exp too far"); cnf absent or well-formed (kMalformed "assertion cnf").
Result<ClientAssertion> verify_client_assertion(const UnverifiedAssertion& assertion,
                                                const JwkSet& keys, std::string_view audience,
                                                WallTime now);

// For the client's side: an assertion that is valid for `life` from now.
Result<std::string> make_client_assertion(const crypto::PrivateKey& key, std::string_view kid,
                                          std::string_view client_id, std::string_view audience,
                                          std::string_view jti, WallTime now,
                                          std::chrono::seconds life);

}  // namespace stint::jose
