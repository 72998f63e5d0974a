#include "stint/merkle/tree.h"

#include <bit>
#include <utility>

namespace stint::merkle {

Result<Frontier> Frontier::from(std::uint64_t size, std::vector<Hash> nodes) {
  if (nodes.size() != static_cast<std::size_t>(std::popcount(size))) {
    return fail(Errc::kMalformed, "frontier does not fit its size");
  }
  Frontier frontier;
  frontier.size_ = size;
  frontier.nodes_ = std::move(nodes);
  return frontier;
}

void Frontier::append(const Hash& leaf) {
  Hash node = leaf;
  // Adding one carries through the trailing set bits: each carry joins two equal subtrees.
  for (std::uint64_t n = size_; (n & 1) != 0; n >>= 1) {
    node = node_hash(nodes_.back(), node);
    nodes_.pop_back();
  }
  nodes_.push_back(node);
  ++size_;
}

Hash Frontier::root() const {
  if (nodes_.empty()) return empty_root();
  Hash root = nodes_.back();
  for (std::size_t i = nodes_.size() - 1; i-- > 0;) root = node_hash(nodes_[i], root);
  return root;
}

Result<Frontier> frontier_at(std::uint64_t size, const NodeReader& nodes) {
  std::vector<Hash> found;
  std::uint64_t start = 0;
  for (std::uint64_t rest = size; rest != 0;) {
    const std::uint64_t width = std::bit_floor(rest);
    const auto level = static_cast<unsigned>(std::countr_zero(width));
    found.push_back(STINT_TRY(nodes.node(level, start >> level)));
    start += width;
    rest -= width;
  }
  return Frontier::from(size, std::move(found));
}

Result<Hash> root_at(std::uint64_t size, const NodeReader& nodes) {
  return STINT_TRY(frontier_at(size, nodes)).root();
}

}  // namespace stint::merkle
