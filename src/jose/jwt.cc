#include "stint/jose/jwt.h"

#include <cmath>

namespace stint::jose {

namespace {

constexpr std::int64_t kLastSecond = 253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr std::size_t kMaxClaimAudiences = 64;
constexpr std::size_t kMaxPayload = 32 * 1024;

Result<std::optional<std::string>> text_at(const json::Object& claims, std::string_view name) {
  const json::Value* const v = claims.if_contains(name);
  if (v == nullptr) return std::optional<std::string>();
  if (!v->is_string() || v->get_string().empty()) return fail(Errc::kMalformed, "jwt claim type");
  return std::optional<std::string>(std::string(v->get_string()));
}

Result<std::optional<WallTime>> time_at(const json::Object& claims, std::string_view name) {
  const json::Value* const v = claims.if_contains(name);
  if (v == nullptr) return std::optional<WallTime>();
  if (v->is_int64()) {
    if (v->get_int64() < 0 || v->get_int64() > kLastSecond)
      return fail(Errc::kMalformed, "jwt time");
    return std::optional(from_unix_seconds(v->get_int64()));
  }
  if (v->is_double()) {
    const double d = v->get_double();
    if (!(d >= 0 && d <= static_cast<double>(kLastSecond)))
      return fail(Errc::kMalformed, "jwt time");
    return std::optional(from_unix_millis(static_cast<std::int64_t>(std::floor(d * 1000))));
  }
  return fail(Errc::kMalformed, "jwt time");
}

Status read_audience(const json::Object& all, Claims& claims) {
  const json::Value* const aud = all.if_contains("aud");
  if (aud == nullptr) return {};
  const auto add = [&claims](const json::Value& v) {
    if (!v.is_string() || v.get_string().empty()) return false;
    claims.aud.emplace_back(v.get_string());
    return true;
  };
  if (!aud->is_array()) {
    if (!add(*aud)) return fail(Errc::kMalformed, "jwt claim type");
    return {};
  }
  claims.aud_is_array = true;
  if (aud->get_array().size() > kMaxClaimAudiences) return fail(Errc::kMalformed, "jwt claim type");
  for (const json::Value& v : aud->get_array())
    if (!add(v)) return fail(Errc::kMalformed, "jwt claim type");
  return {};
}

}  // namespace

Result<Claims> parse_claims(std::string_view payload) {
  Claims claims;
  claims.all = STINT_TRY(json::parse_object(payload, {.bytes = kMaxPayload}));
  claims.iss = STINT_TRY(text_at(claims.all, "iss"));
  claims.sub = STINT_TRY(text_at(claims.all, "sub"));
  claims.jti = STINT_TRY(text_at(claims.all, "jti"));
  STINT_TRY(read_audience(claims.all, claims));
  claims.exp = STINT_TRY(time_at(claims.all, "exp"));
  claims.nbf = STINT_TRY(time_at(claims.all, "nbf"));
  claims.iat = STINT_TRY(time_at(claims.all, "iat"));
  return claims;
}

Status check_times(const Claims& claims, WallTime now, Leeway leeway) {
  if (!claims.exp) return fail(Errc::kMissing, "jwt exp");
  if (now >= *claims.exp + leeway.past) return fail(Errc::kExpired, "jwt expired");
  if (claims.nbf && *claims.nbf > now + leeway.future) return fail(Errc::kNotYetValid, "jwt nbf");
  if (claims.iat && *claims.iat > now + leeway.future) return fail(Errc::kNotYetValid, "jwt iat");
  return {};
}

}  // namespace stint::jose
