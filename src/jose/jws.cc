#include "stint/jose/jws.h"

#include <algorithm>
#include <array>

#include "alg_name.h"
#include "compact_reader.h"
#include "stint/codec/base64url.h"

namespace stint::jose {

namespace {

constexpr std::array kAllAlgs = {crypto::Alg::kES256, crypto::Alg::kRS256, crypto::Alg::kEdDSA,
                                 crypto::Alg::kPS256};
constexpr std::array<std::string_view, 5> kAlgNames = {"ES256", "RS256", "EdDSA", "PS256",
                                                       "Ed25519"};
constexpr std::size_t kMaxName = 256;  // of kid and typ
constexpr std::size_t kHeaderDepth = 8;

// Media types compare without case, and "application/" may be left out.
std::string plain_typ(std::string_view typ) {
  std::string out(typ);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  constexpr std::string_view kPrefix = "application/";
  if (out.starts_with(kPrefix) && out.find('/', kPrefix.size()) == std::string::npos)
    out.erase(0, kPrefix.size());
  return out;
}

Result<std::string_view> name_at(const json::Object& header, std::string_view key) {
  const auto got = json::optional_string_at(header, key);
  if (!got || (*got && ((*got)->empty() || (*got)->size() > kMaxName)))
    return fail(Errc::kMalformed, "jws header member");
  return got->value_or("");
}

// What would change how the token must be read, or where its key would come from.
Status refuse_extensions(const json::Object& header) {
  if (header.contains("crit")) return fail(Errc::kUnsupported, "jws crit");
  if (header.contains("b64")) return fail(Errc::kUnsupported, "jws b64");
  if (header.contains("zip")) return fail(Errc::kUnsupported, "jws zip");
  if (header.contains("jku") || header.contains("x5u"))
    return fail(Errc::kUnsupported, "jws key by reference");
  return {};
}

}  // namespace

Result<CompactReader::Parts> CompactReader::split(std::string_view compact, Limits limits) {
  if (compact.size() > limits.bytes) return fail(Errc::kTooLarge, "jws too large");
  const std::size_t first = compact.find('.');
  if (first == std::string_view::npos) return fail(Errc::kMalformed, "jws parts");
  const std::size_t second = compact.find('.', first + 1);
  if (second == std::string_view::npos || compact.find('.', second + 1) != std::string_view::npos)
    return fail(Errc::kMalformed, "jws parts");
  if (first > limits.header_bytes) return fail(Errc::kTooLarge, "jws header too large");
  return Parts{compact.substr(0, first), compact.substr(first + 1, second - first - 1),
               compact.substr(second + 1)};
}

Result<std::shared_ptr<const Header>> CompactReader::header(std::string_view part) {
  const std::string text = STINT_TRY(codec::decode_base64url(part));
  const json::Object object = STINT_TRY(json::parse_object(text, {.depth = kHeaderDepth}));
  STINT_TRY(refuse_extensions(object));
  if (!object.contains("alg")) return fail(Errc::kMissing, "jws alg");
  const auto alg = read_alg(STINT_TRY(name_at(object, "alg")));
  if (!alg) return fail(Errc::kUnsupported, "jws alg");
  auto header = std::make_shared<Header>();
  header->alg = *alg;
  header->kid = STINT_TRY(name_at(object, "kid"));
  header->typ = plain_typ(STINT_TRY(name_at(object, "typ")));
  if (const json::Value* jwk = object.if_contains("jwk")) {
    if (!jwk->is_object()) return fail(Errc::kMalformed, "jws header member");
    header->jwk = std::make_shared<const json::Object>(jwk->get_object());
  }
  return std::shared_ptr<const Header>(std::move(header));
}

Result<Unverified> CompactReader::read(std::string_view compact, const Parts& parts,
                                       std::shared_ptr<const Header> header) {
  Unverified jws;
  jws.payload_ = STINT_TRY(codec::decode_base64url(parts.payload));
  jws.signature_ = STINT_TRY(codec::decode_base64url(parts.signature));
  jws.text_ = compact;
  jws.header_end_ = parts.header.size();
  jws.signed_ = parts.header.size() + 1 + parts.payload.size();
  jws.header_ = std::move(header);
  return jws;
}

Result<Unverified> parse_compact(std::string_view compact, Limits limits) {
  const auto parts = STINT_TRY(CompactReader::split(compact, limits));
  auto header = STINT_TRY(CompactReader::header(parts.header));
  return CompactReader::read(compact, parts, std::move(header));
}

std::span<const crypto::Alg> all_algs() { return kAllAlgs; }
std::span<const std::string_view> alg_names() { return kAlgNames; }

Result<Verified> verify(const Unverified& jws, const crypto::PublicKey& key,
                        std::span<const crypto::Alg> allowed) {
  const crypto::Alg alg = jws.header().alg;
  if (std::ranges::find(allowed, alg) == allowed.end())
    return fail(Errc::kUnsupported, "jws alg not allowed");
  if (!crypto::fits(alg, key.kind())) return fail(Errc::kWrongKey, "jws alg does not fit the key");
  STINT_TRY(key.verify(alg, jws.signing_input(), jws.signature()));
  Verified good;
  good.header_ = jws.header_;
  good.payload_ = jws.payload();
  return good;
}

Result<Verified> verify(const Unverified& jws, const JwkSet& keys,
                        std::span<const crypto::Alg> allowed) {
  const Header& header = jws.header();
  // A key that the sender brings proves nothing about who the sender is.
  if (header.jwk) return fail(Errc::kWrongKey, "jws embedded key");
  if (std::ranges::find(allowed, header.alg) == allowed.end())
    return fail(Errc::kUnsupported, "jws alg not allowed");
  const Jwk* const key = keys.find(header.kid, header.alg);
  if (key != nullptr) return verify(jws, key->key, allowed);
  if (!header.kid.empty() && keys.has_kid(header.kid))
    return fail(Errc::kWrongKey, "jws alg is not the key's");
  return fail(Errc::kWrongKey, "jws unknown key");
}

Result<std::string> sign(const SignHeader& header, std::string_view payload,
                         const crypto::PrivateKey& key) {
  json::Object object;
  if (!header.typ.empty()) object["typ"] = header.typ;
  object["alg"] = crypto::text(key.alg());
  if (!header.kid.empty()) object["kid"] = header.kid;
  if (header.embed_public_key) object["jwk"] = bare_json(key.public_key());
  std::string out = codec::encode_base64url(json::write(object));
  out += '.';
  out += codec::encode_base64url(payload);
  const std::string signature = STINT_TRY(key.sign(out));
  out += '.';
  out += codec::encode_base64url(signature);
  return out;
}

}  // namespace stint::jose
