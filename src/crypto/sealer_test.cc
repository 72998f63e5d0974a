#include "stint/crypto/sealer.h"

#include <gtest/gtest.h>

#include "stint/crypto/aead.h"
#include "stint/testkit/reveal.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint::crypto {
namespace {

using testkit::SeededEntropy;

std::string_view reason(const auto& result) {
  return result.has_value() ? "" : result.error().reason.text();
}

struct SealerTest : testing::Test {
  SeededEntropy entropy{7};
  RootKey root = RootKey::generate(entropy);
  Sealer sealer{root, "vault"};
  Secret secret{std::string("test password of the git server")};
};

TEST_F(SealerTest, OpensWhatItSealed) {
  const auto blob = sealer.seal(secret, "credential/git/1", entropy);
  ASSERT_TRUE(blob.has_value());
  EXPECT_EQ(blob->size(), secret.size() + Sealer::kOverhead);
  EXPECT_EQ(blob->find("password"), std::string::npos);
  const auto opened = sealer.open(*blob, "credential/git/1");
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(RevealKeyForTest::reveal(*opened), RevealKeyForTest::reveal(secret));
  EXPECT_NE(*sealer.seal(secret, "credential/git/1", entropy), *blob);  // a fresh nonce
  const Secret empty{std::string()};
  EXPECT_EQ(sealer.open(*sealer.seal(empty, "", entropy), "")->size(), 0u);
}

TEST_F(SealerTest, RefusesEveryAlterationWithItsReason) {
  const std::string blob = *sealer.seal(secret, "credential/git/1", entropy);
  for (std::size_t i = 0; i < blob.size(); ++i) {
    std::string bad = blob;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_EQ(reason(sealer.open(bad, "credential/git/1")),
              i == 0  ? "sealed blob version"
              : i < 5 ? "sealed under another root key"
                      : "sealed blob altered or out of place")
        << i;
  }
  for (std::size_t n = 0; n < blob.size(); ++n)
    EXPECT_EQ(
        reason(sealer.open(blob.substr(0, n), "credential/git/1")),
        n < Sealer::kOverhead ? "sealed blob too short" : "sealed blob altered or out of place");
}

TEST_F(SealerTest, ABlobBelongsToItsPlacePurposeAndRoot) {
  const std::string blob = *sealer.seal(secret, "credential/git/1", entropy);
  EXPECT_EQ(reason(sealer.open(blob, "credential/git/2")), "sealed blob altered or out of place");
  EXPECT_EQ(reason(sealer.open(blob, "")), "sealed blob altered or out of place");
  EXPECT_EQ(reason(Sealer(root, "signing-key").open(blob, "credential/git/1")),
            "sealed blob altered or out of place");
  const RootKey other = RootKey::generate(entropy);
  EXPECT_EQ(reason(Sealer(other, "vault").open(blob, "credential/git/1")),
            "sealed under another root key");
}

TEST_F(SealerTest, LimitsHold) {
  const Secret big(std::string(Sealer::kMaxPlain + 1, 'x')),
      fits(std::string(Sealer::kMaxPlain, 'x'));
  EXPECT_EQ(reason(sealer.seal(big, "", entropy)), "secret too large to seal");
  const auto blob = sealer.seal(fits, std::string(Sealer::kMaxAad, 'a'), entropy);
  ASSERT_TRUE(blob.has_value());
  EXPECT_TRUE(sealer.open(*blob, std::string(Sealer::kMaxAad, 'a')).has_value());
  EXPECT_EQ(reason(sealer.seal(fits, std::string(Sealer::kMaxAad + 1, 'a'), entropy)),
            "seal aad too large");
  EXPECT_EQ(reason(sealer.open(*blob + "x", "")), "sealed blob too large");
}

TEST_F(SealerTest, KeepsSigningKeys) {
  for (const Alg alg : {Alg::kES256, Alg::kEdDSA, Alg::kRS256}) {
    const auto key = PrivateKey::generate(alg, entropy);
    const auto blob = sealer.seal_key(*key, "signing-key/1", entropy);
    ASSERT_TRUE(blob.has_value());
    const auto again = sealer.open_key(*blob, "signing-key/1", alg);
    ASSERT_TRUE(again.has_value()) << reason(again);
    EXPECT_EQ(again->public_key(), key->public_key());
    EXPECT_EQ(reason(sealer.open_key(*blob, "signing-key/2", alg)),
              "sealed blob altered or out of place");
  }
}

TEST(RootKey, ComesFromBytesOrAPassphrase) {
  SeededEntropy entropy;
  const RootKey key = RootKey::generate(entropy);
  std::string bytes = key.export_plain();
  const auto same = RootKey::from_bytes(std::move(bytes));
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->id(), key.id());
  EXPECT_TRUE(bytes.empty());  // NOLINT(bugprone-use-after-move): wiped, as promised
  std::string wrong(31, 'x');
  EXPECT_EQ(reason(RootKey::from_bytes(std::move(wrong))), "root key size");
  EXPECT_TRUE(wrong.empty());  // NOLINT(bugprone-use-after-move)

  const std::string salt(16, 's');
  const auto derive = [](std::string pass, std::string_view with) {
    return RootKey::from_passphrase(Secret(std::move(pass)), with);
  };
  const auto a = derive("test passphrase", salt), b = derive("test passphrase", salt);
  ASSERT_TRUE(a.has_value());
  EXPECT_EQ(a->id(), b->id());
  EXPECT_NE(a->id(), derive("test passphrasf", salt)->id());
  EXPECT_NE(a->id(), derive("test passphrase", std::string(16, 't'))->id());
  EXPECT_EQ(reason(derive("short", salt)), "passphrase under 12 bytes");
  EXPECT_EQ(reason(derive(std::string(1025, 'x'), salt)), "passphrase over 1024 bytes");
  EXPECT_EQ(reason(derive("test passphrase", "salt")), "passphrase salt");
}

TEST(RootKey, MovingLeavesNothingBehind) {
  SeededEntropy entropy;
  RootKey a = RootKey::generate(entropy);
  const auto id = a.id();
  RootKey b = std::move(a);
  EXPECT_EQ(b.id(), id);
  EXPECT_EQ(a.export_plain(), std::string(32, '\0'));  // NOLINT(bugprone-use-after-move)
}

TEST(Aead, SizesAreFixed) {
  const std::string key(32, 'k'), nonce(12, 'n');
  EXPECT_EQ(reason(aead_seal(key.substr(1), nonce, "", "")), "aead sizes");
  EXPECT_EQ(reason(aead_seal(key, nonce + "n", "", "")), "aead sizes");
  EXPECT_EQ(reason(aead_open(key, nonce, "", std::string(15, 't'))), "aead sizes");
}

}  // namespace
}  // namespace stint::crypto
