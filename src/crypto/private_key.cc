#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "key_impl.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/sign.h"

namespace stint::crypto {

struct PrivateKey::Impl {
  Impl(Alg a, Pkey k, PublicKey p) : alg(a), pkey(std::move(k)), pub(std::move(p)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { OPENSSL_cleanse(ed25519, sizeof ed25519); }

  Alg alg;
  Pkey pkey;
  PublicKey pub;
  unsigned char ed25519[crypto_sign_SECRETKEYBYTES] = {};  // seed and public key, for libsodium
  mutable CtxPool pool;
};

namespace {

using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freed<PKCS8_PRIV_KEY_INFO_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;

constexpr std::size_t kMaxKeyText = 16 * 1024;

struct Wiped {
  std::string s;
  ~Wiped() { OPENSSL_cleanse(s.data(), s.size()); }
};

// The P-256 key with this scalar, or null when it is not in [1, n-1].
Pkey p256_of(std::string_view scalar) {
  const Bn d(BN_bin2bn(bytes(scalar), static_cast<int>(scalar.size()), BN_secure_new()));
  if (!d || BN_is_zero(d.get()) || BN_cmp(d.get(), EC_GROUP_get0_order(p256())) >= 0)
    return nullptr;
  BN_set_flags(d.get(), BN_FLG_CONSTTIME);
  const BnCtx bn_ctx(need(BN_CTX_secure_new()));
  const Point q(need(EC_POINT_new(p256())));
  unsigned char encoded[65];
  const ParamBuilder builder(need(OSSL_PARAM_BLD_new()));
  if (!EC_POINT_mul(p256(), q.get(), d.get(), nullptr, nullptr, bn_ctx.get()) ||
      EC_POINT_point2oct(p256(), q.get(), POINT_CONVERSION_UNCOMPRESSED, encoded, sizeof encoded,
                         bn_ctx.get()) != sizeof encoded ||
      !OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1",
                                       0) ||
      !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, d.get()) ||
      !OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded,
                                        sizeof encoded))
    return nullptr;
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &made, EVP_PKEY_KEYPAIR, params.get()) != 1)
    return nullptr;
  return Pkey(made);
}

Pkey ed25519_of(std::string_view seed) {
  return Pkey(
      EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, bytes(seed), seed.size()));
}

Pkey rsa_2048() { return Pkey(EVP_RSA_gen(2048)); }

// DER ECDSA-Sig-Value to r || s.
Result<std::string> raw_of(std::string_view der) {
  const unsigned char* p = bytes(der);
  const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> sig(
      d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(der.size())));
  std::string out(64, '\0');
  if (!sig || BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), bytes(out), 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), bytes(out) + 32, 32) != 32)
    return fail(Errc::kInternal, "sign");
  return out;
}

Result<std::string> evp_sign(EVP_PKEY* pkey, CtxPool& pool, Alg alg, std::string_view message) {
  PkeyCtx ctx = pool.take();
  if (!ctx) {
    ctx.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, pkey, nullptr));
    if (!ctx || EVP_PKEY_sign_init(ctx.get()) != 1 || !configure(ctx.get(), alg))
      return fail(Errc::kInternal, "sign");
  }
  const Digest hash = sha256(message);
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(pkey)), '\0');
  std::size_t size = out.size();
  if (EVP_PKEY_sign(ctx.get(), bytes(out), &size, hash.data(), hash.size()) != 1)
    return fail(Errc::kInternal, "sign");
  pool.give(std::move(ctx));
  out.resize(size);
  if (alg == Alg::kES256) return raw_of(out);
  return out;
}

}  // namespace

