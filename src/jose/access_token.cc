#include "stint/jose/access_token.h"

#include <algorithm>

#include "stint/codec/json.h"
#include "stint/jose/jws.h"
#include "stint/jose/jwt.h"

namespace stint::jose {

namespace {

constexpr std::size_t kDetailsDepth = 16;
constexpr Reason kKeyRevoked = "the key that signed the token is revoked";

// "act" (RFC 8693 section 4.1): the current actor outside, those before it nested inside.
json::Object act_of(const std::vector<std::string>& actors) {
  json::Object act;
  for (auto actor = actors.rbegin(); actor != actors.rend(); ++actor) {
    json::Object outer;
    outer["sub"] = *actor;
    if (!act.empty()) outer["act"] = std::move(act);
    act = std::move(outer);
  }
  return act;
}

json::Object task_of(const TaskClaim& task) {
  json::Object out;
  out["id"] = task.id.str();
  out["opened"] = unix_seconds(task.opened);
  out["deadline"] = unix_seconds(task.deadline);
  if (!task.reference.empty()) out["reference"] = task.reference;
  if (task.parent) out["parent"] = task.parent->str();
  return out;
}

bool well_formed(const AccessToken& t) {
  const auto empty = [](const std::string& s) { return s.empty(); };
  return !t.iss.empty() && !t.sub.empty() && !t.client_id.empty() && !t.aud.empty() &&
         t.aud.size() <= kMaxAudiences && std::ranges::none_of(t.aud, empty) &&
         t.act.size() <= kMaxActors && std::ranges::none_of(t.act, empty) &&
         (t.cnf.jkt.empty() || t.cnf.x5t_s256.empty()) &&
         unix_seconds(t.exp) > unix_seconds(t.iat) && unix_seconds(t.iat) >= 0;
}

Result<json::Object> to_json(const AccessToken& t) {
  json::Object out;
  out["iss"] = t.iss;
  out["sub"] = t.sub;
  if (t.aud.size() == 1) {
    out["aud"] = t.aud.front();
  } else {
    out["aud"] = json::Array(t.aud.begin(), t.aud.end());
  }
  out["exp"] = unix_seconds(t.exp);
  out["iat"] = unix_seconds(t.iat);
  out["jti"] = t.jti.str();
  out["client_id"] = t.client_id;
  if (!t.cnf.jkt.empty()) out["cnf"] = json::Object{{"jkt", t.cnf.jkt}};
  if (!t.cnf.x5t_s256.empty()) out["cnf"] = json::Object{{"x5t#S256", t.cnf.x5t_s256}};
  if (!t.act.empty()) out["act"] = act_of(t.act);
  out["task"] = task_of(t.task);
  if (!t.authorization_details.empty()) {
    auto details = json::parse(t.authorization_details, {.depth = kDetailsDepth});
    if (!details || !details->is_array())
      return fail(Errc::kMalformed, "token authorization_details");
    out["authorization_details"] = std::move(*details);
  }
  if (!t.scope.empty()) out["scope"] = t.scope;
  if (!t.acr.empty()) out["acr"] = t.acr;
  if (t.auth_time) out["auth_time"] = unix_seconds(*t.auth_time);
  if (t.status)
    out["status"] =
        json::Object{{"status_list", json::Object{{"idx", t.status->idx}, {"uri", t.status->uri}}}};
  return out;
}

Result<std::vector<std::string>> actors_of(const json::Object& claims) {
  std::vector<std::string> actors;
  const json::Object* act = STINT_TRY(json::optional_object_at(claims, "act"));
  for (; act != nullptr; act = STINT_TRY(json::optional_object_at(*act, "act"))) {
    if (actors.size() == kMaxActors) return fail(Errc::kMalformed, "token claims");
    actors.emplace_back(STINT_TRY(json::string_at(*act, "sub")));
  }
  return actors;
}

Result<WallTime> seconds_of(std::int64_t seconds) {
  if (seconds < 0 || seconds > 253'402'300'799) return fail(Errc::kMalformed, "jwt time");
  return from_unix_seconds(seconds);
}

Result<TaskClaim> task_claim_of(const json::Object& claims) {
  const json::Object* const task = STINT_TRY(json::object_at(claims, "task"));
  const std::string_view id = STINT_TRY(json::string_at(*task, "id"));
  const std::int64_t opened = STINT_TRY(json::int_at(*task, "opened"));
  const std::int64_t deadline = STINT_TRY(json::int_at(*task, "deadline"));
  const auto reference = STINT_TRY(json::optional_string_at(*task, "reference"));
  const auto parent = STINT_TRY(json::optional_string_at(*task, "parent"));
  TaskClaim out{STINT_TRY(TaskId::parse(id)), STINT_TRY(seconds_of(opened)),
                STINT_TRY(seconds_of(deadline)), std::string(reference.value_or("")), std::nullopt};
  if (parent) out.parent = STINT_TRY(TaskId::parse(*parent));
  return out;
}

Result<std::optional<StatusReference>> status_of(const json::Object& claims) {
  const json::Object* const status = STINT_TRY(json::optional_object_at(claims, "status"));
  if (status == nullptr) return std::optional<StatusReference>();
  const json::Object* const list = STINT_TRY(json::object_at(*status, "status_list"));
  const std::int64_t idx = STINT_TRY(json::int_at(*list, "idx"));
  const std::string_view uri = STINT_TRY(json::string_at(*list, "uri"));
  if (idx < 0 || uri.empty()) return fail(Errc::kMalformed, "token claims");
  return std::optional(
      StatusReference{.idx = static_cast<std::uint64_t>(idx), .uri = std::string(uri)});
}

// Everything of the token but iss, aud and the times, which Claims has read.
Result<AccessToken> read_token(const Claims& claims) {
  const json::Object& all = claims.all;
  AccessToken token{*claims.iss,
                    *claims.sub,
                    claims.aud,
                    *claims.exp,
                    *claims.iat,
                    STINT_TRY(TokenId::parse(*claims.jti)),
                    std::string(STINT_TRY(json::string_at(all, "client_id"))),
                    STINT_TRY(read_confirmation(all)),
                    STINT_TRY(actors_of(all)),
                    STINT_TRY(task_claim_of(all)),
                    "",
                    std::string(STINT_TRY(json::optional_string_at(all, "scope")).value_or("")),
                    std::string(STINT_TRY(json::optional_string_at(all, "acr")).value_or("")),
                    std::nullopt,
                    STINT_TRY(status_of(all))};
  if (const json::Array* details = STINT_TRY(json::optional_array_at(all, "authorization_details")))
    token.authorization_details = json::write(json::Value(*details));
  if (const auto seconds = STINT_TRY(json::optional_int_at(all, "auth_time")))
    token.auth_time = STINT_TRY(seconds_of(*seconds));
  return token;
}

Status check_present(const Claims& claims) {
  if (!claims.sub) return fail(Errc::kMissing, "token sub");
  if (!claims.exp) return fail(Errc::kMissing, "token exp");
  if (!claims.iat) return fail(Errc::kMissing, "token iat");
  if (!claims.jti) return fail(Errc::kMissing, "token jti");
  if (!claims.all.contains("client_id")) return fail(Errc::kMissing, "token client_id");
  if (!claims.all.contains("task")) return fail(Errc::kMissing, "token task");
  return {};
}

}  // namespace

Result<std::string> sign_access_token(const AccessToken& token, std::string_view kid,
                                      const crypto::PrivateKey& key) {
  if (!well_formed(token)) return fail(Errc::kMalformed, "token claims");
  const json::Object claims = STINT_TRY(to_json(token));
  std::string compact = STINT_TRY(sign({.typ = "at+jwt", .kid = kid}, json::write(claims), key));
  if (compact.size() > kMaxAccessToken) return fail(Errc::kTooLarge, "token too large");
  return compact;
}

crypto::Digest token_digest(std::string_view compact) { return crypto::sha256(compact); }

Status VerifiedToken::check_time(WallTime now) const {
  if (now >= claims().exp) return fail(Errc::kExpired, "token expired");
  return {};
}

AccessTokenVerifier::AccessTokenVerifier(std::string issuer, std::string audience,
                                         std::shared_ptr<const JwkSet> keys)
    : issuer_(std::move(issuer)), audience_(std::move(audience)), keys_(std::move(keys)) {}

Result<VerifiedToken> AccessTokenVerifier::verify(std::string_view compact, WallTime now) const {
  return check(compact, now, false);
}

Result<VerifiedToken> AccessTokenVerifier::verify_any_audience(std::string_view compact,
                                                               WallTime now) const {
  return check(compact, now, true);
}

Status AccessTokenVerifier::check_key(std::string_view kid) const {
  if (keys_->is_revoked(kid)) return fail(Errc::kRevoked, kKeyRevoked);
  if (!keys_->has_kid(kid)) return fail(Errc::kWrongKey, "jws unknown key");
  return {};
}

Result<VerifiedToken> AccessTokenVerifier::check(std::string_view compact, WallTime now,
                                                 bool any_audience) const {
  const Unverified unverified = STINT_TRY(parse_compact(compact, {.bytes = kMaxAccessToken}));
  if (unverified.header().typ != "at+jwt") return fail(Errc::kWrongType, "token typ");
  const std::string& kid = unverified.header().kid;
  if (keys_->is_revoked(kid)) return fail(Errc::kRevoked, kKeyRevoked);
  const Verified jws = STINT_TRY(jose::verify(unverified, *keys_, all_algs()));
  const Claims claims = STINT_TRY(parse_claims(jws.payload()));
  if (!claims.iss) return fail(Errc::kMissing, "token iss");
  if (issuer_.empty() || claims.iss != issuer_) return fail(Errc::kWrongIssuer, "token iss");
  if (claims.aud.empty()) return fail(Errc::kMissing, "token aud");
  if (!any_audience &&
      (audience_.empty() || std::ranges::find(claims.aud, audience_) == claims.aud.end()))
    return fail(Errc::kWrongAudience, "token aud");
  STINT_TRY(check_present(claims));
  // Ours is the signature, so a claim of the wrong form is a bug of ours or a stolen key: the
  // details of which claim help nobody.
  auto token = read_token(claims);
  if (!token || !well_formed(*token)) return fail(Errc::kMalformed, "token claims");
  if (now >= token->exp) return fail(Errc::kExpired, "token expired");
  STINT_TRY(
      check_times(claims, now, {.past = std::chrono::seconds(0), .future = kAccessTokenLeeway}));
  // The key's own name: a header without one took the only key there was.
  std::string signer = keys_->find(kid, unverified.header().alg)->kid;
  return VerifiedToken(std::make_shared<const VerifiedToken::Signed>(
                           VerifiedToken::Signed{std::move(*token), std::move(signer)}),
                       token_digest(compact));
}

}  // namespace stint::jose
