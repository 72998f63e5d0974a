#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "stint/crypto/sign.h"
#include "stint/jose/jws.h"

namespace stint::jose {

// What the header of a DPoP proof says, parsed once: a client sends the same header with each.
struct ProofKey {
  std::shared_ptr<const Header> header;
  crypto::PublicKey key;
  std::string jkt;  // RFC 7638 thumbprint of the key
};

// A bounded cache of parsed proof headers, by their exact text. Only headers whose proof verified
// get in, so a stranger pays a signature for each place that it takes.
//
// Threads: any; sharded mutexes, held for a few loads. Limits: `capacity` entries, least recently
// used leave; a header over 2 KiB is not kept.
class KeyCache {
 public:
  explicit KeyCache(std::size_t capacity = 4096);
  ~KeyCache();
  KeyCache(const KeyCache&) = delete;
  KeyCache& operator=(const KeyCache&) = delete;

  std::shared_ptr<const ProofKey> find(std::string_view header_part) const;  // null: not there
  void put(std::string_view header_part, std::shared_ptr<const ProofKey> key);
  std::size_t size() const;

 private:
  struct Shard;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace stint::jose
