#include "stint/jose/client_assertion.h"

#include <algorithm>

#include "stint/jose/jwt.h"

namespace stint::jose {

Result<UnverifiedAssertion> UnverifiedAssertion::parse(std::string_view compact) {
  UnverifiedAssertion assertion(STINT_TRY(parse_compact(compact)));
  Claims claims = STINT_TRY(parse_claims(assertion.jws_.payload()));
  if (!claims.sub) return fail(Errc::kMissing, "assertion sub");
  assertion.claimed_ = std::move(*claims.sub);
  return assertion;
}

Result<ClientAssertion> verify_client_assertion(const UnverifiedAssertion& assertion,
                                                const JwkSet& keys, std::string_view audience,
                                                WallTime now) {
  const Header& header = assertion.jws_.header();
  // "client-authentication+jwt" is accepted and not yet required (rfc7523bis section 4).
  if (!header.typ.empty() && header.typ != "jwt" && header.typ != "client-authentication+jwt")
    return fail(Errc::kWrongType, "assertion typ");
  const Verified jws = STINT_TRY(verify(assertion.jws_, keys, all_algs()));
  const Claims claims = STINT_TRY(parse_claims(jws.payload()));

  if (!claims.iss) return fail(Errc::kMissing, "assertion iss");
  // A grant's assertion (RFC 7523 section 2.1) has another issuer: it authenticates no client.
  if (claims.iss != claims.sub || claims.sub != assertion.claimed_)
    return fail(Errc::kWrongIssuer, "assertion iss");
  if (claims.aud_is_array) return fail(Errc::kWrongAudience, "assertion aud array");
  if (claims.aud.empty()) return fail(Errc::kMissing, "assertion aud");
  if (audience.empty() || claims.aud.front() != audience)
    return fail(Errc::kWrongAudience, "assertion aud");
  if (!claims.jti) return fail(Errc::kMissing, "assertion jti");
  if (claims.jti->size() > kMaxJti) return fail(Errc::kTooLarge, "assertion jti");
  STINT_TRY(check_times(claims, now, {.past = kAssertionLeeway, .future = kAssertionLeeway}));
  if (*claims.exp > now + kAssertionMaxLife + kAssertionLeeway)
    return fail(Errc::kNotYetValid, "assertion exp too far");
  auto cnf = read_confirmation(claims.all);
  if (!cnf) return fail(Errc::kMalformed, "assertion cnf");
  const Jwk* const key = keys.find(header.kid, header.alg);
  // The same two limits, turned round.
  const WallTime by_exp = *claims.exp - kAssertionMaxLife - kAssertionLeeway;
  const WallTime usable_from =
      claims.iat ? std::max(by_exp, *claims.iat - kAssertionLeeway) : by_exp;
  return ClientAssertion{*claims.sub, *claims.jti,         *claims.exp,
                         usable_from, key ? key->kid : "", *std::move(cnf)};
}

Result<std::string> make_client_assertion(const crypto::PrivateKey& key, std::string_view kid,
                                          std::string_view client_id, std::string_view audience,
                                          std::string_view jti, WallTime now,
                                          std::chrono::seconds life) {
  json::Object claims;
  claims["iss"] = client_id;
  claims["sub"] = client_id;
  claims["aud"] = audience;
  claims["jti"] = jti;
  claims["iat"] = unix_seconds(now);
  claims["exp"] = unix_seconds(now + life);
  return sign({.typ = "client-authentication+jwt", .kid = kid}, json::write(claims), key);
}

}  // namespace stint::jose
