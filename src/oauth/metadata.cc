#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "endpoints_impl.h"
#include "stint/codec/json.h"
#include "stint/jose/jws.h"

namespace stint::oauth {
namespace {

json::Array alg_names() {
  json::Array out;
  for (const std::string_view name : jose::alg_names()) out.emplace_back(name);
  return out;
}

}  // namespace

// RFC 8414 section 2, and OpenID Connect Discovery section 3 for those who federate on our tokens.
std::string Endpoints::Impl::metadata(bool openid) const {
  const json::Array algs = alg_names();
  const json::Array private_key_jwt{"private_key_jwt"};
  json::Object o{
      {"issuer", parts.authority.settings().issuer},
      {"token_endpoint", base + "/oauth/token"},
      {"jwks_uri", base + "/oauth/jwks"},
      {"introspection_endpoint", base + "/oauth/introspect"},
      {"revocation_endpoint", base + "/oauth/revoke"},
      // draft-ietf-oauth-status-list-21 section 9.1.
      {"status_list_aggregation_endpoint", base + "/oauth/status"},
      // There is no authorization endpoint. The member is required all the same and may not be
      // empty: "none" promises neither a code nor a token (OAuth 2.0 Multiple Response Types).
      {"response_types_supported", json::Array{"none"}},
      {"grant_types_supported", json::Array{"client_credentials", "refresh_token", kExchangeGrant}},
      {"token_endpoint_auth_methods_supported", private_key_jwt},
      {"token_endpoint_auth_signing_alg_values_supported", algs},
      {"introspection_endpoint_auth_methods_supported", private_key_jwt},
      {"introspection_endpoint_auth_signing_alg_values_supported", algs},
      {"revocation_endpoint_auth_methods_supported", private_key_jwt},
      {"revocation_endpoint_auth_signing_alg_values_supported", algs},
      {"dpop_signing_alg_values_supported", algs},
      {"authorization_details_types_supported", json::Array{"stint_task", "stint_grant"}},
      {"tls_client_certificate_bound_access_tokens", true}};
  if (openid) {
    // What cloud providers ask of an issuer whose JWTs they take for web identity.
    o["response_types_supported"] = json::Array{"id_token"};
    o["subject_types_supported"] = json::Array{"public"};
    json::Array signing;
    for (const jose::Jwk& k : parts.authority.token_keys()->keys())  // several of one, at times
      if (const json::Value alg(crypto::text(k.alg));
          std::ranges::find(signing, alg) == signing.end())
        signing.push_back(alg);
    o["id_token_signing_alg_values_supported"] = std::move(signing);
    o["claims_supported"] = json::Array{"iss",
                                        "sub",
                                        "aud",
                                        "exp",
                                        "iat",
                                        "jti",
                                        "client_id",
                                        "cnf",
                                        "act",
                                        "task",
                                        "authorization_details",
                                        "acr",
                                        "auth_time",
                                        "status"};
  }
  return json::write(o);
}

}  // namespace stint::oauth
