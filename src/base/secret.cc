#include "stint/base/secret.h"

#include <openssl/crypto.h>

namespace stint {

void Secret::wipe(std::string& s) noexcept {
  // resize within the capacity never reallocates, so the cleanse reaches every byte held.
  s.resize(s.capacity());
  OPENSSL_cleanse(s.data(), s.size());
  s.clear();
}

bool Secret::matches(std::string_view guess) const {
  return guess.size() == s_.size() && CRYPTO_memcmp(guess.data(), s_.data(), s_.size()) == 0;
}

}  // namespace stint
