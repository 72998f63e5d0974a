#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "key_impl.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/hot_keys.h"
#include "stint/crypto/sign.h"

namespace stint::crypto {

namespace {

using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;

// The domain parameters that every P-256 key copies: cheaper than building each from its name.
const EVP_PKEY* p256_template() {
  static const EVP_PKEY* const key = [] {
    const PkeyCtx ctx(need(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)));
    char name[] = "prime256v1";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY* made = nullptr;
    need(EVP_PKEY_fromdata_init(ctx.get()) == 1 &&
         EVP_PKEY_fromdata(ctx.get(), &made, EVP_PKEY_KEY_PARAMETERS, params) == 1);
    return made;
  }();
  return key;
}

// Appends one ASN.1 INTEGER for 32 big-endian bytes.
void append_integer(std::string& out, std::string_view v) {
  while (v.size() > 1 && v[0] == '\0') v.remove_prefix(1);
  const bool sign = (v[0] & 0x80) != 0;
  out.push_back(0x02);
  out.push_back(static_cast<char>(v.size() + sign));
  if (sign) out.push_back('\0');
  out.append(v);
}

// r || s as the DER that EVP reads: at most 72 bytes, so lengths are one byte.
std::string der_of(std::string_view raw) {
  std::string body;
  body.reserve(72);
  body.append("\x30\x00", 2);
  append_integer(body, raw.substr(0, 32));
  append_integer(body, raw.substr(32));
  body[1] = static_cast<char>(body.size() - 2);
  return body;
}

bool evp_verify(PublicKey::Impl& key, Alg alg, const Digest& hash, std::string_view signature) {
  CtxPool& pool = key.pools[alg == Alg::kPS256];
  PkeyCtx ctx = pool.take();
  if (!ctx) {
    ctx.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key.pkey.get(), nullptr));
    if (!ctx || EVP_PKEY_verify_init(ctx.get()) != 1 || !configure(ctx.get(), alg)) return false;
  }
  const bool good =
      EVP_PKEY_verify(ctx.get(), bytes(signature), signature.size(), hash.data(), hash.size()) == 1;
  pool.give(std::move(ctx));
  return good;
}

bool ed25519_verify(std::string_view key, std::string_view message, std::string_view signature) {
  return signature.size() == crypto_sign_BYTES &&
         crypto_sign_verify_detached(bytes(signature), bytes(message), message.size(),
                                     bytes(key)) == 0;
}

}  // namespace

std::string_view text(Alg alg) {
  switch (alg) {
    case Alg::kES256:
      return "ES256";
    case Alg::kRS256:
      return "RS256";
    case Alg::kEdDSA:
      return "EdDSA";
    case Alg::kPS256:
      return "PS256";
  }
  std::abort();
}

std::optional<Alg> parse_alg(std::string_view name) {
  for (const Alg alg : {Alg::kES256, Alg::kRS256, Alg::kEdDSA, Alg::kPS256})
    if (text(alg) == name) return alg;
  return std::nullopt;
}

Alg default_alg(KeyKind kind) {
  switch (kind) {
    case KeyKind::kP256:
      return Alg::kES256;
    case KeyKind::kRsa:
      return Alg::kRS256;
    case KeyKind::kEd25519:
      return Alg::kEdDSA;
  }
  std::abort();
}

bool fits(Alg alg, KeyKind kind) {
  return alg == default_alg(kind) || (alg == Alg::kPS256 && kind == KeyKind::kRsa);
}

bool configure(EVP_PKEY_CTX* ctx, Alg alg) {
  if (alg != Alg::kRS256 && alg != Alg::kPS256) return true;
  if (EVP_PKEY_CTX_set_rsa_padding(
          ctx, alg == Alg::kPS256 ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(ctx, sha256_algorithm()) != 1)
    return false;
  // RFC 7518 section 3.5: MGF1 with the same hash, a salt as long as the hash.
  return alg == Alg::kRS256 || (EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, sha256_algorithm()) == 1 &&
                                EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

Result<PublicKey> PublicKey::from_p256(std::string_view x, std::string_view y) {
  if (x.size() != 32 || y.size() != 32) return fail(Errc::kMalformed, "p-256 coordinate size");
  const ErrorsCleared errors;
  std::string point(1, '\x04');
  point.append(x).append(y);
  Pkey pkey(EVP_PKEY_new());
  // Reading an uncompressed point checks that it is on the curve (P-256 has cofactor 1).
  if (!pkey || EVP_PKEY_copy_parameters(pkey.get(), p256_template()) != 1 ||
      EVP_PKEY_set1_encoded_public_key(pkey.get(), bytes(point), point.size()) != 1)
    return fail(Errc::kMalformed, "p-256 point");
  auto impl = std::make_shared<Impl>();
  impl->kind = KeyKind::kP256;
  impl->first = x;
  impl->second = y;
  impl->pkey = std::move(pkey);
  impl->due = HotKeys::kWorthIt;
  return PublicKey(std::move(impl));
}

Result<PublicKey> PublicKey::from_rsa(std::string_view n, std::string_view e) {
  // One key, one spelling: leading zeros would give it several thumbprints.
  if (n.empty() || e.empty() || n[0] == '\0' || e[0] == '\0')
    return fail(Errc::kMalformed, "rsa leading zero");
  if (n.size() < 256 || (n.size() == 256 && (n[0] & 0x80) == 0))
    return fail(Errc::kUnsupported, "rsa modulus under 2048 bits");
  if (n.size() > 512) return fail(Errc::kUnsupported, "rsa modulus over 4096 bits");
  if ((n.back() & 1) == 0) return fail(Errc::kMalformed, "rsa modulus even");
  if (e.size() > 4) return fail(Errc::kUnsupported, "rsa exponent over 32 bits");
  if ((e.back() & 1) == 0 || e == "\x01") return fail(Errc::kMalformed, "rsa exponent");

  const ErrorsCleared errors;
  const Bn bn(BN_bin2bn(bytes(n), static_cast<int>(n.size()), nullptr));
  const Bn be(BN_bin2bn(bytes(e), static_cast<int>(e.size()), nullptr));
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!bn || !be || !builder ||
      !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, bn.get()) ||
      !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, be.get()))
    return fail(Errc::kInternal, "rsa parameters");
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return fail(Errc::kMalformed, "rsa key");
  auto impl = std::make_shared<Impl>();
  impl->kind = KeyKind::kRsa;
  impl->first = n;
  impl->second = e;
  impl->pkey.reset(made);
  return PublicKey(std::move(impl));
}

