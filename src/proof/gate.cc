#include "stint/proof/gate.h"

#include <algorithm>

#include "stint/codec/base64url.h"
#include "stint/codec/url.h"
#include "stint/crypto/hot_keys.h"
#include "stint/domain/json.h"
#include "stint/jose/jws.h"
#include "stint/proof/refusal.h"
#include "token_cache.h"

namespace stint::proof {
namespace {

std::unexpected<Refusal> refuse(Error error, OAuthError oauth, std::string_view signal = {},
                                bool hard = true) {
  return std::unexpected(Refusal{.error = error,
                                 .oauth = oauth,
                                 .signal = signal,
                                 .hard = hard,
                                 .task = {},
                                 .token = {},
                                 .agent = {}});
}

// What a proof that did not verify says about its presenter. "dpop key" and "dpop ath" share a code
// and differ in meaning: the literals are part of verify_proof's contract.
Refusal judge_proof(const Error& error) {
  Refusal r{.error = error,
            .oauth = OAuthError::kInvalidProof,
            .signal = {},
            .task = {},
            .token = {},
            .agent = {}};
  switch (error.code) {
    case Errc::kNonceRequired:
      r.oauth = OAuthError::kUseNonce;
      break;
    case Errc::kWrongMethod:
    case Errc::kWrongTarget:
      r.signal = "proof-mismatch";
      break;
    case Errc::kExpired:
      r.signal = "proof-stale";
      r.hard = false;  // a slow clock looks the same
      break;
    case Errc::kWrongKey:
      if (error.reason.text() == "dpop key") {
        r.signal = "key-mismatch";
        r.oauth = OAuthError::kInvalidToken;  // RFC 9449 section 7.1: the token is not this key's
      } else if (error.reason.text() == "dpop ath") {
        r.signal = "proof-mismatch";
      }
      break;
    default:
      break;  // malformed in one of many ways: says nothing
  }
  return r;
}

struct Offered {
  bool dpop = false;  // else Bearer
  std::string_view token;
};

// credentials = auth-scheme 1*SP token68 (RFC 9110 section 11.4); the scheme has no case.
std::optional<Offered> read_authorization(std::string_view value) {
  const auto space = value.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  Offered out{.dpop = http::iequal(value.substr(0, space), "dpop"), .token = value.substr(space)};
  if (!out.dpop && !http::iequal(value.substr(0, space), "bearer")) return std::nullopt;
  out.token.remove_prefix(std::min(out.token.find_first_not_of(' '), out.token.size()));
  if (out.token.empty()) return std::nullopt;
  return out;
}

std::string_view quoted_safe(std::string_view literal) {
  return literal.find_first_of("\"\\") == std::string_view::npos ? literal : "refused";
}

std::string algs() {
  std::string out;
  for (const std::string_view name : jose::alg_names()) {
    if (!out.empty()) out += ' ';
    out += name;
  }
  return out;
}

}  // namespace

struct Gate::Impl {
  Impl(Entropy& entropy, const GateLimits& limits)
      : nonces(entropy),
        keys(limits.keys),
        replay(limits.proof_age + jose::kProofFuture, limits.proofs, entropy),
        tokens(limits.tokens),
        proof_age(limits.proof_age) {}

  Outcome<TokenCache::Entry> token(std::string_view compact,
                                   const jose::AccessTokenVerifier& verifier, WallTime now);
  Outcome<bool> prove(const http::RequestHead& head, const http::Peer& peer, std::string_view htu,
                      bool as_dpop, const jose::VerifiedToken& token, NonceRule rule, WallTime now);
  void seen(const crypto::PublicKey& key) const {
    if (on_hot_key && crypto::HotKeys::deserves_table(key)) on_hot_key(key);
  }

