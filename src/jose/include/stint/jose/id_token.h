#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/jose/jwk.h"
#include "stint/jose/jws.h"

// ID tokens of trusted OIDC issuers (OpenID Connect Core section 3.1.3.7).
//
// Threads: any. Blocking: never. The subject is (iss, sub); e-mail and groups are what the issuer
// says and identify nobody.
namespace stint::jose {

inline constexpr std::chrono::seconds kIdTokenLeeway{60};  // both ways

struct IdTokenIssuer {
  std::string issuer;  // compared byte for byte
  JwkSet keys;
  std::vector<std::string> audiences;  // client ids of ours that may receive its tokens
};

class UnverifiedIdToken {
 public:
  // Errors: those of parse_compact and parse_claims; kMissing "id token iss".
  static Result<UnverifiedIdToken> parse(std::string_view compact);
  const std::string& claimed_issuer() const { return claimed_; }

 private:
  friend Result<struct IdToken> verify_id_token(const UnverifiedIdToken&, const IdTokenIssuer&,
                                                WallTime);
  explicit UnverifiedIdToken(Unverified&& jws) : jws_(std::move(jws)) {}
  Unverified jws_;
  std::string claimed_;
};

struct IdToken {
  std::string iss, sub;
  std::vector<std::string> aud;
  WallTime iat, exp;
  std::optional<WallTime> auth_time;
  std::optional<std::string> email;  // only with email_verified: true
  std::optional<std::string> name, nonce, acr, azp, jti;
  std::vector<std::string> groups, amr;
};

// Checks, in order: typ absent or JWT (kWrongType "id token typ": an access token, assertion or
// proof is not one); key and signature (as verify); iss (kWrongIssuer); sub of 1 to 255 bytes; aud
// has one of ours (kWrongAudience "id token aud"); with several audiences azp is required, and azp
// is one of ours when present (kWrongAudience "id token azp"); exp and iat required (kMissing),
// times (as check_times).
Result<IdToken> verify_id_token(const UnverifiedIdToken& token, const IdTokenIssuer& issuer,
                                WallTime now);
Result<IdToken> verify_id_token(std::string_view compact, const IdTokenIssuer& issuer,
                                WallTime now);

}  // namespace stint::jose
