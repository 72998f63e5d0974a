#pragma once

#include <string_view>

#include "stint/base/error.h"
#include "stint/http/message.h"

namespace stint::http {

// What may cross the gateway (3-interfaces, "Gateway headers"). Names compare without case and with
// '_' read as '-', as CGI and WSGI servers do.
//
// Both drop hop-by-hop fields (RFC 9110 section 7.6.1), those that Connection names included,
// Transfer-Encoding among them: the sender frames anew. Content-Length stays, as what check_head()
// or check_response() accepted.
//
// Threads: any. Errors: none; what is not known to be dropped passes.

// To the upstream: also without Authorization, Cookie, DPoP, Proxy-*, Stint-*, Host (the sender
// writes the upstream's), Expect, Txn-Token and client certificate fields (RFC 9440), what would
// claim another origin of the request (Forwarded, X-Forwarded-*, X-Real-IP), and what would make
// the upstream run another method or path than the one that was judged (X-HTTP-Method-Override and
// its kin, X-Original-URL, X-Rewrite-URL).
Headers for_upstream(const Headers& from_agent);

// To the agent: also without Set-Cookie, Stint-*, Proxy-*, Alt-Svc (it would lead around the
// gateway), and upstreams' own DPoP-Nonce and Strict-Transport-Security, which would speak for the
// gateway's origin.
Headers for_agent(const Headers& from_upstream);

// True for a name that must never be injected or configured as a header to an upstream: framing,
// hop-by-hop, Host.
bool is_reserved_for_sender(std::string_view name);

}  // namespace stint::http