// Takes a key from wherever: its kind and size are checked as a public key's, then one signature is
// made and verified, so a private part that belongs to another public part never gets used.
Result<PrivateKey> PrivateKey::adopt(void* raw, Alg alg) {
  const ErrorsCleared errors;
  Pkey pkey(static_cast<EVP_PKEY*>(raw));
  if (!pkey) return fail(Errc::kMalformed, "private key");
  PublicKey pub = STINT_TRY(public_key_of(pkey.get()));
  if (!fits(alg, pub.kind())) return fail(Errc::kWrongKey, "alg does not fit the key");
  auto impl = std::make_shared<Impl>(alg, std::move(pkey), std::move(pub));
  if (alg == Alg::kEdDSA) {
    unsigned char seed[32], unused[32];
    std::size_t size = sizeof seed;
    const bool read = EVP_PKEY_get_raw_private_key(impl->pkey.get(), seed, &size) == 1 &&
                      size == sizeof seed &&
                      crypto_sign_seed_keypair(unused, impl->ed25519, seed) == 0;
    OPENSSL_cleanse(seed, sizeof seed);
    if (!read) return fail(Errc::kMalformed, "private key");
  }
  PrivateKey key(std::move(impl));
  const auto probe = key.sign("stint key check");
  if (!probe || !key.public_key().verify(alg, "stint key check", *probe))
    return fail(Errc::kMalformed, "private key does not fit its public key");
  return key;
}

Result<PrivateKey> PrivateKey::generate(Alg alg, Entropy& entropy) {
  if (alg == Alg::kRS256 || alg == Alg::kPS256) return adopt(rsa_2048().release(), alg);
  Wiped d{std::string(32, '\0')};
  for (;;) {
    entropy.fill(std::as_writable_bytes(std::span(d.s)));
    Pkey key = alg == Alg::kES256 ? p256_of(d.s) : ed25519_of(d.s);
    if (key) return adopt(key.release(), alg);  // else the scalar was out of range: 2^-32
  }
}

Result<PrivateKey> PrivateKey::from_raw(std::string_view d, Alg alg) {
  if (alg != Alg::kES256 && alg != Alg::kEdDSA)
    return fail(Errc::kUnsupported, "raw private key of this alg");
  if (d.size() != 32) return fail(Errc::kMalformed, "private key size");
  return adopt((alg == Alg::kES256 ? p256_of(d) : ed25519_of(d)).release(), alg);
}

Result<PrivateKey> PrivateKey::from_pkcs8(std::string_view der, Alg alg) {
  if (der.size() > kMaxKeyText) return fail(Errc::kTooLarge, "private key too large");
  const ErrorsCleared errors;
  const unsigned char* p = bytes(der);
  const Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &p, static_cast<long>(der.size())));
  if (!info || p != bytes(der) + der.size()) return fail(Errc::kMalformed, "pkcs8");
  return adopt(EVP_PKCS82PKEY(info.get()), alg);
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem, Alg alg) {
  if (pem.size() > kMaxKeyText) return fail(Errc::kTooLarge, "private key too large");
  const ErrorsCleared errors;
  const Bio bio(need(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))));
  char *name = nullptr, *header = nullptr;
  unsigned char* der = nullptr;
  long size = 0;
  if (PEM_read_bio(bio.get(), &name, &header, &der, &size) != 1)
    return fail(Errc::kMalformed, "pem");
  const bool plain = std::string_view(name) == "PRIVATE KEY" && *header == '\0';
  auto key =
      plain ? from_pkcs8({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)}, alg)
            : Result<PrivateKey>(fail(Errc::kUnsupported, "pem is not PRIVATE KEY"));
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return key;
}

Secret PrivateKey::to_pkcs8() const {
  const Pkcs8 info(need(EVP_PKEY2PKCS8(impl_->pkey.get())));
  unsigned char* der = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der);
  need(size > 0);
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return Secret(std::move(out));
}

std::string PrivateKey::export_plain_pem() const {
  const Bio bio(need(BIO_new(BIO_s_secmem())));
  need(PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->pkey.get(), nullptr, nullptr, 0, nullptr,
                                     nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Alg PrivateKey::alg() const { return impl_->alg; }
const PublicKey& PrivateKey::public_key() const { return impl_->pub; }

Result<std::string> PrivateKey::sign(std::string_view message) const {
  if (impl_->alg != Alg::kEdDSA)
    return evp_sign(impl_->pkey.get(), impl_->pool, impl_->alg, message);
  std::string out(crypto_sign_BYTES, '\0');
  if (crypto_sign_detached(bytes(out), nullptr, bytes(message), message.size(), impl_->ed25519) !=
      0)
    return fail(Errc::kInternal, "sign");
  return out;
}

}  // namespace stint::crypto
