// A compact JWS that parses has one spelling; one that verifies is what our key would sign.
#include <cstdlib>

#include "stint/codec/base64url.h"
#include "stint/jose/jws.h"

namespace {

using namespace stint;

const crypto::PrivateKey& key() {
  static const auto made =
      crypto::PrivateKey::from_raw("test key of the fuzzer, 32 bytes", crypto::Alg::kEdDSA);
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto jws = jose::parse_compact(text);
  if (!jws) return 0;
  if (std::string(jws->header_part()) + "." + codec::encode_base64url(jws->payload()) + "." +
          codec::encode_base64url(jws->signature()) !=
      text)
    std::abort();
  if (jws->signing_input() != text.substr(0, text.rfind('.'))) std::abort();

  static const jose::JwkSet keys = *jose::JwkSet::of({{key().public_key(), key().alg(), "k"}});
  const auto good = jose::verify(*jws, keys, jose::all_algs());
  // Ed25519 signs one message in one way.
  if (good && *key().sign(jws->signing_input()) != jws->signature()) std::abort();
  if (good && (jws->header().jwk || jws->header().alg != crypto::Alg::kEdDSA)) std::abort();

  // The same header and payload, signed by us, parse to the same values; they verify unless the
  // header says another key, algorithm or brings its own.
  const std::string mine = std::string(jws->signing_input()) + "." +
                           codec::encode_base64url(*key().sign(jws->signing_input()));
  const auto again = jose::parse_compact(mine, {.bytes = 16 * 1024});
  if (!again || again->payload() != jws->payload()) std::abort();
  const jose::Header& h = again->header();
  const bool ours = h.alg == crypto::Alg::kEdDSA && (h.kid.empty() || h.kid == "k") && !h.jwk;
  if (jose::verify(*again, keys, jose::all_algs()).has_value() != ours) std::abort();
  return 0;
}