  jose::DpopNonces nonces;
  jose::KeyCache keys;
  jose::ReplayCache replay;
  TokenCache tokens;
  const std::chrono::seconds proof_age;
  std::function<void(const crypto::PublicKey&)> on_hot_key;
};

Gate::Gate(Entropy& entropy, GateLimits limits) : impl_(std::make_unique<Impl>(entropy, limits)) {}
Gate::~Gate() = default;

void Gate::on_hot_key(std::function<void(const crypto::PublicKey&)> f) {
  impl_->on_hot_key = std::move(f);
}
void Gate::forget_tokens() { impl_->tokens.clear(); }
std::string Gate::nonce(WallTime now) const { return impl_->nonces.current(now); }
Gate::Stats Gate::stats() const {
  return {.keys = impl_->keys.size(),
          .proofs = impl_->replay.size(),
          .tokens = impl_->tokens.size(),
          .proof_bytes = impl_->replay.memory()};
}

Outcome<Presenter> Gate::at_token_endpoint(const http::RequestHead& head, const http::Peer& peer,
                                           std::string_view htu, WallTime now) {
  const auto proofs = head.headers.all("DPoP");
  if (proofs.size() > 1)
    return refuse({Errc::kMalformed, "more than one DPoP proof"}, OAuthError::kInvalidProof);
  if (proofs.empty()) {
    if (!peer.certificate)
      return refuse({Errc::kMissing, "no DPoP proof and no client certificate"},
                    OAuthError::kInvalidRequest);
    return Presenter({domain::Binding::Kind::kCertificate,
                      codec::encode_base64url(crypto::view(*peer.certificate))},
                     {});
  }
  const auto url = codec::normalise_htu(htu);
  if (!url) return refuse(url.error(), OAuthError::kInvalidRequest);
  auto expect = jose::DpopExpect::without_token(head.method, *url, now);
  expect.max_age(impl_->proof_age).require_nonce(impl_->nonces);
  auto proof = jose::verify_proof(proofs.front(), expect, &impl_->keys);
  if (!proof) return std::unexpected(judge_proof(proof.error()));
  return Presenter({domain::Binding::Kind::kDpop, std::move(proof->jkt)}, std::move(proof->jti));
}

Outcome<void> Gate::spend(const Presenter& presenter, WallTime now) {
  if (presenter.binding_.kind == domain::Binding::Kind::kCertificate) return {};
  const Status once = impl_->replay.once(presenter.binding_.thumbprint, presenter.jti_, now);
  if (once) return {};
  return refuse(once.error(), OAuthError::kInvalidProof,
                once.error().code == Errc::kReplayed ? "proof-replayed" : "");
}

Outcome<TokenCache::Entry> Gate::Impl::token(std::string_view compact,
                                             const jose::AccessTokenVerifier& verifier,
                                             WallTime now) {
  if (compact.size() > jose::kMaxAccessToken)
    return refuse({Errc::kTooLarge, "token too large"}, OAuthError::kInvalidToken);
  const crypto::Digest digest = jose::token_digest(compact);
  if (auto known = tokens.find(digest)) {
    Status good = known->token.check_time(now);
    if (good) good = verifier.check_key(known->token.kid());
    if (!good) return refuse(good.error(), OAuthError::kInvalidToken);
    return *std::move(known);
  }
  auto verified = verifier.verify_any_audience(compact, now);
  // No signal here: nothing was signed by anybody yet, and a stranger must not write into the log.
  // Whether it was somebody's ID token is opening's to find out, by its signature.
  if (!verified) return refuse(verified.error(), OAuthError::kInvalidToken);
  auto grants = domain::decode_grants(verified->claims().authorization_details);
  if (!grants) return refuse(grants.error(), OAuthError::kInvalidToken);
  TokenCache::Entry entry{
      .token = *std::move(verified),
      .grants = std::make_shared<const std::vector<domain::Grant>>(*std::move(grants))};
  tokens.put(digest, entry);
  return entry;
}

// Whether the presenter holds the token's key; true: with a nonce of ours. Spends the proof.
Outcome<bool> Gate::Impl::prove(const http::RequestHead& head, const http::Peer& peer,
                                std::string_view htu, bool as_dpop,
                                const jose::VerifiedToken& token, NonceRule rule, WallTime now) {
  const jose::Confirmation& cnf = token.claims().cnf;
  const auto proofs = head.headers.all("DPoP");
  if (cnf.jkt.empty()) {
    if (cnf.x5t_s256.empty())
      return refuse({Errc::kWrongKey, "the token is bound to no key"}, OAuthError::kInvalidToken);
    if (as_dpop || !proofs.empty())
      return refuse({Errc::kMalformed, "the token is bound to a certificate: send it as Bearer"},
                    OAuthError::kInvalidRequest);
    if (!peer.certificate ||
        !crypto::equal(codec::encode_base64url(crypto::view(*peer.certificate)), cnf.x5t_s256))
      return refuse({Errc::kWrongKey, "the token is bound to another certificate"},
                    OAuthError::kInvalidToken, "key-mismatch");
    return false;
  }
  if (!as_dpop)
    return refuse(
        {Errc::kUnauthenticated, "the token is bound to a key: send it as DPoP with a proof"},
        OAuthError::kInvalidToken, proofs.empty() ? "proof-missing" : "");
  if (proofs.empty())
    return refuse({Errc::kMissing, "no DPoP proof"}, OAuthError::kInvalidProof, "proof-missing");
  if (proofs.size() > 1)
    return refuse({Errc::kMalformed, "more than one DPoP proof"}, OAuthError::kInvalidProof);
  const auto url = codec::normalise_htu(htu);
  if (!url) return refuse(url.error(), OAuthError::kInvalidRequest);
  auto expect = jose::DpopExpect::with_token(head.method, *url, now, token.digest(), cnf.jkt);
  expect.max_age(proof_age);
  if (rule == NonceRule::kRequired) expect.require_nonce(nonces);
  const auto proof = jose::verify_proof(proofs.front(), expect, &keys);
  if (!proof) return std::unexpected(judge_proof(proof.error()));
  const Status once = replay.once(proof->jkt, proof->jti, now);
  if (!once)
    return refuse(once.error(), OAuthError::kInvalidProof,
                  once.error().code == Errc::kReplayed ? "proof-replayed" : "");
  seen(proof->key);
  return rule == NonceRule::kRequired;
}

Outcome<Checked> Gate::at_resource(const http::RequestHead& head, const http::Peer& peer,
                                   std::string_view htu, const jose::AccessTokenVerifier& verifier,
                                   std::string_view audience, NonceRule rule, WallTime now) {
  const auto fields = head.headers.all("Authorization");
  if (fields.empty()) return refuse({Errc::kUnauthenticated, "no access token"}, OAuthError::kNone);
  if (fields.size() > 1)
    return refuse({Errc::kMalformed, "more than one Authorization header"},
                  OAuthError::kInvalidRequest);
  const auto offered = read_authorization(fields.front());
  if (!offered)
    return refuse({Errc::kUnauthenticated, "authorization is neither DPoP nor Bearer"},
                  OAuthError::kNone);
  auto entry = impl_->token(offered->token, verifier, now);
  if (!entry) return std::unexpected(std::move(entry).error());

  const jose::AccessToken& claims = entry->token.claims();
  const auto named = [&](Refusal r) {
    r.task = claims.task.id;
    r.token = claims.jti;
    r.agent = claims.client_id;
    return std::unexpected(std::move(r));
  };
  if (audience.empty() || std::ranges::find(claims.aud, audience) == claims.aud.end())
    return named({.error = {Errc::kWrongAudience, "token aud"},
                  .oauth = OAuthError::kInvalidToken,
                  .signal = "wrong-audience",
                  .hard = false,
                  .task = {},
                  .token = {},
                  .agent = {}});
  auto fresh = impl_->prove(head, peer, htu, offered->dpop, entry->token, rule, now);
  if (!fresh) return named(std::move(fresh).error());
  return Checked(std::move(entry->token), std::move(entry->grants), *fresh);
}

void Gate::challenge(const Refusal& refusal, WallTime now, http::Headers& headers) const {
  std::string value = "DPoP realm=\"stint\"";
  if (refusal.oauth != OAuthError::kNone) {
    value += ", error=\"";
    value += text(refusal.oauth);
    value += "\", error_description=\"";
    value += quoted_safe(refusal.error.reason.text());
    value += '"';
  }
  value += ", algs=\"" + algs() + '"';
  headers.set("WWW-Authenticate", std::move(value));
  headers.set("DPoP-Nonce", nonce(now));
}

std::optional<std::string_view> offered_token(const http::RequestHead& head) {
  const auto field = head.headers.one("Authorization");
  if (!field) return std::nullopt;
  const auto offered = read_authorization(*field);
  return offered ? std::optional(offered->token) : std::nullopt;
}

}  // namespace stint::proof
