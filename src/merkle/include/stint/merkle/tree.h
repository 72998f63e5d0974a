#pragma once

#include <cstdint>
#include <vector>

#include "stint/base/error.h"
#include "stint/merkle/hash.h"

namespace stint::merkle {

// The roots of the complete subtrees that cover a log from entry 0, largest first: as many as the
// size has bits set. All that is needed to append and to know the root; a value, copied freely.
class Frontier {
 public:
  Frontier() = default;

  // Takes up a stored frontier. Errors: kMalformed when `nodes` is not one hash per set bit.
  static Result<Frontier> from(std::uint64_t size, std::vector<Hash> nodes);

  void append(const Hash& leaf);
  std::uint64_t size() const { return size_; }
  Hash root() const;  // empty_root() when nothing was appended
  const std::vector<Hash>& nodes() const { return nodes_; }

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> nodes_;
};

// Where stored nodes come from: usually tiles (see TileNodes).
class NodeReader {
 public:
  virtual ~NodeReader() = default;
  // The root of the complete subtree over entries [index * 2^level, (index + 1) * 2^level).
  // Level 0 is the leaf hash. Asked only for subtrees that lie whole inside the tree's size.
  virtual Result<Hash> node(unsigned level, std::uint64_t index) const = 0;
};

// The frontier, and the root, of the first `size` entries. Errors: the reader's.
Result<Frontier> frontier_at(std::uint64_t size, const NodeReader& nodes);
Result<Hash> root_at(std::uint64_t size, const NodeReader& nodes);

}  // namespace stint::merkle
