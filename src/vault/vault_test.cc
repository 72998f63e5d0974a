#include "stint/vault/vault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "stint/testkit/manual_clock.h"
#include "stint/testkit/seeded_entropy.h"
#include "stint/testkit/temp_dir.h"

namespace stint::vault {
namespace {

constexpr std::string_view kValue = "test-only-upstream-password";

template <class T>
void expect_refused(const Result<T>& r, Errc code, std::string_view reason) {
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().code, code);
  EXPECT_EQ(r.error().reason.text(), reason);
}

class VaultTest : public testing::Test {
 protected:
  void SetUp() override {
    open_store();
    vault_ = *Vault::open(*store_, root_, entropy_);
  }
  void open_store() {
    store_ = nullptr;
    store_ = *store::Store::open({.path = dir_.file("stint.db")}, clock_);
  }
  Result<Vault::Sealed> keep(std::string_view name, std::string_view value) {
    auto sealed = vault_->seal(name, Secret(std::string(value)));
    if (!sealed) return sealed;
    const Status kept = store(*sealed);
    if (!kept) return fail(kept.error());
    vault_->installed(*sealed);
    return sealed;
  }
  Status store(const Vault::Sealed& sealed) {
    return store_->write_sync([&](store::Tx& tx) {
      vault_->put(tx, sealed, clock_.wall());
      tx.append({"test.happened", std::nullopt, "{}", clock_.wall()});
    });
  }
  void change(store::Sql sql) {
    ASSERT_TRUE(store_
                    ->write_sync([&](store::Tx& tx) {
                      tx.append({"test.happened", std::nullopt, "{}", {}});
                      EXPECT_EQ(tx.run(sql), 1);
                    })
                    .has_value());
  }
  bool holds(const Vault& vault, std::string_view name, std::string_view value) {
    const auto opened = vault.release(name);
    return opened && opened->secret.matches(value);
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  testkit::SeededEntropy entropy_;
  crypto::RootKey root_ = *crypto::RootKey::from_bytes(std::string(32, 'k'));
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Vault> vault_;
};

TEST_F(VaultTest, KeepsAValueOverARestart) {
  expect_refused(vault_->release("git"), Errc::kNotFound, "credential has no value");
  ASSERT_TRUE(keep("git", kValue).has_value());
  EXPECT_TRUE(holds(*vault_, "git", kValue));
  EXPECT_EQ(vault_->version("git"), 1u);
  open_store();
  const auto again = Vault::open(*store_, root_, entropy_);
  ASSERT_TRUE(again.has_value()) << again.error().reason.text();
  EXPECT_TRUE(holds(**again, "git", kValue));
  EXPECT_EQ((*again)->recognise(kValue), "git");
}

TEST_F(VaultTest, IsUnchangedUntilInstalled) {
  ASSERT_TRUE(keep("git", "old-test-value").has_value());
  const auto sealed = vault_->seal("git", Secret(std::string(kValue)));
  EXPECT_TRUE(holds(*vault_, "git", "old-test-value"));
  ASSERT_TRUE(store(*sealed).has_value());
  vault_->installed(*sealed);
  EXPECT_TRUE(holds(*vault_, "git", kValue));
  EXPECT_EQ(vault_->release("git")->version, 2u);
  EXPECT_EQ(vault_->recognise("old-test-value"), std::nullopt) << "no longer one of ours";
}

TEST_F(VaultTest, OfTwoChangesOneWins) {
  const auto first = vault_->seal("git", Secret("first-test-value"));
  const auto second = vault_->seal("git", Secret("second-test-value"));
  ASSERT_TRUE(store(*first).has_value());
  expect_refused(store(*second), Errc::kConflict, "credential was changed meanwhile");
}

TEST_F(VaultTest, RetiredValueIsGoneAndItsVersionSpent) {
  ASSERT_TRUE(keep("git", kValue).has_value());
  ASSERT_TRUE(store_
                  ->write_sync([&](store::Tx& tx) {
                    vault_->retire(tx, "git");
                    tx.append({"test.happened", std::nullopt, "{}", {}});
                  })
                  .has_value());
  vault_->removed("git");
  EXPECT_EQ(vault_->version("git"), std::nullopt);
  expect_refused(vault_->release("git"), Errc::kNotFound, "credential has no value");
  EXPECT_EQ(vault_->recognise(kValue), std::nullopt);
  open_store();
  vault_ = *Vault::open(*store_, root_, entropy_);
  EXPECT_EQ(vault_->version("git"), std::nullopt);
  EXPECT_EQ(keep("git", kValue)->version, 2u);
}

TEST_F(VaultTest, RefusesWhatCannotBeAValue) {
  expect_refused(vault_->seal("git", Secret("")), Errc::kMalformed, "credential is empty");
  expect_refused(vault_->seal("git", Secret(std::string(crypto::Sealer::kMaxPlain + 1, 'x'))),
                 Errc::kTooLarge, "secret too large to seal");
}

// S5: a row in another place, an old version put back, another root key: nothing opens.
TEST_F(VaultTest, BlobsAreBoundToTheirPlace) {
  ASSERT_TRUE(keep("git", kValue).has_value());
  expect_refused(Vault::open(*store_, *crypto::RootKey::from_bytes(std::string(32, 'x')), entropy_),
                 Errc::kWrongKey, "sealed under another root key");
  change("UPDATE credential SET name = 'other'");
  expect_refused(Vault::open(*store_, root_, entropy_), Errc::kBadSignature,
                 "sealed blob altered or out of place");
  change("UPDATE credential SET name = 'git', version = 7");
  expect_refused(Vault::open(*store_, root_, entropy_), Errc::kBadSignature,
                 "sealed blob altered or out of place");
  change("UPDATE credential SET version = 1");
  EXPECT_TRUE(Vault::open(*store_, root_, entropy_).has_value());
}

TEST_F(VaultTest, RecognisesItsValuesOnly) {
  ASSERT_TRUE(keep("git", kValue).has_value());
  ASSERT_TRUE(keep("mirror", kValue).has_value()) << "one value under two names";
  EXPECT_THAT(vault_->recognise(kValue), testing::AnyOf("git", "mirror"));
  EXPECT_EQ(vault_->recognise(""), std::nullopt);
  EXPECT_EQ(vault_->recognise(kValue.substr(1)), std::nullopt);
  vault_->removed("git");
  EXPECT_EQ(vault_->recognise(kValue), "mirror");
}

TEST_F(VaultTest, DatabaseHoldsNoPlainValue) {
  ASSERT_TRUE(keep("git", kValue).has_value());
  store_ = nullptr;
  std::ifstream in(dir_.file("stint.db"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(bytes.find("git"), std::string::npos);
  EXPECT_EQ(bytes.find(kValue), std::string::npos);
}

}  // namespace
}  // namespace stint::vault
