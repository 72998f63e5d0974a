#include "stint/crypto/sealer.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "stint/crypto/aead.h"
#include "stint/crypto/digest.h"

namespace stint::crypto {

namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeader = 1 + 4 + kAeadNonce;

// What the tag covers: version and key id as written, then the caller's place. The nonce needs no
// cover: another one decrypts to another tag.
std::string bound(std::string_view blob, std::string_view aad) {
  std::string out(blob.substr(0, 5));
  out.append(aad);
  return out;
}

}  // namespace

Sealer::Sealer(const RootKey& root, std::string_view purpose) : root_id_(root.id()) {
  std::string info = "stint seal v1 ";
  info.append(purpose);
  auto key = hkdf_sha256({reinterpret_cast<const char*>(root.bytes_.data()), RootKey::kSize}, "",
                         info, key_.size());
  std::copy(key->begin(), key->end(), key_.begin());
  OPENSSL_cleanse(key->data(), key->size());
}

Sealer::~Sealer() { OPENSSL_cleanse(key_.data(), key_.size()); }

Result<std::string> Sealer::seal(const Secret& plain, std::string_view aad,
                                 Entropy& entropy) const {
  if (plain.size() > kMaxPlain) return fail(Errc::kTooLarge, "secret too large to seal");
  if (aad.size() > kMaxAad) return fail(Errc::kTooLarge, "seal aad too large");
  std::string blob(1, kVersion);
  for (int shift = 24; shift >= 0; shift -= 8)
    blob.push_back(static_cast<char>(root_id_ >> shift & 0xff));
  const auto nonce = random_bytes<kAeadNonce>(entropy);
  blob.append(nonce.begin(), nonce.end());
  blob.append(STINT_TRY(aead_seal({reinterpret_cast<const char*>(key_.data()), key_.size()},
                                  std::string_view(blob).substr(5), bound(blob, aad),
                                  plain.reveal(RevealKey{}))));
  return blob;
}

Result<Secret> Sealer::open(std::string_view blob, std::string_view aad) const {
  if (blob.size() < kOverhead) return fail(Errc::kMalformed, "sealed blob too short");
  if (blob.size() > kMaxPlain + kOverhead) return fail(Errc::kTooLarge, "sealed blob too large");
  if (aad.size() > kMaxAad) return fail(Errc::kTooLarge, "seal aad too large");
  if (blob[0] != kVersion) return fail(Errc::kUnsupported, "sealed blob version");
  std::uint32_t id = 0;
  for (std::size_t i = 1; i < 5; ++i) id = id << 8 | static_cast<std::uint8_t>(blob[i]);
  if (id != root_id_) return fail(Errc::kWrongKey, "sealed under another root key");
  auto plain = aead_open({reinterpret_cast<const char*>(key_.data()), key_.size()},
                         blob.substr(5, kAeadNonce), bound(blob, aad), blob.substr(kHeader));
  if (!plain) return fail(Errc::kBadSignature, "sealed blob altered or out of place");
  return Secret(std::move(*plain));
}

Digest Sealer::fingerprint(const Secret& plain) const {
  return fingerprint(plain.reveal(RevealKey{}));
}

Digest Sealer::fingerprint(std::string_view offered) const {
  // A key of its own: the sealing key does nothing but AES-GCM.
  auto key = hkdf_sha256({reinterpret_cast<const char*>(key_.data()), key_.size()}, "",
                         "stint fingerprint v1", key_.size());
  const Digest mark = hmac_sha256(*key, offered);
  OPENSSL_cleanse(key->data(), key->size());
  return mark;
}

Result<std::string> Sealer::reseal(std::string_view blob, const Sealer& to, std::string_view aad,
                                   Entropy& entropy) const {
  const Secret plain = STINT_TRY(open(blob, aad));
  std::string out = STINT_TRY(to.seal(plain, aad, entropy));
  const Secret again = STINT_TRY(to.open(out, aad));
  if (!again.matches(plain.reveal(RevealKey{})))
    return fail(Errc::kInternal, "a value sealed anew is another one");
  return out;
}

Result<std::string> Sealer::seal_key(const PrivateKey& key, std::string_view aad,
                                     Entropy& entropy) const {
  return seal(key.to_pkcs8(), aad, entropy);
}

Result<PrivateKey> Sealer::open_key(std::string_view blob, std::string_view aad, Alg alg) const {
  const Secret der = STINT_TRY(open(blob, aad));
  return PrivateKey::from_pkcs8(der.reveal(RevealKey{}), alg);
}

}  // namespace stint::crypto
