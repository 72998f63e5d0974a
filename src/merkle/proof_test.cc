#include "stint/merkle/proof.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "merkle_model.h"
#include "stint/codec/base64.h"
#include "stint/codec/json.h"

namespace stint::merkle {
namespace {

namespace fs = std::filesystem;

struct Vector {
  std::string file;
  json::Object row;

  std::uint64_t number(const char* key) const {
    const auto& v = row.at(key);
    return v.is_uint64() ? v.as_uint64() : static_cast<std::uint64_t>(v.as_int64());
  }
  // Some rows use words where a root stands ("don't care"). Our type holds 32 bytes only, so such a
  // value is stood in for by its hash, which is equal and unequal where the row's value is.
  Hash hash(const boost::json::value& v, std::string_view role = "") const {
    const auto bytes = codec::decode_base64(std::string_view(v.as_string())).value();
    if (bytes.size() != sizeof(Hash))
      return crypto::sha256("not a hash: " + bytes + std::string(role));
    Hash out;
    std::ranges::copy(bytes, out.begin());
    return out;
  }
  std::vector<Hash> proof() const {
    std::vector<Hash> out;
    if (row.at("proof").is_null()) return out;
    for (const auto& v : row.at("proof").as_array()) out.push_back(hash(v));
    return out;
  }
};

std::vector<Vector> load(const char* kind) {
  std::vector<Vector> out;
  const fs::path root = fs::path(STINT_VECTORS) / "merkle/testdata" / kind;
  if (!fs::exists(root)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    // Not our strict parser: rows hold integers beyond int64 on purpose.
    out.push_back({entry.path().string(), boost::json::parse(bytes).as_object()});
  }
  return out;
}

template <class Check>
void run(const char* kind, std::size_t rows, std::size_t happy, Check check) {
  const auto vectors = load(kind);
  if (vectors.empty()) GTEST_SKIP() << "vectors/merkle/testdata/" << kind << " is absent";
  EXPECT_EQ(vectors.size(), rows);
  std::size_t accepted = 0;
  for (const Vector& v : vectors) {
    SCOPED_TRACE(v.file);
    const bool ok = check(v);
    accepted += ok;
    EXPECT_EQ(ok, !v.row.at("wantErr").as_bool());
  }
  EXPECT_EQ(accepted, happy);
}

TEST(MerkleVectors, Inclusion) {
  run("inclusion", 98, 6, [](const Vector& v) {
    const auto leaf = v.hash(v.row.at("leafHash"), "leaf");
    const auto root = v.hash(v.row.at("root"));
    const auto proof = v.proof();
    return verify_inclusion(v.number("leafIdx"), v.number("treeSize"), leaf, proof, root)
        .has_value();
  });
}

TEST(MerkleVectors, Consistency) {
  run("consistency", 98, 6, [](const Vector& v) {
    const auto root1 = v.hash(v.row.at("root1"));
    const auto root2 = v.hash(v.row.at("root2"));
    const auto proof = v.proof();
    return verify_consistency(v.number("size1"), v.number("size2"), root1, root2, proof)
        .has_value();
  });
}

TEST(MerkleVectors, SubtreeInclusion) {
  run("subtreeinclusion", 204, 12, [](const Vector& v) {
    const auto leaf = v.hash(v.row.at("leafHash"), "leaf");
    const auto root = v.hash(v.row.at("root"));
    const auto proof = v.proof();
    return verify_subtree_inclusion(v.number("leafIdx"), v.number("start"), v.number("end"), leaf,
                                    proof, root)
        .has_value();
  });
}

TEST(MerkleVectors, SubtreeConsistency) {
  run("subtreeconsistency", 118, 12, [](const Vector& v) {
    const auto root1 = v.hash(v.row.at("root1"));
    const auto root2 = v.hash(v.row.at("root2"));
    const auto proof = v.proof();
    return verify_subtree_consistency(v.number("start"), v.number("end"), v.number("size"), root1,
                                      root2, proof)
        .has_value();
  });
}

TEST(InclusionProof, EqualsTheRecursiveDefinitionAndVerifies) {
  const auto leaves = model::leaves(70);
  const model::Nodes nodes(leaves);
  for (std::size_t size = 1; size <= leaves.size(); ++size) {
    const Hash root = model::root(leaves, 0, size);
    for (std::size_t i = 0; i < size; ++i) {
      const auto proof = inclusion_proof(i, size, nodes);
      ASSERT_TRUE(proof.has_value());
      ASSERT_EQ(*proof, model::path(i, leaves, 0, size)) << i << " of " << size;
      ASSERT_TRUE(verify_inclusion(i, size, leaves[i], *proof, root));
    }
  }
  EXPECT_EQ(inclusion_proof(5, 5, nodes).error().reason.text(), "entry index beyond tree");
}

TEST(ConsistencyProof, EqualsTheRecursiveDefinitionAndVerifies) {
  const auto leaves = model::leaves(70);
  const model::Nodes nodes(leaves);
  for (std::size_t size = 1; size <= leaves.size(); ++size) {
    const Hash root = model::root(leaves, 0, size);
    for (std::size_t old = 1; old <= size; ++old) {
      const auto proof = consistency_proof(old, size, nodes);
      ASSERT_TRUE(proof.has_value());
      ASSERT_EQ(*proof, model::subproof(old, leaves, 0, size, true)) << old << " of " << size;
      ASSERT_TRUE(verify_consistency(old, size, model::root(leaves, 0, old), root, *proof));
    }
  }
}

// standards.md: "consistency from 0 is empty", and as evidence it is worth nothing.
TEST(ConsistencyProof, FromTheEmptyTreeIsEmptyAndProvesNothing) {
  const model::Nodes nodes(model::leaves(5));
  EXPECT_EQ(consistency_proof(0, 5, nodes)->size(), 0U);
  const auto refused = verify_consistency(0, 5, empty_root(), *root_at(5, nodes), {});
  EXPECT_EQ(refused.error().reason.text(), "consistency proof from the empty tree");
  EXPECT_EQ(consistency_proof(6, 5, nodes).error().reason.text(),
            "consistency proof to a smaller tree");
}

TEST(Proof, RefusesWithTheStatedReason) {
  const auto leaves = model::leaves(7);
  const model::Nodes nodes(leaves);
  const Hash root7 = *root_at(7, nodes);
  const Hash root3 = *root_at(3, nodes);
  auto inclusion = *inclusion_proof(2, 7, nodes);
  EXPECT_EQ(verify_inclusion(7, 7, leaves[2], inclusion, root7).error().reason.text(),
            "entry index beyond tree");
  EXPECT_EQ(verify_inclusion(2, 7, leaves[3], inclusion, root7).error().reason.text(),
            "inclusion proof does not reach the root");
  inclusion.pop_back();
  EXPECT_EQ(verify_inclusion(2, 7, leaves[2], inclusion, root7).error().reason.text(),
            "inclusion proof length");
  const Proof endless(200, root7);
  EXPECT_EQ(verify_inclusion(2, 7, leaves[2], endless, root7).error().reason.text(),
            "inclusion proof length");
  const auto consistency = *consistency_proof(3, 7, nodes);
  EXPECT_EQ(verify_consistency(3, 7, root7, root7, consistency).error().reason.text(),
            "consistency proof does not reach the old root");
  EXPECT_EQ(verify_consistency(3, 7, root3, root3, consistency).error().reason.text(),
            "consistency proof does not reach the new root");
  EXPECT_EQ(verify_consistency(3, 7, root3, root7, {}).error().reason.text(),
            "consistency proof length");
  EXPECT_EQ(verify_subtree_consistency(1, 3, 7, root3, root7, {}).error().reason.text(),
            "not a subtree");
}

// A proof that verifies for one claim verifies for no neighbouring one.
RC_GTEST_PROP(Proof, OneChangeIsRefused, ()) {
  const auto size = *rc::gen::inRange<std::size_t>(2, 200);
  const auto index = *rc::gen::inRange<std::size_t>(0, size);
  const auto old = *rc::gen::inRange<std::size_t>(1, size);
  const auto leaves = model::leaves(size);
  const model::Nodes nodes(leaves);
  const Hash root = *root_at(size, nodes);
  auto flip = [](Hash h, int bit) {
    h[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    return h;
  };
  const auto bit = *rc::gen::inRange(0, 256);

  auto inclusion = *inclusion_proof(index, size, nodes);
  RC_ASSERT(verify_inclusion(index, size, leaves[index], inclusion, root).has_value());
  RC_ASSERT(!verify_inclusion(index, size, flip(leaves[index], bit), inclusion, root));
  RC_ASSERT(!verify_inclusion(index, size, leaves[index], inclusion, flip(root, bit)));
  const auto at = *rc::gen::inRange<std::size_t>(0, inclusion.size());
  inclusion[at] = flip(inclusion[at], bit);
  RC_ASSERT(!verify_inclusion(index, size, leaves[index], inclusion, root));

  auto consistency = *consistency_proof(old, size, nodes);
  const Hash old_root = *root_at(old, nodes);
  RC_ASSERT(verify_consistency(old, size, old_root, root, consistency).has_value());
  RC_ASSERT(!verify_consistency(old, size, flip(old_root, bit), root, consistency));
  RC_ASSERT(!verify_consistency(old, size, old_root, flip(root, bit), consistency));
  consistency.push_back(root);
  RC_ASSERT(!verify_consistency(old, size, old_root, root, consistency));
}

}  // namespace
}  // namespace stint::merkle
