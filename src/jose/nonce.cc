#include "stint/jose/nonce.h"

#include <algorithm>

#include "stint/codec/base64url.h"
#include "stint/crypto/digest.h"

namespace stint::jose {

DpopNonces::DpopNonces(Entropy& entropy, std::chrono::seconds bucket)
    : key_(random_bytes<32>(entropy)),
      bucket_(std::max(bucket, std::chrono::seconds(1))),
      kept_bucket_(0),
      kept_{.current = of(0), .previous = of(-1)} {}

DpopNonces::Text DpopNonces::of(std::int64_t bucket) const {
  std::string message = "stint dpop nonce ";
  for (int shift = 56; shift >= 0; shift -= 8)
    message.push_back(static_cast<char>(bucket >> shift & 0xff));
  const crypto::Digest mac =
      crypto::hmac_sha256({reinterpret_cast<const char*>(key_.data()), key_.size()}, message);
  const std::string text = codec::encode_base64url(crypto::view(mac).substr(0, 16));
  Text out{};
  std::ranges::copy_n(text.begin(), std::ssize(out), out.begin());
  return out;
}

DpopNonces::Pair DpopNonces::at(WallTime now) const {
  const std::int64_t bucket = unix_seconds(now) / bucket_.count();
  const std::lock_guard lock(mutex_);
  if (bucket != kept_bucket_) {
    kept_ = {.current = of(bucket), .previous = of(bucket - 1)};
    kept_bucket_ = bucket;
  }
  return kept_;
}

std::string DpopNonces::current(WallTime now) const {
  const Pair pair = at(now);
  return {pair.current.data(), pair.current.size()};
}

bool DpopNonces::is_current(std::string_view nonce, WallTime now) const {
  const Pair pair = at(now);
  return crypto::equal(nonce, {pair.current.data(), pair.current.size()});
}

bool DpopNonces::accepts(std::string_view nonce, WallTime now) const {
  const Pair pair = at(now);
  return crypto::equal(nonce, {pair.current.data(), pair.current.size()}) ||
         crypto::equal(nonce, {pair.previous.data(), pair.previous.size()});
}

}  // namespace stint::jose
