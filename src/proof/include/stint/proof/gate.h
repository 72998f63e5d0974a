#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/crypto/sign.h"
#include "stint/domain/grant.h"
#include "stint/domain/task.h"
#include "stint/http/message.h"
#include "stint/jose/access_token.h"
#include "stint/jose/dpop.h"
#include "stint/jose/replay.h"
#include "stint/proof/refusal.h"

namespace stint::proof {

// Whether a proof must carry a nonce of ours. At the token endpoint it always must.
enum class NonceRule : std::uint8_t { kRequired, kNotRequired };

// The key that a client proved to hold, by a DPoP proof or in the TLS handshake. Its proof is not
// spent yet: see Gate::spend().
class Presenter {
 public:
  const domain::Binding& binding() const { return binding_; }

 private:
  friend class Gate;
  Presenter(domain::Binding binding, std::string jti)
      : binding_(std::move(binding)), jti_(std::move(jti)) {}
  domain::Binding binding_;
  std::string jti_;  // empty: by certificate
};

// An access token of ours in the hands of who holds its key. Says nothing about its task: ask
// authority's live view. Copies are cheap.
class Checked {
 public:
  const jose::AccessToken& claims() const { return token_.claims(); }
  const jose::VerifiedToken& token() const { return token_; }
  TaskId task() const { return token_.task(); }
  TokenId id() const { return token_.claims().jti; }
  // What the token itself carries; never null.
  const std::shared_ptr<const std::vector<domain::Grant>>& grants() const { return grants_; }
  // The proof had to carry a nonce of ours, and did: it was made for now (request.fresh_proof).
  bool fresh() const { return fresh_; }

 private:
  friend class Gate;
  Checked(jose::VerifiedToken token, std::shared_ptr<const std::vector<domain::Grant>> grants,
          bool fresh)
      : token_(std::move(token)), grants_(std::move(grants)), fresh_(fresh) {}
  jose::VerifiedToken token_;
  std::shared_ptr<const std::vector<domain::Grant>> grants_;
  bool fresh_;
};

struct GateLimits {
  std::size_t keys = 4096;         // parsed proof headers
  std::size_t proofs = 4'000'000;  // remembered for the proof window
  std::size_t tokens = 16'384;     // verified tokens
  // A proof made longer ago is refused; one that passed is remembered for this and the clock's
  // leeway. Where a nonce is asked for, the nonce's own life (two buckets) bounds it as well.
  std::chrono::seconds proof_age = jose::kProofMaxAge;
};

// What the process knows about proofs of possession (RFC 9449, RFC 8705): nonces, proofs seen, keys
// and tokens checked before. One for all listeners, so that a proof passes once anywhere.
//
// Threads:   any. Blocking: never. Ownership: keeps no view of what it is given.
// Limits:    GateLimits. When the memory of proofs is full, new ones are refused (kLimit); a
//            stranger cannot fill it: only proofs of a verified token or client are remembered.
// Closed:    a token without `cnf` is refused.
class Gate {
 public:
  explicit Gate(Entropy& entropy, GateLimits limits = {});
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // At an endpoint that takes no access token but binds what it gives out (the token endpoint, POST
  // /v1/tasks): the key of the DPoP proof, which must carry a nonce; without the header the client
  // certificate of the connection. `htu` is the full URL of the endpoint as clients know it.
  // Errors: kMissing "no DPoP proof and no client certificate" (kInvalidRequest), kMalformed "more
  // than one DPoP proof", those of jose::verify_proof (kInvalidProof; kUseNonce for its
  // kNonceRequired).
  Outcome<Presenter> at_token_endpoint(const http::RequestHead& head, const http::Peer& peer,
                                       std::string_view htu, WallTime now);
  // Uses the proof up. Call it once the client is authenticated, before anything is given out.
  // Errors: kReplayed (signal proof-replayed), kLimit.
  Outcome<void> spend(const Presenter& presenter, WallTime now);

  // At an endpoint that takes an access token: Authorization, the token (its cache, else
  // `verifier`), that `audience` is in its `aud`, and that the presenter holds its key. Uses the
  // proof up.
  // Errors: kUnauthenticated "no access token" (kNone), kMalformed (header), those of
  // AccessTokenVerifier and verify_proof, kWrongKey "the token is bound to another certificate",
  // kUnauthenticated "the token is bound to a key: send it as DPoP with a proof", kReplayed,
  // kLimit.
  Outcome<Checked> at_resource(const http::RequestHead& head, const http::Peer& peer,
                               std::string_view htu, const jose::AccessTokenVerifier& verifier,
                               std::string_view audience, NonceRule rule, WallTime now);

  // For the DPoP-Nonce header, on 2xx too.
  std::string nonce(WallTime now) const;

  // What 401 answers to a refused at_resource() carry: WWW-Authenticate (RFC 9449 section 7.1, RFC
  // 6750 section 3) and DPoP-Nonce.
  void challenge(const Refusal& refusal, WallTime now, http::Headers& headers) const;

  // Called with a proof key that has verified often enough to deserve a table
  // (crypto::HotKeys::deserves_table), on the request's thread: hand it to a background thread. Set
  // before the first request.
  void on_hot_key(std::function<void(const crypto::PublicKey&)> f);

  // Forget verified tokens. Keys that go need no call: a cached token's key is looked up each time.
  void forget_tokens();

  struct Stats {
    std::size_t keys = 0, proofs = 0, tokens = 0, proof_bytes = 0;
  };
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The text after "DPoP " or "Bearer " of the only Authorization header; nullopt for anything else.
// For recognising what was offered in place of a token; verifies nothing.
std::optional<std::string_view> offered_token(const http::RequestHead& head);

}  // namespace stint::proof
