#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <memory>
#include <string_view>

// OpenSSL's objects with owners. Private to this module.
namespace stint::crypto {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Bn = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using BnCtx = std::unique_ptr<BN_CTX, Freed<BN_CTX_free>>;
using Group = std::unique_ptr<EC_GROUP, Freed<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, Freed<EC_POINT_free>>;

inline const unsigned char* bytes(std::string_view s) {
  // An empty view may be null, which OpenSSL reads as "no value given".
  return reinterpret_cast<const unsigned char*>(s.data() == nullptr ? "" : s.data());
}
inline unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

// For what cannot fail unless the library is broken or memory is gone: nothing may go on then.
template <class T>
T* need(T* p) {
  if (p == nullptr) std::abort();
  return p;
}
inline void need(bool ok) {
  if (!ok) std::abort();
}

// A failed call leaves its story in the thread's error queue, where the next TLS call of this
// thread would take it for its own.
struct ErrorsCleared {
  ErrorsCleared() = default;
  ErrorsCleared(const ErrorsCleared&) = delete;
  ~ErrorsCleared() { ERR_clear_error(); }
};

const EVP_MD* sha256_algorithm();  // fetched once
const EC_GROUP* p256();            // made once, read-only

}  // namespace stint::crypto
