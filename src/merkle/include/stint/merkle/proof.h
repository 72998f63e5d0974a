#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stint/base/error.h"
#include "stint/merkle/hash.h"
#include "stint/merkle/tree.h"

namespace stint::merkle {

// Proofs of RFC 6962 section 2.1.1 and 2.1.2. Threads: any. Limits: a proof longer than 64 hashes
// per side cannot fit its sizes and is refused before hashing. Blocking: as the reader does.
using Proof = std::vector<Hash>;

// Makes. Errors: kMalformed when index or sizes do not fit; the reader's.
Result<Proof> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeReader& nodes);
Result<Proof> consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                const NodeReader& nodes);

// Checks that `leaf` is entry `index` of the tree of `size` entries with this root.
// Errors: kMalformed "inclusion proof length" or "entry index beyond tree",
//         kBadSignature "inclusion proof does not reach the root".
Status verify_inclusion(std::uint64_t index, std::uint64_t size, const Hash& leaf,
                        std::span<const Hash> proof, const Hash& root);

// Checks that the tree (size, root) begins with the tree (old_size, old_root). A proof from the
// empty tree proves nothing and is refused here; consistency_proof() from it is empty, and
// verify_growth() in checkpoint.h knows the case.
// Errors: kMalformed "consistency proof from the empty tree", "consistency proof to a smaller tree"
// or "consistency proof length"; kBadSignature "consistency proof does not reach the old root" or
// "… the new root".
Status verify_consistency(std::uint64_t old_size, std::uint64_t size, const Hash& old_root,
                          const Hash& root, std::span<const Hash> proof);

// The same for a subtree over entries [start, end): valid when start is a multiple of the smallest
// power of two that is no smaller than end - start (draft-ietf-plants-merkle-tree-certs s4).
Status verify_subtree_inclusion(std::uint64_t index, std::uint64_t start, std::uint64_t end,
                                const Hash& leaf, std::span<const Hash> proof,
                                const Hash& subtree_root);
Status verify_subtree_consistency(std::uint64_t start, std::uint64_t end, std::uint64_t size,
                                  const Hash& subtree_root, const Hash& root,
                                  std::span<const Hash> proof);

}  // namespace stint::merkle
