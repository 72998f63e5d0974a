#include "stint/jose/confirmation.h"

namespace stint::jose {

Result<Confirmation> read_confirmation(const json::Object& claims) {
  Confirmation cnf;
  const json::Object* const object = STINT_TRY(json::optional_object_at(claims, "cnf"));
  if (object == nullptr) return cnf;
  STINT_TRY(json::only_keys(*object, {"jkt", "x5t#S256"}));
  cnf.jkt = STINT_TRY(json::optional_string_at(*object, "jkt")).value_or("");
  cnf.x5t_s256 = STINT_TRY(json::optional_string_at(*object, "x5t#S256")).value_or("");
  if (cnf.jkt.empty() == cnf.x5t_s256.empty()) return fail(Errc::kMalformed, "cnf");
  return cnf;
}

}  // namespace stint::jose
