// A key that is accepted survives its own text, with the same thumbprint, and was not private.
#include <cstdlib>

#include "stint/jose/jwk.h"

using namespace stint;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto jwk = jose::parse_public_jwk(text)) {
    const auto again = jose::parse_public_jwk(json::write(jose::to_json(*jwk)));
    if (!again || !(again->key == jwk->key) || again->alg != jwk->alg || again->kid != jwk->kid)
      std::abort();
    const auto bare = jose::parse_public_jwk(jose::bare_json(jwk->key));
    if (!bare || jose::thumbprint(bare->key) != jose::thumbprint(jwk->key)) std::abort();
    const auto object = json::parse_object(text);
    if (!object) std::abort();
    for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
      if (object->contains(name)) std::abort();
    if (!crypto::fits(jwk->alg, jwk->key.kind())) std::abort();
    if (jwk->key.verify(jwk->alg, text, text)) std::abort();
  }
  if (const auto set = jose::JwkSet::parse(text)) {
    // What a strict reading takes, the filtering one takes whole.
    const auto filtered = jose::JwkSet::parse_of_issuer(text);
    if (!filtered || filtered->to_json() != set->to_json()) std::abort();
    const auto again = jose::JwkSet::parse(set->to_json());
    if (!again || again->to_json() != set->to_json()) std::abort();
  }
  static_cast<void>(jose::parse_private_jwk(text));
  return 0;
}
