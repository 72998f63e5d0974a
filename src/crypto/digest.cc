#include "stint/crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "ossl.h"

namespace stint::crypto {

namespace {

using MacCtx = std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>>;

EVP_MD_CTX* thread_md() {
  thread_local const MdCtx ctx(need(EVP_MD_CTX_new()));
  return ctx.get();
}

MacCtx new_mac() {
  static EVP_MAC* const hmac = need(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  MacCtx ctx(need(EVP_MAC_CTX_new(hmac)));
  char name[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  need(EVP_MAC_CTX_set_params(ctx.get(), params) == 1);
  return ctx;
}

Digest mac(EVP_MAC_CTX* ctx, std::string_view key, std::string_view message) {
  Digest out;
  std::size_t length = 0;
  need(EVP_MAC_init(ctx, bytes(key), key.size(), nullptr) == 1 &&
       EVP_MAC_update(ctx, bytes(message), message.size()) == 1 &&
       EVP_MAC_final(ctx, out.data(), &length, out.size()) == 1 && length == out.size());
  return out;
}

}  // namespace

const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const md = need(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  return md;
}

Digest sha256(std::string_view text) {
  Digest out;
  EVP_MD_CTX* const ctx = thread_md();
  need(EVP_DigestInit_ex2(ctx, sha256_algorithm(), nullptr) == 1 &&
       EVP_DigestUpdate(ctx, text.data(), text.size()) == 1 &&
       EVP_DigestFinal_ex(ctx, out.data(), nullptr) == 1);
  return out;
}

struct Sha256::Impl {
  MdCtx ctx;
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  impl_->ctx.reset(need(EVP_MD_CTX_new()));
  need(EVP_DigestInit_ex2(impl_->ctx.get(), sha256_algorithm(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view text) {
  need(EVP_DigestUpdate(impl_->ctx.get(), text.data(), text.size()) == 1);
}

Digest Sha256::finish() {
  Digest out;
  need(EVP_DigestFinal_ex(impl_->ctx.get(), out.data(), nullptr) == 1 &&
       EVP_DigestInit_ex2(impl_->ctx.get(), sha256_algorithm(), nullptr) == 1);
  return out;
}

Digest hmac_sha256(std::string_view key, std::string_view message) {
  thread_local const MacCtx ctx = new_mac();
  return mac(ctx.get(), key, message);
}

Result<std::string> hkdf_sha256(std::string_view secret, std::string_view salt,
                                std::string_view info, std::size_t length) {
  if (length == 0) return fail(Errc::kMalformed, "hkdf length");
  if (length > 255 * sizeof(Digest)) return fail(Errc::kTooLarge, "hkdf length");
  // A context of its own, freed and wiped here: the thread's would keep the pseudorandom key.
  const MacCtx ctx = new_mac();
  Digest prk = mac(ctx.get(), salt.empty() ? std::string_view(view(Digest{})) : salt, secret);
  std::string out;
  out.reserve(length);
  std::string block;
  block.reserve(sizeof(Digest) + info.size() + 1);
  for (std::uint8_t i = 1; out.size() < length; ++i) {
    block.append(info).push_back(static_cast<char>(i));
    Digest t = mac(ctx.get(), view(prk), block);
    out.append(view(t).substr(0, std::min(sizeof(Digest), length - out.size())));
    block.assign(view(t));
    OPENSSL_cleanse(t.data(), t.size());
  }
  OPENSSL_cleanse(prk.data(), prk.size());
  OPENSSL_cleanse(block.data(), block.size());
  return out;
}

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Digest cert_thumbprint(std::string_view der) { return sha256(der); }

}  // namespace stint::crypto
