#include "stint/merkle/tree.h"

#include <gtest/gtest.h>

#include "merkle_model.h"
#include "stint/codec/hex.h"

namespace stint::merkle {
namespace {

TEST(Hash, FollowsRfc6962) {
  EXPECT_EQ(codec::encode_hex(empty_root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // SHA-256(0x00): the leaf of the empty entry, as RFC 6962 implementations publish it.
  EXPECT_EQ(codec::encode_hex(leaf_hash("")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  // Short entries go through a buffer, long ones through the streaming hash: same function.
  for (const std::size_t n : {1022U, 1023U, 1024U, 70000U}) {
    const std::string entry(n, 'x');
    EXPECT_EQ(leaf_hash(entry), crypto::sha256(std::string(1, '\0') + entry)) << n;
  }
}

TEST(Frontier, RootEqualsTheRecursiveDefinition) {
  const auto leaves = model::leaves(300);
  Frontier frontier;
  for (std::size_t n = 0; n <= leaves.size(); ++n) {
    ASSERT_EQ(frontier.size(), n);
    ASSERT_EQ(frontier.root(), model::root(leaves, 0, n)) << n;
    if (n < leaves.size()) frontier.append(leaves[n]);
  }
}

TEST(Frontier, IsTakenUpWhereItWasLeft) {
  const auto leaves = model::leaves(100);
  const model::Nodes nodes(leaves);
  for (std::size_t n = 0; n < leaves.size(); ++n) {
    auto frontier = frontier_at(n, nodes);
    ASSERT_TRUE(frontier.has_value());
    frontier->append(leaves[n]);
    EXPECT_EQ(frontier->root(), model::root(leaves, 0, n + 1));
  }
  const auto bad = Frontier::from(3, {leaves[0]});
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().reason.text(), "frontier does not fit its size");
}

}  // namespace
}  // namespace stint::merkle
