#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "stint/base/error.h"

// Hashes and what is built of them.
//
// Threads:   any, for free functions; a Sha256 belongs to one thread at a time.
// Blocking:  never. Algorithms are fetched once a process; a missing one ends the process at first
//            use, since nothing can be decided without it.
namespace stint::crypto {

using Digest = std::array<std::uint8_t, 32>;

inline std::string_view view(const Digest& d) {
  return {reinterpret_cast<const char*>(d.data()), d.size()};
}

Digest sha256(std::string_view bytes);

// SHA-256 in pieces. After finish() it stands ready for a new message.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::string_view bytes);
  Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// RFC 2104. Any key length, also empty.
Digest hmac_sha256(std::string_view key, std::string_view message);

// RFC 5869. Errors: kTooLarge when length is over 255 * 32 (section 2.3), kMalformed when it is 0.
Result<std::string> hkdf_sha256(std::string_view secret, std::string_view salt,
                                std::string_view info, std::size_t length);

// Constant time in content, not in length: lengths are public everywhere we compare.
bool equal(std::string_view a, std::string_view b);

// RFC 8705 section 3.1: SHA-256 of the certificate's DER bytes.
Digest cert_thumbprint(std::string_view der);

}  // namespace stint::crypto
