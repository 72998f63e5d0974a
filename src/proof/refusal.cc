#include "stint/proof/refusal.h"

namespace stint::proof {

std::string_view text(OAuthError e) {
  switch (e) {
    case OAuthError::kNone:
      return "";
    case OAuthError::kInvalidRequest:
      return "invalid_request";
    case OAuthError::kInvalidToken:
      return "invalid_token";
    case OAuthError::kInvalidProof:
      return "invalid_dpop_proof";
    case OAuthError::kUseNonce:
      return "use_dpop_nonce";
  }
  __builtin_trap();
}

}  // namespace stint::proof
