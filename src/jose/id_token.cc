#include "stint/jose/id_token.h"

#include <algorithm>

#include "stint/jose/jwt.h"

namespace stint::jose {

namespace {

constexpr Limits kLimits{.bytes = 16 * 1024};  // groups make ID tokens long
constexpr std::size_t kMaxNames = 1024;
constexpr std::size_t kMaxSub = 255;  // OpenID Connect Core section 2

Result<std::optional<std::string>> text_at(const json::Object& claims, std::string_view name) {
  const auto got = STINT_TRY(json::optional_string_at(claims, name));
  if (!got) return std::optional<std::string>();
  return std::optional<std::string>(*got);
}

Result<std::vector<std::string>> names_at(const json::Object& claims, std::string_view name) {
  const json::Array* const got = STINT_TRY(json::optional_array_at(claims, name));
  if (got == nullptr) return std::vector<std::string>();
  if (got->size() > kMaxNames) return fail(Errc::kTooLarge, "id token list");
  return json::strings(*got);
}

Status check_audience(const Claims& claims, const std::optional<std::string>& azp,
                      const std::vector<std::string>& ours) {
  const auto is_ours = [&ours](const std::string& name) {
    return std::ranges::find(ours, name) != ours.end();
  };
  if (std::ranges::none_of(claims.aud, is_ours)) return fail(Errc::kWrongAudience, "id token aud");
  if ((claims.aud.size() > 1 && !azp) || (azp && !is_ours(*azp)))
    return fail(Errc::kWrongAudience, "id token azp");
  return {};
}

Result<std::optional<WallTime>> auth_time_at(const json::Object& claims) {
  const auto seconds = STINT_TRY(json::optional_int_at(claims, "auth_time"));
  if (!seconds) return std::optional<WallTime>();
  if (*seconds < 0 || *seconds > 253'402'300'799) return fail(Errc::kMalformed, "jwt time");
  return std::optional(from_unix_seconds(*seconds));
}

// What the issuer says of the person; none of it identifies.
Status read_profile(const json::Object& claims, IdToken& token) {
  token.auth_time = STINT_TRY(auth_time_at(claims));
  token.name = STINT_TRY(text_at(claims, "name"));
  token.nonce = STINT_TRY(text_at(claims, "nonce"));
  token.acr = STINT_TRY(text_at(claims, "acr"));
  token.groups = STINT_TRY(names_at(claims, "groups"));
  token.amr = STINT_TRY(names_at(claims, "amr"));
  // An address that the issuer did not verify is a stranger's claim.
  const json::Value* const verified = claims.if_contains("email_verified");
  if (verified != nullptr && verified->is_bool() && verified->get_bool())
    token.email = STINT_TRY(text_at(claims, "email"));
  return {};
}

}  // namespace

Result<UnverifiedIdToken> UnverifiedIdToken::parse(std::string_view compact) {
  UnverifiedIdToken token(STINT_TRY(parse_compact(compact, kLimits)));
  Claims claims = STINT_TRY(parse_claims(token.jws_.payload()));
  if (!claims.iss) return fail(Errc::kMissing, "id token iss");
  token.claimed_ = std::move(*claims.iss);
  return token;
}

Result<IdToken> verify_id_token(const UnverifiedIdToken& token, const IdTokenIssuer& issuer,
                                WallTime now) {
  const Header& header = token.jws_.header();
  if (!header.typ.empty() && header.typ != "jwt") return fail(Errc::kWrongType, "id token typ");
  const Verified jws = STINT_TRY(verify(token.jws_, issuer.keys, all_algs()));
  Claims claims = STINT_TRY(parse_claims(jws.payload()));
  if (issuer.issuer.empty() || claims.iss != issuer.issuer)
    return fail(Errc::kWrongIssuer, "id token iss");
  if (!claims.sub) return fail(Errc::kMissing, "id token sub");
  if (claims.sub->size() > kMaxSub) return fail(Errc::kTooLarge, "id token sub");
  if (claims.aud.empty()) return fail(Errc::kMissing, "id token aud");
  auto azp = STINT_TRY(text_at(claims.all, "azp"));
  STINT_TRY(check_audience(claims, azp, issuer.audiences));
  if (!claims.iat) return fail(Errc::kMissing, "id token iat");
  STINT_TRY(check_times(claims, now, {.past = kIdTokenLeeway, .future = kIdTokenLeeway}));

  IdToken out;
  out.iss = std::move(*claims.iss);
  out.sub = std::move(*claims.sub);
  out.aud = std::move(claims.aud);
  out.iat = *claims.iat;
  out.exp = *claims.exp;
  out.azp = std::move(azp);
  out.jti = std::move(claims.jti);
  STINT_TRY(read_profile(claims.all, out));
  return out;
}

Result<IdToken> verify_id_token(std::string_view compact, const IdTokenIssuer& issuer,
                                WallTime now) {
  return verify_id_token(STINT_TRY(UnverifiedIdToken::parse(compact)), issuer, now);
}

}  // namespace stint::jose
