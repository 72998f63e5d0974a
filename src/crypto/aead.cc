#include "stint/crypto/aead.h"

#include <openssl/crypto.h>

#include "ossl.h"

namespace stint::crypto {

namespace {

using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;

const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const cipher = need(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  return cipher;
}

constexpr std::size_t kMaxText = 1 << 30;  // lengths are int below

bool sizes_fit(std::string_view key, std::string_view nonce, std::string_view aad,
               std::string_view text) {
  return key.size() == kAeadKey && nonce.size() == kAeadNonce && aad.size() < kMaxText &&
         text.size() < kMaxText;
}

}  // namespace

Result<std::string> aead_seal(std::string_view key, std::string_view nonce, std::string_view aad,
                              std::string_view plain) {
  if (!sizes_fit(key, nonce, aad, plain)) return fail(Errc::kMalformed, "aead sizes");
  const CipherCtx ctx(need(EVP_CIPHER_CTX_new()));
  std::string out(plain.size() + kAeadTag, '\0');
  int n = 0;
  unsigned char none[16];
  need(EVP_EncryptInit_ex2(ctx.get(), aes_256_gcm(), bytes(key), bytes(nonce), nullptr) == 1 &&
       EVP_EncryptUpdate(ctx.get(), nullptr, &n, bytes(aad), static_cast<int>(aad.size())) == 1 &&
       EVP_EncryptUpdate(ctx.get(), bytes(out), &n, bytes(plain), static_cast<int>(plain.size())) ==
           1 &&
       EVP_EncryptFinal_ex(ctx.get(), none, &n) == 1 &&
       EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTag, bytes(out) + plain.size()) ==
           1);
  return out;
}

Result<std::string> aead_open(std::string_view key, std::string_view nonce, std::string_view aad,
                              std::string_view sealed) {
  if (!sizes_fit(key, nonce, aad, sealed) || sealed.size() < kAeadTag)
    return fail(Errc::kMalformed, "aead sizes");
  const CipherCtx ctx(need(EVP_CIPHER_CTX_new()));
  const std::string_view text = sealed.substr(0, sealed.size() - kAeadTag);
  std::string tag(sealed.substr(text.size()));
  std::string out(text.size(), '\0');
  int n = 0;
  unsigned char none[16];
  need(EVP_DecryptInit_ex2(ctx.get(), aes_256_gcm(), bytes(key), bytes(nonce), nullptr) == 1);
  const bool good =
      EVP_DecryptUpdate(ctx.get(), nullptr, &n, bytes(aad), static_cast<int>(aad.size())) == 1 &&
      EVP_DecryptUpdate(ctx.get(), bytes(out), &n, bytes(text), static_cast<int>(text.size())) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTag, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(ctx.get(), none, &n) == 1;
  if (!good) {
    // GCM decrypts before it knows the tag: what came out is not plaintext of ours.
    OPENSSL_cleanse(out.data(), out.size());
    return fail(Errc::kBadSignature, "aead tag");
  }
  return out;
}

}  // namespace stint::crypto
