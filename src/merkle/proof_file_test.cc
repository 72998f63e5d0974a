#include "stint/merkle/proof_file.h"

#include <gtest/gtest.h>

#include "merkle_model.h"

namespace stint::merkle {
namespace {

class ProofFiles : public testing::Test {
 protected:
  crypto::PrivateKey key_ =
      crypto::PrivateKey::from_raw(std::string(32, '\x07'), crypto::Alg::kEdDSA).value();
  std::vector<NoteKey> keys_{NoteKey::make("stint.test/log", key_.public_key()).value()};
  model::Nodes nodes_{model::leaves(11)};
  ProofFile proof_{.index = 5,
                   .hashes = *inclusion_proof(5, 11, nodes_),
                   .checkpoint = *sign_checkpoint("stint.test/log", {}, 11, nodes_, key_)};
};

TEST_F(ProofFiles, ShowThatAnEntryIsInTheLog) {
  const auto back = parse_proof_file(text(proof_));
  ASSERT_TRUE(back.has_value()) << back.error().reason.text();
  EXPECT_EQ(*back, proof_);
  EXPECT_EQ(verify_proof_file(*back, "entry 5", keys_)->size, 11U);
  EXPECT_EQ(verify_proof_file(*back, "entry 6", keys_).error().reason.text(),
            "inclusion proof does not reach the root");
  EXPECT_EQ(verify_proof_file(*back, "entry 5", {}).error().reason.text(),
            "note bears no signature of a known key");
  proof_.extra = "what else";
  EXPECT_EQ(parse_proof_file(text(proof_)).value(), proof_);
  EXPECT_TRUE(text(proof_).starts_with("c2sp.org/tlog-proof@v1\nextra d2hhdCBlbHNl\nindex 5\n"));
}

TEST_F(ProofFiles, RefuseMalformedWithTheStatedReason) {
  const std::string whole = text(proof_);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string out = whole;
    out.replace(out.find(from), from.size(), to);
    const auto got = parse_proof_file(out);
    return got ? "fine" : std::string(got.error().reason.text());
  };
  EXPECT_EQ(changed("@v1", "@v2"), "not a tlog-proof@v1 file");
  EXPECT_EQ(changed("index 5\n", ""), "proof file without index");
  EXPECT_EQ(changed("index 5", "index 05"), "proof file's index not a plain decimal");
  EXPECT_EQ(changed("index 5", "index -5"), "proof file's index not a plain decimal");
  EXPECT_EQ(changed("index 5", "extra \nindex 5"), "proof file's extra data");
  EXPECT_EQ(changed("index 5", "index 5\nAAAA"), "proof file's hash not 32 bytes of base64");
  EXPECT_EQ(parse_proof_file(whole.substr(0, whole.find("\n\n") + 1)).error().reason.text(),
            "proof file cut short");
}

}  // namespace
}  // namespace stint::merkle
