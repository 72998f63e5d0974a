#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/http/message.h"
#include "stint/jose/jwk.h"
#include "stint/net/tls.h"
#include "stint/resource/resource.h"
#include "stint/rt/co.h"

namespace stint::trust {

struct KeyLimits {
  std::chrono::seconds max_age{600};       // keys older than this are fetched anew before use
  std::chrono::seconds stale_grace{3600};  // an issuer that does not answer: its keys last so long
  std::chrono::seconds min_interval{30};   // between two fetches of one issuer, failed ones too
  std::chrono::milliseconds timeout{5'000};
  std::size_t document_bytes = 256 * 1024;
  std::size_t issuers = 256;
};

// Whether the keys known before will do.
enum class Want : std::uint8_t {
  kAny,    // unless they are too old
  kNewer,  // they did not verify: fetch once more, at most every min_interval
};

// The signing keys of trusted OIDC issuers: those written in the issuer's resource, else found by
// discovery (OpenID Connect Discovery section 4: <url>/.well-known/openid-configuration, then its
// jwks_uri), https alone unless the host is loopback. Follows no redirect. Concurrent callers share
// one fetch.
//
// Threads:   any. Ownership: borrows the clock; outlives its coroutines.
// Limits:    KeyLimits. Only what an operator declared is ever fetched.
// Errors:    kUnavailable "issuer keys are not available" (and until min_interval has passed),
//            kWrongIssuer "issuer metadata names another issuer", kUnsupported "issuer keys need
//            https", kTooLarge, kMalformed, those of JwkSet::parse_of_issuer.
// Closed:    no keys: nothing of that issuer verifies.
class IssuerKeys {
 public:
  // Gets a URL. A function so that tests can stand in for the network.
  using Fetch = std::function<rt::Co<Result<http::Response>>(std::string url)>;
  static Fetch over_network(const Clock& clock, net::TlsClient tls, KeyLimits limits = {});

  IssuerKeys(const Clock& clock, Fetch fetch, KeyLimits limits = {});
  ~IssuerKeys();
  IssuerKeys(const IssuerKeys&) = delete;
  IssuerKeys& operator=(const IssuerKeys&) = delete;

  rt::Co<Result<std::shared_ptr<const jose::JwkSet>>> keys_of(resource::Issuer issuer,
                                                              Want want = Want::kAny);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::trust
