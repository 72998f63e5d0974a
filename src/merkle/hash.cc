#include "stint/merkle/hash.h"

#include <array>
#include <string>

namespace stint::merkle {

Hash leaf_hash(std::string_view entry) {
  constexpr std::size_t kOnStack = 1024;
  if (entry.size() < kOnStack) {
    std::array<char, kOnStack> buffer;
    buffer[0] = '\x00';
    entry.copy(buffer.data() + 1, entry.size());
    return crypto::sha256({buffer.data(), entry.size() + 1});
  }
  crypto::Sha256 sha;
  sha.update(std::string_view("\x00", 1));
  sha.update(entry);
  return sha.finish();
}

Hash node_hash(const Hash& left, const Hash& right) {
  std::array<char, 1 + 2 * sizeof(Hash)> buffer;
  buffer[0] = '\x01';
  view(left).copy(buffer.data() + 1, sizeof(Hash));
  view(right).copy(buffer.data() + 1 + sizeof(Hash), sizeof(Hash));
  return crypto::sha256({buffer.data(), buffer.size()});
}

Hash empty_root() { return crypto::sha256({}); }

}  // namespace stint::merkle
