#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "stint/authority/authority.h"
#include "stint/base/clock.h"
#include "stint/http/message.h"
#include "stint/net/server.h"
#include "stint/opening/opener.h"
#include "stint/proof/gate.h"
#include "stint/rt/co.h"

namespace stint::oauth {

// The authorization server (RFC 6749, 7009, 7662, 8414, 8693, 8705, 8707, 9396, 9449):
//   GET  /.well-known/oauth-authorization-server, /.well-known/openid-configuration, /oauth/jwks
//   GET  /oauth/status/{n} (draft-ietf-oauth-status-list-21), /oauth/status
//   POST /oauth/token, /oauth/introspect, /oauth/revoke
//
// Threads:   any. Ownership: borrows its parts; outlives its coroutines.
// Limits:    bodies of kMaxBody bytes and 64 parameters, before parsing.
// Errors:    to the client in OAuth's own form, with words that say what to do; nothing that was
//            sent comes back in them.
class Endpoints {
 public:
  static constexpr std::size_t kMaxBody = 64 * 1024;

  struct Parts {
    authority::Authority& authority;
    opening::Opener& opener;
    proof::Gate& gate;
    const Clock& clock;
  };
  explicit Endpoints(Parts parts);
  ~Endpoints();
  Endpoints(const Endpoints&) = delete;
  Endpoints& operator=(const Endpoints&) = delete;

  // Whether a request path (no query) is one of these endpoints.
  bool serves(std::string_view path) const;
  // Answers the exchange, whatever its path: 404 for what is not served here.
  rt::Co<void> handle(net::Exchange& exchange);
  // The same without a connection: the answer to a request that was read whole.
  rt::Co<http::Response> answer(http::RequestHead head, http::Peer peer, std::string body);

 private:
  rt::Co<void> serve(net::Exchange* exchange);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::oauth
