#include "stint/jose/dpop.h"

#include "compact_reader.h"
#include "stint/codec/base64url.h"
#include "stint/codec/url.h"
#include "stint/jose/jwt.h"

namespace stint::jose {

namespace {

constexpr std::size_t kMaxProofJti = 128;

struct ProofClaims {
  json::Object all;
  std::string_view jti, htm, htu;  // into `all`
  std::optional<std::string_view> ath, nonce;
  WallTime iat;
};

// The text member, or an empty view when it is absent or empty, which no such member may be.
Result<std::string_view> text_at(const json::Object& claims, std::string_view name) {
  const auto got = json::optional_string_at(claims, name);
  if (!got) return fail(Errc::kMalformed, "dpop claims");
  return got->value_or("");
}

Result<WallTime> iat_of(const json::Object& claims) {
  const json::Value* const iat = claims.if_contains("iat");
  if (iat == nullptr) return fail(Errc::kMissing, "dpop iat");
  constexpr double kLastSecond = 253'402'300'799;
  if (iat->is_int64() && iat->get_int64() >= 0 &&
      static_cast<double>(iat->get_int64()) <= kLastSecond)
    return from_unix_seconds(iat->get_int64());
  if (iat->is_double() && iat->get_double() >= 0 && iat->get_double() <= kLastSecond)
    return from_unix_millis(static_cast<std::int64_t>(iat->get_double() * 1000));
  return fail(Errc::kMalformed, "dpop claims");
}

// Fills `out`, whose views live in out.all.
Status read_claims(std::string_view payload, ProofClaims& out) {
  out.all = STINT_TRY(json::parse_object(payload));
  out.jti = STINT_TRY(text_at(out.all, "jti"));
  out.htm = STINT_TRY(text_at(out.all, "htm"));
  out.htu = STINT_TRY(text_at(out.all, "htu"));
  if (out.jti.empty()) return fail(Errc::kMissing, "dpop jti");
  if (out.jti.size() > kMaxProofJti) return fail(Errc::kTooLarge, "dpop jti");
  if (out.htm.empty()) return fail(Errc::kMissing, "dpop htm");
  if (out.htu.empty()) return fail(Errc::kMissing, "dpop htu");
  if (out.all.contains("ath")) out.ath = STINT_TRY(text_at(out.all, "ath"));
  if (out.all.contains("nonce")) out.nonce = STINT_TRY(text_at(out.all, "nonce"));
  out.iat = STINT_TRY(iat_of(out.all));
  return {};
}

// The key of a header that was not seen before. It is trusted for nothing but this proof.
Result<std::shared_ptr<const ProofKey>> read_key(std::shared_ptr<const Header> header) {
  if (header->typ != "dpop+jwt") return fail(Errc::kWrongType, "dpop typ");
  if (!header->jwk) return fail(Errc::kMissing, "dpop jwk");
  const Jwk jwk = STINT_TRY(parse_public_jwk(*header->jwk));
  const bool pinned = header->jwk->contains("alg");
  if (!crypto::fits(header->alg, jwk.key.kind()) || (pinned && jwk.alg != header->alg))
    return fail(Errc::kWrongKey, "dpop alg");
  return std::make_shared<const ProofKey>(
      ProofKey{std::move(header), jwk.key, thumbprint(jwk.key)});
}

}  // namespace

// The checks on what the proof says, once it is known who said it.
struct ProofCheck {
  static Status run(const ProofClaims& claims, std::string_view jkt, const DpopExpect& expect,
                    bool& stale_nonce) {
    if (claims.htm != expect.method_) return fail(Errc::kWrongMethod, "dpop htm");
    if (claims.htu != expect.htu_) {
      const auto htu = codec::normalise_htu(claims.htu);
      if (!htu || *htu != expect.htu_) return fail(Errc::kWrongTarget, "dpop htu");
    }
    if (claims.iat < expect.now_ - expect.max_age_) return fail(Errc::kExpired, "dpop iat too old");
    if (claims.iat > expect.now_ + kProofFuture)
      return fail(Errc::kNotYetValid, "dpop iat in the future");
    if (expect.token_digest_) {
      if (!claims.ath || claims.ath->empty()) return fail(Errc::kMissing, "dpop ath");
      if (*claims.ath != codec::encode_base64url(crypto::view(*expect.token_digest_)))
        return fail(Errc::kWrongKey, "dpop ath");
    }
    if (expect.key_required_ && (expect.jkt_.empty() || jkt != expect.jkt_))
      return fail(Errc::kWrongKey, "dpop key");
    if (expect.nonces_ != nullptr) {
      const std::string_view nonce = claims.nonce.value_or("");
      if (!expect.nonces_->accepts(nonce, expect.now_))
        return fail(Errc::kNonceRequired, "dpop nonce");
      stale_nonce = !expect.nonces_->is_current(nonce, expect.now_);
    }
    return {};
  }
};

DpopExpect DpopExpect::without_token(std::string_view method, std::string_view htu, WallTime now) {
  DpopExpect expect;
  expect.method_ = method;
  expect.htu_ = htu;
  expect.now_ = now;
  return expect;
}

DpopExpect DpopExpect::with_token(std::string_view method, std::string_view htu, WallTime now,
                                  const crypto::Digest& token_digest, std::string_view jkt) {
  DpopExpect expect = without_token(method, htu, now);
  expect.token_digest_ = token_digest;
  return expect.require_key(jkt);
}

DpopExpect& DpopExpect::require_nonce(const DpopNonces& nonces) {
  nonces_ = &nonces;
  return *this;
}

DpopExpect& DpopExpect::require_key(std::string_view jkt) {
  jkt_ = jkt;
  key_required_ = true;
  return *this;
}

DpopExpect& DpopExpect::max_age(std::chrono::seconds age) {
  max_age_ = age;
  return *this;
}

Result<DpopProof> verify_proof(std::string_view proof, const DpopExpect& expect, KeyCache* cache) {
  const auto parts = STINT_TRY(CompactReader::split(proof, {.bytes = kMaxProof}));
  std::shared_ptr<const ProofKey> key = cache ? cache->find(parts.header) : nullptr;
  const bool known = key != nullptr;
  if (!known) {
    auto header = STINT_TRY(CompactReader::header(parts.header));
    key = STINT_TRY(read_key(std::move(header)));
  }

  const Unverified jws = STINT_TRY(CompactReader::read(proof, parts, key->header));
  STINT_TRY(key->key.verify(key->header->alg, jws.signing_input(), jws.signature()));
  // Only now: whoever takes a place in the cache has shown that it holds the key.
  if (cache != nullptr && !known) cache->put(parts.header, key);

  ProofClaims claims;
  STINT_TRY(read_claims(jws.payload(), claims));
  bool stale_nonce = false;
  STINT_TRY(ProofCheck::run(claims, key->jkt, expect, stale_nonce));
  return DpopProof{key->jkt, std::string(claims.jti), claims.iat, key->key, stale_nonce};
}

Result<std::string> make_proof(const crypto::PrivateKey& key, const ProofRequest& request) {
  json::Object claims;
  claims["jti"] = request.jti;
  claims["htm"] = request.method;
  claims["htu"] = request.htu;
  claims["iat"] = unix_seconds(request.now);
  if (!request.access_token.empty())
    claims["ath"] = codec::encode_base64url(crypto::view(crypto::sha256(request.access_token)));
  if (!request.nonce.empty()) claims["nonce"] = request.nonce;
  return sign({.typ = "dpop+jwt", .kid = "", .embed_public_key = true}, json::write(claims), key);
}

}  // namespace stint::jose
