#include "stint/jose/jwk.h"

#include <algorithm>

#include "alg_name.h"
#include "stint/codec/base64url.h"
#include "stint/crypto/digest.h"

namespace stint::jose {

namespace {

constexpr std::size_t kMaxKid = 256;
constexpr std::size_t kMaxJwkBytes = 16 * 1024;
constexpr std::size_t kDepth = 8;
// RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1.
constexpr std::string_view kPrivate[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

Result<std::string> bytes_at(const json::Object& jwk, std::string_view name) {
  return codec::decode_base64url(STINT_TRY(json::string_at(jwk, name)));
}

// "use" and "key_ops" say what the key is for; absent they say nothing (RFC 7517 section 4.2).
Status check_purpose(const json::Object& jwk) {
  const auto use = STINT_TRY(json::optional_string_at(jwk, "use"));
  if (use && *use != "sig") return fail(Errc::kWrongKey, "jwk use");
  const json::Array* const ops = STINT_TRY(json::optional_array_at(jwk, "key_ops"));
  if (ops != nullptr) {
    const auto names = STINT_TRY(json::strings(*ops));
    if (std::ranges::find(names, "verify") == names.end())
      return fail(Errc::kWrongKey, "jwk key_ops");
  }
  return {};
}

Result<crypto::PublicKey> key_of(const json::Object& jwk) {
  const std::string_view kty = STINT_TRY(json::string_at(jwk, "kty"));
  if (kty == "RSA")
    return crypto::PublicKey::from_rsa(STINT_TRY(bytes_at(jwk, "n")),
                                       STINT_TRY(bytes_at(jwk, "e")));
  if (kty != "EC" && kty != "OKP") return fail(Errc::kUnsupported, "jwk kty");
  const std::string_view crv = STINT_TRY(json::string_at(jwk, "crv"));
  if (kty == "EC" && crv == "P-256")
    return crypto::PublicKey::from_p256(STINT_TRY(bytes_at(jwk, "x")),
                                        STINT_TRY(bytes_at(jwk, "y")));
  if (kty == "OKP" && crv == "Ed25519")
    return crypto::PublicKey::from_ed25519(STINT_TRY(bytes_at(jwk, "x")));
  return fail(Errc::kUnsupported, "jwk crv");
}

// Everything but the purpose.
Result<Jwk> parse_material(const json::Object& jwk) {
  for (const std::string_view name : kPrivate)
    if (jwk.contains(name)) return fail(Errc::kWrongKey, "jwk private member");
  crypto::PublicKey key = STINT_TRY(key_of(jwk));
  crypto::Alg alg = crypto::default_alg(key.kind());
  if (const auto name = STINT_TRY(json::optional_string_at(jwk, "alg"))) {
    const auto named = read_alg(*name);
    if (!named) return fail(Errc::kUnsupported, "jwk alg");
    if (!crypto::fits(*named, key.kind())) return fail(Errc::kWrongKey, "jwk alg mismatch");
    alg = *named;
  }
  const auto kid = STINT_TRY(json::optional_string_at(jwk, "kid"));
  if (kid && (kid->empty() || kid->size() > kMaxKid)) return fail(Errc::kMalformed, "jwk kid");
  return Jwk{std::move(key), alg, std::string(kid.value_or(""))};
}

// Calls take(object) for each key; the first error decides.
template <class Take>
Result<JwkSet> parse_set(std::string_view text, Take take) {
  const json::Object set =
      STINT_TRY(json::parse_object(text, {.bytes = JwkSet::kMaxBytes, .depth = kDepth}));
  if (!set.contains("keys")) return fail(Errc::kMissing, "jwks keys");
  const json::Array* const array = STINT_TRY(json::array_at(set, "keys"));
  if (array->size() > JwkSet::kMaxKeys) return fail(Errc::kLimit, "jwks keys");
  std::vector<Jwk> keys;
  for (const json::Value& value : *array) {
    if (!value.is_object()) return fail(Errc::kMalformed, "json member type");
    STINT_TRY(take(value.get_object(), keys));
  }
  return JwkSet::of(std::move(keys));
}

}  // namespace

std::string thumbprint(const crypto::PublicKey& key) {
  const std::string a = codec::encode_base64url(key.first());
  const std::string b = codec::encode_base64url(key.second());
  std::string text;
  switch (key.kind()) {
    case crypto::KeyKind::kP256:
      text = R"({"crv":"P-256","kty":"EC","x":")" + a + R"(","y":")" + b + "\"}";
      break;
    case crypto::KeyKind::kRsa:
      text = R"({"e":")" + b + R"(","kty":"RSA","n":")" + a + "\"}";
      break;
    case crypto::KeyKind::kEd25519:
      text = R"({"crv":"Ed25519","kty":"OKP","x":")" + a + "\"}";
      break;
  }
  return codec::encode_base64url(crypto::view(crypto::sha256(text)));
}

