#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "stint/base/error.h"
#include "stint/http/message.h"
#include "stint/opening/opener.h"
#include "stint/proof/refusal.h"

namespace stint::oauth {

// A refusal in OAuth's own form (RFC 6749 section 5.2).
struct Failure {
  std::string_view oauth;  // literal: "invalid_grant", …
  Error error;             // gives error_description and error_uri
  unsigned status = 400;
  std::string_view challenge = {};  // WWW-Authenticate, for who used the Authorization header
  std::string_view allow = {};      // with 405
};

template <class T>
struct [[nodiscard]] Answer : std::expected<T, Failure> {
  using std::expected<T, Failure>::expected;
};

inline std::unexpected<Failure> refuse(std::string_view oauth, Error error, unsigned status = 400) {
  return std::unexpected(Failure{.oauth = oauth, .error = error, .status = status});
}

Failure failure_of(const opening::Refusal& refusal);
Failure failure_of(const proof::Refusal& refusal);
// Of a command: 503 for what could not be decided or recorded, 500 for a bug of ours.
Failure server_failure(const Error& error);

// {"error","error_description","error_uri"}, no-store. The description is the error's own literal
// and what to do about this kind of error.
http::Response to_response(const Failure& failure);

// 200 application/json, no-store.
http::Response json_response(std::string body);

}  // namespace stint::oauth
