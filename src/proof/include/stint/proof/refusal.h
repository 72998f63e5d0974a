#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/http/message.h"

namespace stint::proof {

// The error code that OAuth gives to a refusal (RFC 6750 section 3.1, RFC 9449 sections 5, 7, 8).
enum class OAuthError : std::uint8_t {
  kNone,            // nothing was presented: a bare challenge, no error (RFC 6750 section 3.1)
  kInvalidRequest,  // "invalid_request"
  kInvalidToken,    // "invalid_token"
  kInvalidProof,    // "invalid_dpop_proof"
  kUseNonce,        // "use_dpop_nonce": right but for the nonce; not an offence
};
std::string_view text(OAuthError e);  // "" for kNone

// Why a presenter was not believed, and what it says against them.
struct Refusal {
  Error error;
  OAuthError oauth = OAuthError::kInvalidToken;
  // A literal to report as authority::Signal::name, "" when there is nothing to report:
  //   proof-missing     a token bound to a key came without a proof of it (as Bearer)
  //   key-mismatch      with a proof of another key, or over another certificate
  //   proof-replayed    with a proof that was used before
  //   proof-mismatch    with a proof for another request or another token (htm, htu, ath)
  //   proof-stale       with a proof that is too old (soft: a slow clock looks the same)
  //   wrong-audience    an access token for another service
  std::string_view signal;
  bool hard = true;
  // Of a token whose signature was good, whoever sent it.
  std::optional<TaskId> task;
  std::optional<TokenId> token;
  std::string agent;
};

template <class T>
struct [[nodiscard]] Outcome : std::expected<T, Refusal> {
  using std::expected<T, Refusal>::expected;
};

}  // namespace stint::proof