Result<Jwk> parse_public_jwk(const json::Object& jwk) {
  Jwk parsed = STINT_TRY(parse_material(jwk));
  STINT_TRY(check_purpose(jwk));
  return parsed;
}

Result<Jwk> parse_public_jwk(std::string_view text) {
  return parse_public_jwk(
      STINT_TRY(json::parse_object(text, {.bytes = kMaxJwkBytes, .depth = kDepth})));
}

json::Object bare_json(const crypto::PublicKey& key) {
  json::Object out;
  const std::string a = codec::encode_base64url(key.first());
  const std::string b = codec::encode_base64url(key.second());
  switch (key.kind()) {
    case crypto::KeyKind::kP256:
      out["kty"] = "EC";
      out["crv"] = "P-256";
      out["x"] = a;
      out["y"] = b;
      break;
    case crypto::KeyKind::kRsa:
      out["kty"] = "RSA";
      out["n"] = a;
      out["e"] = b;
      break;
    case crypto::KeyKind::kEd25519:
      out["kty"] = "OKP";
      out["crv"] = "Ed25519";
      out["x"] = a;
      break;
  }
  return out;
}

json::Object to_json(const Jwk& jwk) {
  json::Object out = bare_json(jwk.key);
  if (!jwk.kid.empty()) out["kid"] = jwk.kid;
  out["alg"] = crypto::text(jwk.alg);
  out["use"] = "sig";
  return out;
}

Result<crypto::PrivateKey> parse_private_jwk(std::string_view text) {
  json::Object jwk = STINT_TRY(json::parse_object(text, {.bytes = kMaxJwkBytes, .depth = kDepth}));
  if (!jwk.contains("d")) return fail(Errc::kMissing, "jwk d");
  if (const json::Value* kty = jwk.if_contains("kty"); kty != nullptr && *kty == "RSA")
    return fail(Errc::kUnsupported, "jwk private rsa: use PKCS#8");
  const std::string d = STINT_TRY(bytes_at(jwk, "d"));
  jwk.erase("d");
  const Jwk pub = STINT_TRY(parse_material(jwk));
  auto key = STINT_TRY(crypto::PrivateKey::from_raw(d, pub.alg));
  if (!(key.public_key() == pub.key)) return fail(Errc::kWrongKey, "jwk pair");
  return key;
}

Result<JwkSet> JwkSet::of(std::vector<Jwk> keys) {
  if (keys.size() > kMaxKeys) return fail(Errc::kLimit, "jwks keys");
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!keys[i].kid.empty() && keys[i].kid == keys[j].kid && keys[i].alg == keys[j].alg)
        return fail(Errc::kConflict, "jwks duplicate kid");
  JwkSet set;
  set.keys_ = std::move(keys);
  return set;
}

Result<JwkSet> JwkSet::parse(std::string_view text) {
  return parse_set(text, [](const json::Object& object, std::vector<Jwk>& keys) -> Status {
    keys.push_back(STINT_TRY(parse_public_jwk(object)));
    return {};
  });
}

Result<JwkSet> JwkSet::parse_of_issuer(std::string_view text) {
  return parse_set(text, [](const json::Object& object, std::vector<Jwk>& keys) -> Status {
    auto material = parse_material(object);
    if (!material && material.error().code == Errc::kUnsupported) return {};
    Jwk key = STINT_TRY(std::move(material));
    const auto purpose = check_purpose(object);
    if (!purpose && purpose.error().code == Errc::kWrongKey) return {};
    STINT_TRY(purpose);
    keys.push_back(std::move(key));
    return {};
  });
}

const Jwk* JwkSet::find(std::string_view kid, crypto::Alg alg) const {
  const Jwk* found = nullptr;
  for (const Jwk& key : keys_) {
    if (key.alg != alg || (!kid.empty() && key.kid != kid)) continue;
    if (found != nullptr) return nullptr;  // without a kid, one of several is a guess
    found = &key;
  }
  return found;
}

bool JwkSet::has_kid(std::string_view kid) const {
  return std::ranges::find(keys_, kid, &Jwk::kid) != keys_.end();
}

void JwkSet::revoke(std::vector<std::string> kids) {
  std::erase_if(keys_,
                [&](const Jwk& key) { return std::ranges::find(kids, key.kid) != kids.end(); });
  revoked_ = std::move(kids);
}

bool JwkSet::is_revoked(std::string_view kid) const {
  return std::ranges::find(revoked_, kid) != revoked_.end();
}

std::string JwkSet::to_json() const {
  json::Array array;
  for (const Jwk& key : keys_) array.push_back(jose::to_json(key));
  json::Object set;
  set["keys"] = std::move(array);
  return json::write(set);
}

}  // namespace stint::jose
