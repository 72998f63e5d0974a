#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace stint::bench {

// ES256 by OpenSSL's EVP alone, with everything reused that can be: the limit of P2.
class RawVerify {
 public:
  explicit RawVerify(std::size_t keys);
  ~RawVerify();
  RawVerify(const RawVerify&) = delete;
  RawVerify& operator=(const RawVerify&) = delete;

  // Verifies `count` signatures over messages of a proof's size, key after key. False when one did
  // not verify.
  bool run(std::size_t count);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::bench
