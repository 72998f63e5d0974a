#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "stint/merkle/hash.h"
#include "stint/merkle/tile.h"
#include "stint/merkle/tree.h"

// Slow and obvious: the recursive definitions of RFC 6962 section 2.1, over a list of leaves.
namespace stint::merkle::model {

inline std::vector<Hash> leaves(std::size_t n) {
  std::vector<Hash> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(leaf_hash("entry " + std::to_string(i)));
  return out;
}

inline Hash root(const std::vector<Hash>& l, std::size_t start, std::size_t end) {
  if (start == end) return empty_root();
  if (end - start == 1) return l[start];
  const std::size_t k = std::bit_floor(end - start - 1);
  return node_hash(root(l, start, start + k), root(l, start + k, end));
}

// PATH(m, D[start:end])
inline std::vector<Hash> path(std::size_t m, const std::vector<Hash>& l, std::size_t start,
                              std::size_t end) {
  if (end - start == 1) return {};
  const std::size_t k = std::bit_floor(end - start - 1);
  const bool left = m < k;
  auto out = left ? path(m, l, start, start + k) : path(m - k, l, start + k, end);
  out.push_back(left ? root(l, start + k, end) : root(l, start, start + k));
  return out;
}

// SUBPROOF(m, D[start:end], complete)
inline std::vector<Hash> subproof(std::size_t m, const std::vector<Hash>& l, std::size_t start,
                                  std::size_t end, bool complete) {
  if (m == end - start) {
    if (complete) return {};
    return {root(l, start, end)};
  }
  const std::size_t k = std::bit_floor(end - start - 1);
  const bool left = m <= k;
  auto out =
      left ? subproof(m, l, start, start + k, complete) : subproof(m - k, l, start + k, end, false);
  out.push_back(left ? root(l, start + k, end) : root(l, start, start + k));
  return out;
}

class Nodes final : public NodeReader {
 public:
  explicit Nodes(std::vector<Hash> leaves) : leaves_(std::move(leaves)) {}
  Result<Hash> node(unsigned level, std::uint64_t index) const override {
    const std::uint64_t start = index << level;
    const std::uint64_t end = start + (std::uint64_t{1} << level);
    if (end > leaves_.size()) return fail(Errc::kMalformed, "model asked beyond its leaves");
    return root(leaves_, start, end);
  }

 private:
  std::vector<Hash> leaves_;
};

}  // namespace stint::merkle::model
