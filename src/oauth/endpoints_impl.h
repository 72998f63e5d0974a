#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "failure.h"
#include "stint/codec/form.h"
#include "stint/oauth/endpoints.h"

namespace stint::oauth {

inline constexpr std::string_view kExchangeGrant =
    "urn:ietf:params:oauth:grant-type:token-exchange";
inline constexpr std::string_view kAccessTokenType =
    "urn:ietf:params:oauth:token-type:access_token";
inline constexpr std::string_view kIdTokenType = "urn:ietf:params:oauth:token-type:id_token";
inline constexpr std::string_view kJwtType = "urn:ietf:params:oauth:token-type:jwt";

// A POST that was read and is well-formed; who sent it is not known yet.
struct Posted {
  codec::Form form;
  http::RequestHead head;
  http::Peer peer;
  WallTime now;

  std::string_view get(std::string_view name) const {  // "": omitted
    const auto v = form.optional(name);
    return v && *v ? **v : std::string_view();
  }
  std::vector<std::string> list(std::string_view name) const {
    std::vector<std::string> out;
    for (const std::string_view v : form.all(name)) out.emplace_back(v);
    return out;
  }
};

// An authenticated client that proved a key, at the token endpoint.
struct TokenRequest {
  Posted posted;
  opening::Client client;
  domain::Binding binding;

  opening::Where where() const {
    return {.endpoint = "token-endpoint",
            .ip = posted.peer.ip,
            .fresh_proof = binding.kind == domain::Binding::Kind::kDpop};
  }
};

// Reads an application/x-www-form-urlencoded POST: method, media type, no query, no parameter twice
// (but `resource` and `audience`), one way of client authentication.
Answer<Posted> read_post(http::RequestHead head, http::Peer peer, std::string_view body,
                         WallTime now);

struct Endpoints::Impl {
  explicit Impl(Parts parts_in);

  std::string metadata(bool openid) const;
  // Status lists (status.cc): one by its number, or the addresses of all.
  http::Response status(const http::RequestHead& head, std::string_view path) const;

  rt::Co<http::Response> token(http::RequestHead head, http::Peer peer, std::string body,
                               WallTime now);
  rt::Co<Answer<http::Response>> token_answer(http::RequestHead head, http::Peer peer,
                                              std::string body, WallTime now);
  rt::Co<Answer<http::Response>> client_credentials(TokenRequest request);
  rt::Co<Answer<http::Response>> exchange(TokenRequest request);
  rt::Co<Answer<http::Response>> delegate(TokenRequest request);
  rt::Co<Answer<http::Response>> refresh(TokenRequest request);
  rt::Co<Failure> refused_handle(TokenRequest request, std::optional<std::string> audience,
                                 std::vector<domain::Grant> narrow, Error error);
  rt::Co<Answer<http::Response>> introspect(Posted posted);
  rt::Co<Answer<http::Response>> revoke(Posted posted);

  // By client_assertion, or at the exchange of an ID token by an actor_token of type jwt, which is
  // the same proof. `presented`: the key that came with the request; none where none is asked for.
  rt::Co<Answer<opening::Client>> authenticate(const Posted* posted, std::string_view where,
                                               std::optional<domain::Binding> presented);
  rt::Co<Answer<opening::Client>> authenticate_once(const Posted* posted, std::string_view where);

  void report(std::string_view name, bool hard, const Posted& posted, std::string_view where,
              std::string agent, std::optional<TaskId> task,
              std::optional<TokenId> token = std::nullopt) const;
  // Reports a borrowed session if `offered` is one.
  rt::Co<void> report_borrowed(const Posted* posted, std::string offered, std::string_view where,
                               std::string agent);

  Parts parts;
  std::string base;    // issuer without a trailing '/'
  std::string prefix;  // path of the issuer, "" or "/tenant"
};

}  // namespace stint::oauth
