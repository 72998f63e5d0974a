#include "raw_verify.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

namespace stint::bench {
namespace {

struct Signer {
  EVP_PKEY* key = nullptr;
  EVP_PKEY_CTX* verify = nullptr;
  std::string message, signature;
};

bool digest(EVP_MD_CTX* context, const EVP_MD* md, const std::string& m, unsigned char* out) {
  return EVP_DigestInit_ex2(context, md, nullptr) == 1 &&
         EVP_DigestUpdate(context, m.data(), m.size()) == 1 &&
         EVP_DigestFinal_ex(context, out, nullptr) == 1;
}

}  // namespace

struct RawVerify::Impl {
  EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* hash = EVP_MD_CTX_new();
  std::vector<Signer> signers;
  bool ok = true;
};

RawVerify::RawVerify(std::size_t keys) : impl_(std::make_unique<Impl>()) {
  for (std::size_t i = 0; i < keys; ++i) {
    Signer s;
    s.key = EVP_EC_gen("P-256");
    s.message.assign(600, static_cast<char>('a' + i % 26));
    unsigned char sum[32];
    impl_->ok &= digest(impl_->hash, impl_->md, s.message, sum);
    EVP_PKEY_CTX* sign = EVP_PKEY_CTX_new_from_pkey(nullptr, s.key, nullptr);
    std::size_t size = 128;
    s.signature.resize(size);
    impl_->ok &= EVP_PKEY_sign_init(sign) == 1 &&
                 EVP_PKEY_sign(sign, reinterpret_cast<unsigned char*>(s.signature.data()), &size,
                               sum, sizeof sum) == 1;
    s.signature.resize(size);
    EVP_PKEY_CTX_free(sign);
    s.verify = EVP_PKEY_CTX_new_from_pkey(nullptr, s.key, nullptr);
    impl_->ok &= EVP_PKEY_verify_init(s.verify) == 1;
    impl_->signers.push_back(std::move(s));
  }
}

RawVerify::~RawVerify() {
  for (Signer& s : impl_->signers) {
    EVP_PKEY_CTX_free(s.verify);
    EVP_PKEY_free(s.key);
  }
  EVP_MD_CTX_free(impl_->hash);
  EVP_MD_free(impl_->md);
}

bool RawVerify::run(std::size_t count) {
  bool ok = impl_->ok;
  for (std::size_t i = 0; i < count; ++i) {
    Signer& s = impl_->signers[i % impl_->signers.size()];
    unsigned char sum[32];
    ok &= digest(impl_->hash, impl_->md, s.message, sum);
    ok &= EVP_PKEY_verify(s.verify, reinterpret_cast<const unsigned char*>(s.signature.data()),
                          s.signature.size(), sum, sizeof sum) == 1;
  }
  return ok;
}

}  // namespace stint::bench
