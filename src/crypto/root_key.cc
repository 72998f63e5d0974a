#include "stint/crypto/root_key.h"

#include <openssl/crypto.h>
#include <sodium.h>

#include <algorithm>

#include "stint/crypto/digest.h"

namespace stint::crypto {

namespace {

constexpr unsigned long long kPasses = 3;
constexpr std::size_t kMemory = 64ULL << 20;

// Wipes the whole capacity on every way out.
struct Wiped {
  std::string& s;
  ~Wiped() {
    s.resize(s.capacity());
    OPENSSL_cleanse(s.data(), s.size());
    s.clear();
  }
};

}  // namespace

RootKey RootKey::generate(Entropy& entropy) {
  RootKey key;
  entropy.fill(std::as_writable_bytes(std::span(key.bytes_)));
  return key;
}

Result<RootKey> RootKey::from_bytes(std::string&& given) {
  const Wiped wiped{given};
  if (given.size() != kSize) return fail(Errc::kMalformed, "root key size");
  RootKey key;
  std::copy(given.begin(), given.end(), key.bytes_.begin());
  return key;
}

Result<RootKey> RootKey::from_passphrase(const Secret& given, std::string_view salt) {
  static_assert(kSaltSize == crypto_pwhash_argon2id_SALTBYTES);
  const std::string_view passphrase = given.reveal({});
  if (passphrase.size() < 12) return fail(Errc::kMalformed, "passphrase under 12 bytes");
  if (passphrase.size() > 1024) return fail(Errc::kMalformed, "passphrase over 1024 bytes");
  if (salt.size() != kSaltSize) return fail(Errc::kMalformed, "passphrase salt");
  if (sodium_init() < 0) return fail(Errc::kUnavailable, "libsodium");
  RootKey key;
  if (crypto_pwhash(key.bytes_.data(), kSize, passphrase.data(), passphrase.size(),
                    reinterpret_cast<const unsigned char*>(salt.data()), kPasses, kMemory,
                    crypto_pwhash_ALG_ARGON2ID13) != 0)
    return fail(Errc::kUnavailable, "argon2id memory");
  return key;
}

RootKey::RootKey(RootKey&& other) noexcept : bytes_(other.bytes_) {
  OPENSSL_cleanse(other.bytes_.data(), kSize);
}

RootKey& RootKey::operator=(RootKey&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    OPENSSL_cleanse(other.bytes_.data(), kSize);
  }
  return *this;
}

RootKey::~RootKey() { OPENSSL_cleanse(bytes_.data(), kSize); }

std::uint32_t RootKey::id() const {
  const auto name = hkdf_sha256({reinterpret_cast<const char*>(bytes_.data()), kSize}, "",
                                "stint root key id v1", 4);
  std::uint32_t id = 0;
  for (const char c : *name) id = id << 8 | static_cast<std::uint8_t>(c);
  return id;
}

std::string RootKey::export_plain() const { return {bytes_.begin(), bytes_.end()}; }

}  // namespace stint::crypto
