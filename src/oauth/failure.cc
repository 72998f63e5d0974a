#include "failure.h"

#include <boost/json/object.hpp>

#include "stint/codec/json.h"

namespace stint::oauth {
namespace {

struct Advice {
  std::string_view oauth, words;
};
constexpr Advice kAdvice[] = {
    {"invalid_request", "change the request, the same one will be refused again"},
    {"invalid_client",
     "authenticate with private_key_jwt: a JWT signed by a registered key, with iss and sub the "
     "agent, the issuer as its only audience, at most five minutes to live and a new jti"},
    {"invalid_grant", "nothing more can be done in this task, open another one"},
    {"invalid_scope", "this server has no scopes, ask with authorization_details"},
    {"invalid_target", "name one resource that the task has a grant for"},
    {"invalid_authorization_details",
     "send one stint_task and one or more stint_grant objects, with known members and names, "
     "within "
     "what may be granted"},
    {"invalid_dpop_proof", "make a new proof for this method and URL"},
    {"use_dpop_nonce", "repeat the request with the nonce of the DPoP-Nonce header in a new proof"},
    {"unsupported_grant_type",
     "use client_credentials, refresh_token or "
     "urn:ietf:params:oauth:grant-type:token-exchange"},
    {"access_denied",
     "ask an operator: stint log tail --kind decision names the policy that decided"},
    {"temporarily_unavailable", "try again in a moment"},
    {"server_error", "report it to the operator"},
};

std::string_view advice(std::string_view oauth) {
  for (const Advice& a : kAdvice)
    if (a.oauth == oauth) return a.words;
  return "change the request";
}

void never_store(http::Headers& headers) {
  headers.add("Content-Type", "application/json");
  headers.add("Cache-Control", "no-store");
  headers.add("Pragma", "no-cache");
}

}  // namespace

Failure server_failure(const Error& error) {
  if (error.code == Errc::kInternal)
    return {.oauth = "server_error", .error = error, .status = 500};
  return {.oauth = "temporarily_unavailable", .error = error, .status = 503};
}

Failure failure_of(const opening::Refusal& refusal) {
  const Error& e = refusal.error;
  switch (refusal.part) {
    case opening::Part::kRequest:
    case opening::Part::kSubject:  // RFC 8693 section 2.2.2
      return {.oauth = "invalid_request", .error = e};
    case opening::Part::kClient:
      return {.oauth = "invalid_client", .error = e, .status = 401};
    case opening::Part::kDetails:
      return {.oauth = "invalid_authorization_details", .error = e};
    case opening::Part::kTarget:
      return {.oauth = "invalid_target", .error = e};
    case opening::Part::kPolicy:
      return {.oauth = "access_denied", .error = e};
    case opening::Part::kServer:
      return server_failure(e);
  }
  __builtin_trap();
}

Failure failure_of(const proof::Refusal& refusal) {
  if (refusal.error.code == Errc::kLimit) return server_failure(refusal.error);
  switch (refusal.oauth) {
    case proof::OAuthError::kNone:
    case proof::OAuthError::kInvalidRequest:
      return {.oauth = "invalid_request", .error = refusal.error};
    case proof::OAuthError::kInvalidToken:
    case proof::OAuthError::kInvalidProof:
      return {.oauth = "invalid_dpop_proof", .error = refusal.error};
    case proof::OAuthError::kUseNonce:
      return {.oauth = "use_dpop_nonce", .error = refusal.error};
  }
  __builtin_trap();
}

http::Response to_response(const Failure& f) {
  std::string words(f.error.reason.text());
  words += ": ";
  words += advice(f.oauth);
  const json::Object body{{"error", f.oauth},
                          {"error_description", words},
                          {"error_uri", "urn:stint:problem:" + std::string(name(f.error.code))}};
  http::Response out{.status = f.status, .headers = {}, .body = json::write(body)};
  never_store(out.headers);
  if (!f.challenge.empty()) out.headers.add("WWW-Authenticate", std::string(f.challenge));
  if (!f.allow.empty()) out.headers.add("Allow", std::string(f.allow));
  if (f.status == 503) out.headers.add("Retry-After", "1");
  return out;
}

http::Response json_response(std::string body) {
  http::Response out{.status = 200, .headers = {}, .body = std::move(body)};
  never_store(out.headers);
  return out;
}

}  // namespace stint::oauth
