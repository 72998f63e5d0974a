#include "stint/jose/confirmation.h"

#include <algorithm>

namespace stint::jose {
namespace {

// A SHA-256 in base64url. Anything else is no key's, and would be found out by nothing later.
bool is_thumbprint(std::string_view text) {
  return text.size() == 43 && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

}  // namespace

Result<Confirmation> read_confirmation(const json::Object& claims) {
  Confirmation cnf;
  const json::Object* const object = STINT_TRY(json::optional_object_at(claims, "cnf"));
  if (object == nullptr) return cnf;
  STINT_TRY(json::only_keys(*object, {"jkt", "x5t#S256"}));
  cnf.jkt = STINT_TRY(json::optional_string_at(*object, "jkt")).value_or("");
  cnf.x5t_s256 = STINT_TRY(json::optional_string_at(*object, "x5t#S256")).value_or("");
  if (cnf.jkt.empty() == cnf.x5t_s256.empty()) return fail(Errc::kMalformed, "cnf");
  if (!is_thumbprint(cnf.jkt.empty() ? cnf.x5t_s256 : cnf.jkt))
    return fail(Errc::kMalformed, "cnf");
  return cnf;
}

}  // namespace stint::jose