Result<PublicKey> PublicKey::from_ed25519(std::string_view x) {
  if (x.size() != crypto_sign_PUBLICKEYBYTES) return fail(Errc::kMalformed, "ed25519 key size");
  need(sodium_init() >= 0);
  // Canonical, on the curve, in the prime-order subgroup: a small-order key "verifies" anything.
  if (crypto_core_ed25519_is_valid_point(bytes(x)) != 1)
    return fail(Errc::kMalformed, "ed25519 point");
  auto impl = std::make_shared<Impl>();
  impl->kind = KeyKind::kEd25519;
  impl->first = x;
  return PublicKey(std::move(impl));
}

Result<PublicKey> public_key_of(EVP_PKEY* pkey) {
  const auto number = [pkey](const char* name, int size) {
    BIGNUM* raw = nullptr;
    std::string out;
    if (EVP_PKEY_get_bn_param(pkey, name, &raw) != 1) return out;
    const Bn bn(raw);
    out.resize(static_cast<std::size_t>(size != 0 ? size : BN_num_bytes(bn.get())));
    if (BN_bn2binpad(bn.get(), bytes(out), static_cast<int>(out.size())) < 0) out.clear();
    return out;
  };
  if (EVP_PKEY_is_a(pkey, "EC")) {
    char group[64] = "";
    if (EVP_PKEY_get_group_name(pkey, group, sizeof group, nullptr) != 1 ||
        std::string_view(group) != "prime256v1")
      return fail(Errc::kUnsupported, "key curve");
    return PublicKey::from_p256(number(OSSL_PKEY_PARAM_EC_PUB_X, 32),
                                number(OSSL_PKEY_PARAM_EC_PUB_Y, 32));
  }
  if (EVP_PKEY_is_a(pkey, "RSA"))
    return PublicKey::from_rsa(number(OSSL_PKEY_PARAM_RSA_N, 0), number(OSSL_PKEY_PARAM_RSA_E, 0));
  if (EVP_PKEY_is_a(pkey, "ED25519")) {
    std::string x(32, '\0');
    std::size_t size = x.size();
    if (EVP_PKEY_get_raw_public_key(pkey, bytes(x), &size) != 1 || size != x.size())
      return fail(Errc::kMalformed, "ed25519 key size");
    return PublicKey::from_ed25519(x);
  }
  return fail(Errc::kUnsupported, "key kind");
}

KeyKind PublicKey::kind() const { return impl_->kind; }
std::string_view PublicKey::first() const { return impl_->first; }
std::string_view PublicKey::second() const { return impl_->second; }

bool PublicKey::operator==(const PublicKey& other) const {
  return impl_ == other.impl_ ||
         (kind() == other.kind() && first() == other.first() && second() == other.second());
}

Status PublicKey::verify(Alg alg, std::string_view message, std::string_view signature) const {
  if (!fits(alg, impl_->kind)) return fail(Errc::kWrongKey, "alg does not fit the key");
  bool good = false;
  switch (alg) {
    case Alg::kEdDSA:
      good = ed25519_verify(impl_->first, message, signature);
      break;
    case Alg::kRS256:
    case Alg::kPS256:
      good = evp_verify(*impl_, alg, sha256(message), signature);
      break;
    case Alg::kES256:
      if (signature.size() == 64) {
        const auto table = impl_->table();
        good = table ? table->verify(sha256(message), signature)
                     : evp_verify(*impl_, alg, sha256(message), der_of(signature));
      }
      if (good) impl_->good.fetch_add(1, std::memory_order_relaxed);
      break;
  }
  if (good) return {};
  ERR_clear_error();
  return fail(Errc::kBadSignature, "signature");
}

}  // namespace stint::crypto
