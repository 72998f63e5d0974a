#include "stint/merkle/checkpoint.h"

#include <gtest/gtest.h>

#include "merkle_model.h"
#include "stint/merkle/proof.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint::merkle {
namespace {

constexpr std::string_view kRoot = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

// C2SP tlog-checkpoint v1.0.0, the example.
TEST(Checkpoint, ExampleOfTheSpecification) {
  const std::string body = "example.com/behind-the-sofa\n20852163\n" + std::string(kRoot) + "\n";
  const auto got = parse_checkpoint(body);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->origin, "example.com/behind-the-sofa");
  EXPECT_EQ(got->size, 20852163U);
  EXPECT_EQ(text(*got), body);
  EXPECT_EQ(parse_checkpoint(body + "an extension\n").value(), *got);
}

TEST(Checkpoint, RefusesMalformedWithTheStatedReason) {
  const std::string root(kRoot);
  struct Row {
    std::string body;
    std::string_view reason;
  };
  const Row rows[] = {
      {"", "checkpoint of fewer than three lines"},
      {"o\n1\n", "checkpoint of fewer than three lines"},
      {"o\n1\n" + root, "checkpoint of fewer than three lines"},
      {"\n1\n" + root + "\n", "checkpoint without origin"},
      {"o\n01\n" + root + "\n", "checkpoint size not a plain decimal"},
      {"o\n-1\n" + root + "\n", "checkpoint size not a plain decimal"},
      {"o\n+1\n" + root + "\n", "checkpoint size not a plain decimal"},
      {"o\n\n" + root + "\n", "checkpoint size not a plain decimal"},
      {"o\n18446744073709551616\n" + root + "\n", "checkpoint size not a plain decimal"},
      {"o\n1 \n" + root + "\n", "checkpoint size not a plain decimal"},
      {"o\n1\nAAAA\n", "checkpoint root not 32 bytes of base64"},
      {"o\n1\n" + root.substr(0, 43) + "\n", "checkpoint root not 32 bytes of base64"},
      {"o\n1\n" + root + "\n\n", "checkpoint with empty extension line"},
      {"o\n1\n" + root + "\nx", "checkpoint with empty extension line"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.body);
    const auto got = parse_checkpoint(row.body);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
  }
  EXPECT_EQ(parse_checkpoint("o\n0\n" + root + "\n")->size, 0U);
}

class Signing : public testing::Test {
 protected:
  testkit::SeededEntropy entropy_{7};
  crypto::PrivateKey log_ = crypto::PrivateKey::generate(crypto::Alg::kEdDSA, entropy_).value();
  crypto::PrivateKey other_ = crypto::PrivateKey::generate(crypto::Alg::kEdDSA, entropy_).value();
  std::vector<NoteKey> keys_{NoteKey::make("stint.test/log", log_.public_key()).value()};
};

TEST_F(Signing, GrowsAndVerifies) {
  const model::Nodes nodes(model::leaves(50));
  std::optional<Checkpoint> last;
  for (const std::uint64_t size : {0U, 0U, 1U, 2U, 17U, 17U, 50U}) {
    const auto note = sign_checkpoint("stint.test/log", last, size, nodes, log_);
    ASSERT_TRUE(note.has_value()) << note.error().reason.text();
    const auto now = verify_checkpoint(*note, keys_);
    ASSERT_TRUE(now.has_value()) << now.error().reason.text();
    EXPECT_EQ(now->size, size);
    EXPECT_EQ(now->root, *root_at(size, nodes));
    last = *now;
  }
}

// C2SP checkpoint: "a log MUST not sign any checkpoint inconsistent with one it signed".
TEST_F(Signing, NeverSignsAnInconsistentHead) {
  auto leaves = model::leaves(20);
  const Checkpoint last{"stint.test/log", 10, *root_at(10, model::Nodes(leaves))};
  EXPECT_EQ(
      sign_checkpoint("stint.test/log", last, 9, model::Nodes(leaves), log_).error().reason.text(),
      "log is shorter than the older checkpoint");
  leaves[3] = leaf_hash("edited");
  EXPECT_EQ(
      sign_checkpoint("stint.test/log", last, 20, model::Nodes(leaves), log_).error().reason.text(),
      "log does not extend the older checkpoint");
  EXPECT_EQ(
      sign_checkpoint("stint.test/log", last, 10, model::Nodes(leaves), log_).error().reason.text(),
      "log does not extend the older checkpoint");
  EXPECT_EQ(sign_checkpoint("stint.test/elsewhere", last, 20, model::Nodes(leaves), log_)
                .error()
                .reason.text(),
            "checkpoints of different logs");
}

TEST_F(Signing, AnotherLogsKeyDoesNotSpeakForThisOne) {
  const model::Nodes nodes(model::leaves(3));
  const auto resigned = sign_checkpoint("stint.test/log", {}, 3, nodes, other_);
  EXPECT_EQ(verify_checkpoint(*resigned, keys_).error().reason.text(),
            "note bears no signature of a known key");
  // A known key that signs the head of a log of another name.
  const auto foreign = sign_note(text(Checkpoint{"stint.test/other", 3, *root_at(3, nodes)}),
                                 "stint.test/log", log_);
  EXPECT_EQ(verify_checkpoint(*foreign, keys_).error().reason.text(),
            "checkpoint origin is not the key's name");
}

TEST(Growth, TellsTruncationFromFork) {
  auto leaves = model::leaves(20);
  const model::Nodes nodes(leaves);
  const Checkpoint old{"o", 8, *root_at(8, nodes)};
  const Checkpoint now{"o", 20, *root_at(20, nodes)};
  EXPECT_TRUE(verify_growth(old, now, *consistency_proof(8, 20, nodes)).has_value());
  EXPECT_TRUE(verify_growth(old, old, {}).has_value());
  EXPECT_TRUE(verify_growth({"o", 0, empty_root()}, now, {}).has_value());
  EXPECT_EQ(verify_growth({"o", 0, now.root}, now, {}).error().reason.text(),
            "checkpoint of size 0 with a root");
  EXPECT_EQ(verify_growth(now, old, {}).error().reason.text(),
            "log is shorter than the older checkpoint");
  leaves[2] = leaf_hash("forked");
  const model::Nodes fork(leaves);
  const Checkpoint forked{"o", 20, *root_at(20, fork)};
  EXPECT_EQ(verify_growth(old, forked, *consistency_proof(8, 20, fork)).error().reason.text(),
            "log does not extend the older checkpoint");
  EXPECT_EQ(verify_growth(now, forked, {}).error().reason.text(),
            "log does not extend the older checkpoint");
}

}  // namespace
}  // namespace stint::merkle
