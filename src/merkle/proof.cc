#include "stint/merkle/proof.h"

#include <algorithm>
#include <bit>

namespace stint::merkle {
namespace {

constexpr std::size_t kMaxProof = 128;  // a path down and a path up of a 64-bit tree

// RFC 6962: the left part of n > 1 entries is the largest power of two smaller than n.
std::uint64_t split(std::uint64_t n) { return std::bit_floor(n - 1); }

// The root over [start, end), where start is aligned so that complete subtrees cover it.
Result<Hash> range_root(std::uint64_t start, std::uint64_t end, const NodeReader& nodes) {
  std::vector<Hash> parts;
  for (std::uint64_t at = start; at != end;) {
    const std::uint64_t width = std::bit_floor(end - at);
    const auto level = static_cast<unsigned>(std::countr_zero(width));
    parts.push_back(STINT_TRY(nodes.node(level, at >> level)));
    at += width;
  }
  Hash root = parts.back();
  for (std::size_t i = parts.size() - 1; i-- > 0;) root = node_hash(parts[i], root);
  return root;
}

bool valid_subtree(std::uint64_t start, std::uint64_t end) {
  if (start > end) return false;
  const std::uint64_t length = end - start;
  if (length <= 1) return true;
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  if (length > kHalf) return start == 0;
  return start % std::bit_ceil(length) == 0;
}

// Where a proof stands: the first and last entry of the old (sub)tree, the last of the new tree,
// as node indices at the level reached.
struct Position {
  std::uint64_t first, last, tree_last;
  void up() {
    first >>= 1;
    last >>= 1;
    tree_last >>= 1;
  }
};

Status consistent(std::uint64_t start, std::uint64_t end, std::uint64_t size, const Hash& old_root,
                  const Hash& root, std::span<const Hash> proof) {
  Position at{start, end - 1, size - 1};
  // Up to the node that is whole in both trees: the last complete part of the old one.
  while (at.first != at.last && ((at.last & 1) != 0 || at.last == at.tree_last)) at.up();
  Hash old_node = old_root;
  Hash node = old_root;
  if (at.first != at.last) {
    if (proof.empty()) return fail(Errc::kMalformed, "consistency proof length");
    old_node = node = proof.front();
    proof = proof.subspan(1);
  }
  for (const Hash& sibling : proof) {
    if (at.tree_last == 0) return fail(Errc::kMalformed, "consistency proof length");
    if ((at.last & 1) != 0 || at.last == at.tree_last) {
      if (at.first < at.last) old_node = node_hash(sibling, old_node);
      node = node_hash(sibling, node);
      while ((at.last & 1) == 0) at.up();
    } else {
      node = node_hash(node, sibling);
    }
    at.up();
  }
  if (at.tree_last != 0) return fail(Errc::kMalformed, "consistency proof length");
  if (!crypto::equal(view(old_node), view(old_root))) {
    return fail(Errc::kBadSignature, "consistency proof does not reach the old root");
  }
  if (!crypto::equal(view(node), view(root))) {
    return fail(Errc::kBadSignature, "consistency proof does not reach the new root");
  }
  return {};
}

}  // namespace

Result<Proof> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeReader& nodes) {
  if (index >= size) return fail(Errc::kMalformed, "entry index beyond tree");
  Proof proof;
  std::uint64_t start = 0;
  std::uint64_t end = size;
  while (end - start > 1) {
    const std::uint64_t middle = start + split(end - start);
    if (index < middle) {
      proof.push_back(STINT_TRY(range_root(middle, end, nodes)));
      end = middle;
    } else {
      proof.push_back(STINT_TRY(range_root(start, middle, nodes)));
      start = middle;
    }
  }
  std::ranges::reverse(proof);
  return proof;
}

Result<Proof> consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                const NodeReader& nodes) {
  if (old_size > size) return fail(Errc::kMalformed, "consistency proof to a smaller tree");
  Proof proof;
  if (old_size == 0 || old_size == size) return proof;
  std::uint64_t start = 0;
  std::uint64_t end = size;
  while (end != old_size) {
    const std::uint64_t middle = start + split(end - start);
    if (old_size <= middle) {
      proof.push_back(STINT_TRY(range_root(middle, end, nodes)));
      end = middle;
    } else {
      proof.push_back(STINT_TRY(range_root(start, middle, nodes)));
      start = middle;
    }
  }
  // The old root itself is known to the verifier when the old tree is one complete subtree.
  if (start != 0) proof.push_back(STINT_TRY(range_root(start, end, nodes)));
  std::ranges::reverse(proof);
  return proof;
}

Status verify_inclusion(std::uint64_t index, std::uint64_t size, const Hash& leaf,
                        std::span<const Hash> proof, const Hash& root) {
  if (index >= size) return fail(Errc::kMalformed, "entry index beyond tree");
  if (proof.size() > kMaxProof) return fail(Errc::kMalformed, "inclusion proof length");
  std::uint64_t at = index;
  std::uint64_t last = size - 1;
  Hash node = leaf;
  for (const Hash& sibling : proof) {
    if (last == 0) return fail(Errc::kMalformed, "inclusion proof length");
    if ((at & 1) != 0 || at == last) {
      node = node_hash(sibling, node);
      while ((at & 1) == 0) {  // a right edge without sibling at these levels
        at >>= 1;
        last >>= 1;
      }
    } else {
      node = node_hash(node, sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0) return fail(Errc::kMalformed, "inclusion proof length");
  if (!crypto::equal(view(node), view(root))) {
    return fail(Errc::kBadSignature, "inclusion proof does not reach the root");
  }
  return {};
}

Status verify_consistency(std::uint64_t old_size, std::uint64_t size, const Hash& old_root,
                          const Hash& root, std::span<const Hash> proof) {
  if (old_size == 0) return fail(Errc::kMalformed, "consistency proof from the empty tree");
  if (old_size > size) return fail(Errc::kMalformed, "consistency proof to a smaller tree");
  if (proof.size() > kMaxProof) return fail(Errc::kMalformed, "consistency proof length");
  return consistent(0, old_size, size, old_root, root, proof);
}

Status verify_subtree_inclusion(std::uint64_t index, std::uint64_t start, std::uint64_t end,
                                const Hash& leaf, std::span<const Hash> proof,
                                const Hash& subtree_root) {
  if (!valid_subtree(start, end)) return fail(Errc::kMalformed, "not a subtree");
  if (index < start) return fail(Errc::kMalformed, "entry index beyond tree");
  return verify_inclusion(index - start, end - start, leaf, proof, subtree_root);
}

Status verify_subtree_consistency(std::uint64_t start, std::uint64_t end, std::uint64_t size,
                                  const Hash& subtree_root, const Hash& root,
                                  std::span<const Hash> proof) {
  if (!valid_subtree(start, end)) return fail(Errc::kMalformed, "not a subtree");
  if (end > size) return fail(Errc::kMalformed, "consistency proof to a smaller tree");
  if (proof.size() > kMaxProof) return fail(Errc::kMalformed, "consistency proof length");
  if (start == end) {  // the empty subtree is part of every tree
    if (!proof.empty()) return fail(Errc::kMalformed, "consistency proof length");
    if (!crypto::equal(view(subtree_root), view(empty_root()))) {
      return fail(Errc::kBadSignature, "consistency proof does not reach the old root");
    }
    return {};
  }
  return consistent(start, end, size, subtree_root, root, proof);
}

}  // namespace stint::merkle
