#include "stint/jose/nonce.h"

#include <algorithm>

#include "stint/codec/base64url.h"
#include "stint/crypto/digest.h"

namespace stint::jose {

DpopNonces::DpopNonces(Entropy& entropy, std::chrono::seconds bucket)
    : key_(random_bytes<32>(entropy)), bucket_(std::max(bucket, std::chrono::seconds(1))) {}

std::int64_t DpopNonces::bucket_of(WallTime now) const {
  return unix_seconds(now) / bucket_.count();
}

std::string DpopNonces::of(std::int64_t bucket) const {
  std::string message = "stint dpop nonce ";
  for (int shift = 56; shift >= 0; shift -= 8)
    message.push_back(static_cast<char>(bucket >> shift & 0xff));
  const crypto::Digest mac =
      crypto::hmac_sha256({reinterpret_cast<const char*>(key_.data()), key_.size()}, message);
  return codec::encode_base64url(crypto::view(mac).substr(0, 16));
}

std::string DpopNonces::current(WallTime now) const { return of(bucket_of(now)); }

bool DpopNonces::is_current(std::string_view nonce, WallTime now) const {
  return crypto::equal(nonce, of(bucket_of(now)));
}

bool DpopNonces::accepts(std::string_view nonce, WallTime now) const {
  return is_current(nonce, now) || crypto::equal(nonce, of(bucket_of(now) - 1));
}

}  // namespace stint::jose
