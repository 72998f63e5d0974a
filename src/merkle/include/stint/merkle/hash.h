#pragma once

#include <string_view>

#include "stint/crypto/digest.h"

namespace stint::merkle {

// SHA-256 output; a node of the tree.
using Hash = crypto::Digest;

// RFC 6962 section 2.1: SHA-256(0x00 || entry), SHA-256(0x01 || left || right), SHA-256("").
// The two prefixes keep an entry from posing as a node. Threads: any. Never fails.
Hash leaf_hash(std::string_view entry);
Hash node_hash(const Hash& left, const Hash& right);
Hash empty_root();

using crypto::view;

}  // namespace stint::merkle
