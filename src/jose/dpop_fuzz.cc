// Text with a line break is a header and a payload, which get signed; else it is a proof as it
// stands. Oracles: a cache changes no answer; what passes holds every rule of RFC 9449 section 4.3
// when read again from the text alone.
#include <cstdlib>

#include "stint/codec/base64url.h"
#include "stint/codec/url.h"
#include "stint/jose/dpop.h"

namespace {

using namespace stint;

constexpr std::string_view kHtu = "https://stint.example/u/helpdesk";
const WallTime kNow = from_unix_seconds(1'790'000'000);

const crypto::PrivateKey& key() {
  static const auto made =
      crypto::PrivateKey::from_raw("test key of the fuzzer, 32 bytes", crypto::Alg::kEdDSA);
  return *made;
}

std::string signed_proof(std::string_view header, std::string_view payload) {
  std::string out = codec::encode_base64url(header) + "." + codec::encode_base64url(payload);
  const std::string signature = *key().sign(out);
  return out + "." + codec::encode_base64url(signature);
}

// The rules, read again and slowly.
bool holds(std::string_view proof, const crypto::Digest& token) {
  const std::size_t first = proof.find('.'), second = proof.find('.', first + 1);
  const auto header = json::parse_object(*codec::decode_base64url(proof.substr(0, first)));
  const auto claims =
      json::parse_object(*codec::decode_base64url(proof.substr(first + 1, second - first - 1)));
  if (!header || !claims || header->contains("crit")) return false;
  const auto text = [](const json::Object& o, std::string_view name) {
    return std::string(json::string_at(o, name).value_or(""));
  };
  const auto htu = codec::normalise_htu(text(*claims, "htu"));
  const json::Value* const iat = claims->if_contains("iat");
  const double seconds = iat == nullptr     ? -1
                         : iat->is_int64()  ? static_cast<double>(iat->get_int64())
                         : iat->is_double() ? iat->get_double()
                                            : -1;
  const auto jwk = jose::parse_public_jwk(header->at("jwk").as_object());
  return text(*claims, "htm") == "GET" && htu && *htu == kHtu && !text(*claims, "jti").empty() &&
         text(*claims, "jti").size() <= 128 && seconds >= 1'790'000'000 - 60 &&
         seconds <= 1'790'000'000 + 30.001 &&
         text(*claims, "ath") == codec::encode_base64url(crypto::view(token)) && jwk &&
         jwk->key == key().public_key() && text(*header, "alg") == "EdDSA";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  const std::string proof = line == std::string_view::npos
                                ? std::string(input)
                                : signed_proof(input.substr(0, line), input.substr(line + 1));
  static const crypto::Digest token = crypto::sha256("test token");
  static const std::string jkt = jose::thumbprint(key().public_key());
  const auto expect = jose::DpopExpect::with_token("GET", kHtu, kNow, token, jkt);

  jose::KeyCache cache(16);
  const auto bare = jose::verify_proof(proof, expect, nullptr);
  const auto cold = jose::verify_proof(proof, expect, &cache);
  const auto warm = jose::verify_proof(proof, expect, &cache);
  for (const auto* other : {&cold, &warm}) {
    if (bare.has_value() != other->has_value()) std::abort();
    if (!bare && bare.error().reason.text() != other->error().reason.text()) std::abort();
    if (bare && (bare->jti != (*other)->jti || bare->jkt != (*other)->jkt)) std::abort();
  }
  if (bare && (bare->jkt != jkt || !holds(proof, token))) std::abort();
  return 0;
}
