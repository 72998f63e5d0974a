#include "stint/crypto/wipe.h"

#include <openssl/crypto.h>

namespace stint::crypto {

void wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // never reallocates
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace stint::crypto
