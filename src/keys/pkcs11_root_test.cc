// Against SoftHSM, with a token of its own in a temporary folder.
#include "stint/keys/pkcs11_root.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "softhsm_for_test.h"
#include "stint/keys/key_ring.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/seeded_entropy.h"
#include "stint/testkit/temp_dir.h"

namespace stint::keys {
namespace {

using namespace testing;

class Pkcs11 : public ::testing::Test {
 protected:
  void SetUp() override {
    make_softhsm_in(dir_.path());
    auto opened = store::Store::open({.path = dir_.file("stint.db")}, clock_);
    ASSERT_TRUE(opened.has_value());
    store_ = *std::move(opened);
  }
  Result<crypto::RootKey> take(std::string uri = kUri, std::string pin = kPin, bool create = true,
                               std::string module = kModule) {
    return root_key_from_pkcs11({std::move(uri), std::move(module)}, std::move(pin), *store_,
                                create, entropy_);
  }
  void expect_refused(const Result<crypto::RootKey>& r, Errc code, std::string_view reason) {
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, code);
    EXPECT_EQ(r.error().reason.text(), reason);
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  testkit::SeededEntropy entropy_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(Pkcs11, TheTokenOpensTheSameRootKeyAgain) {
  expect_refused(take(kUri, kPin, false), Errc::kMissing,
                 "the store keeps no root key for a PKCS#11 token");
  const auto first = take();
  ASSERT_TRUE(first.has_value()) << first.error().reason.text();
  const auto again = take(kUri, kPin, false);
  ASSERT_TRUE(again.has_value()) << again.error().reason.text();
  EXPECT_EQ(again->export_plain(), first->export_plain());
  const auto by_id = take("pkcs11:token=stint-test;id=stint-root-test;type=secret-key");
  ASSERT_TRUE(by_id.has_value()) << by_id.error().reason.text();
  EXPECT_EQ(by_id->id(), first->id());
  // S5: neither the database nor the token's files hold it in plain.
  const auto wrapped = store_->read([](store::Reader& r) {
    return *r.one<std::string>("SELECT value FROM meta WHERE key = 'root_wrapped'");
  });
  EXPECT_EQ(wrapped->size(), 61u);
  EXPECT_EQ(wrapped->find(first->export_plain()), std::string::npos);
}

TEST_F(Pkcs11, SealsTheKeysOfAStore) {
  const auto root = take();
  ASSERT_TRUE(root.has_value());
  ASSERT_TRUE(KeyRing::open(*store_, *root, "stint.test", entropy_, clock_.wall()).has_value());
  const auto again = take();
  ASSERT_TRUE(KeyRing::open(*store_, *again, "stint.test", entropy_, clock_.wall()).has_value());
}

TEST_F(Pkcs11, EachThingThatIsWrongHasItsSentence) {
  ASSERT_TRUE(take().has_value());
  const std::string plain_file = dir_.file("no-module.so");
  std::ofstream(plain_file) << "not a library";
  expect_refused(take(kUri, kPin, true, "/absent/module.so"), Errc::kMissing,
                 "PKCS#11 module is missing");
  expect_refused(take(kUri, kPin, true, plain_file), Errc::kUnsupported,
                 "PKCS#11 module cannot be loaded");
  expect_refused(take("pkcs11:token=other-test;object=stint-root-test"), Errc::kNotFound,
                 "no such PKCS#11 token");
  expect_refused(take("pkcs11:token=stint-test;object=other-test"), Errc::kNotFound,
                 "the PKCS#11 token has no such AES key");
  expect_refused(take("pkcs11:token=stint-test"), Errc::kMalformed,
                 "the PKCS#11 URI names no object");
  expect_refused(take("http://token"), Errc::kMalformed, "not a PKCS#11 URI (RFC 7512)");
  expect_refused(take("pkcs11:token=stint-test;object=x;colour=red"), Errc::kMalformed,
                 "not a PKCS#11 URI (RFC 7512)");
  expect_refused(take(std::string(kUri) + "?pin-value=1234"), Errc::kMalformed,
                 "the PIN does not belong in the PKCS#11 URI");
  expect_refused(take(kUri, "wrong-test-pin"), Errc::kDenied, "the PKCS#11 PIN is wrong");
  EXPECT_TRUE(take().has_value()) << "and none of it left a session behind";
}

TEST_F(Pkcs11, WhatIsNotOneThingIsRefused) {
  ASSERT_TRUE(take().has_value());
  {
    Operator an_operator;
    an_operator.add_key(0, "stint-root-test");
    an_operator.add_key(0, "stint-other-test");
  }
  expect_refused(take(), Errc::kConflict, "several PKCS#11 keys match");
  expect_refused(take("pkcs11:token=stint-test;object=stint-other-test"), Errc::kWrongKey,
                 "the PKCS#11 key does not open the store's root key");
  Operator().add_token("stint-test");
  expect_refused(take(), Errc::kConflict, "several PKCS#11 tokens match");
}

TEST_F(Pkcs11, AStoreThatIsSealedOtherwiseKeepsItsRootKey) {
  const auto other = crypto::RootKey::generate(entropy_);
  ASSERT_TRUE(KeyRing::open(*store_, other, "stint.test", entropy_, clock_.wall()).has_value());
  expect_refused(take(), Errc::kMissing, "the store keeps no root key for a PKCS#11 token");
}

TEST_F(Pkcs11, ANewRootKeyIsKeptByTheTransactionThatSealsAnew) {
  auto made = new_root_from_pkcs11({kUri, kModule}, std::string(kPin), entropy_);
  ASSERT_TRUE(made.has_value()) << made.error().reason.text();
  ASSERT_TRUE(store_
                  ->write_sync([&](store::Tx& tx) {
                    tx.no_event();
                    put_root(tx, *made);
                  })
                  .has_value());
  EXPECT_EQ(take(kUri, kPin, false)->id(), made->key.id());
}

TEST(PinFile, IsReadAsAKeyFileIs) {
  const testkit::TempDir dir;
  const std::string path = dir.file("stint-pkcs11-pin");
  const auto refused = [&](std::string_view reason) {
    const auto pin = pin_from_file(path);
    ASSERT_FALSE(pin.has_value());
    EXPECT_EQ(pin.error().reason.text(), reason);
  };
  const auto write = [&](const std::string& text, mode_t mode) {
    std::ofstream(path, std::ios::trunc) << text;
    ::chmod(path.c_str(), mode);
  };
  refused("PIN file is missing");
  write("test-pin\n", 0640);
  refused("PIN file may be read by others: chmod 600");
  EXPECT_EQ(*pin_from_credential(dir.path()), "test-pin");
  EXPECT_EQ(pin_from_credential("").error().reason.text(), "PIN file is missing");
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("a\nb\n"), std::string(256, '1')}) {
    write(text, 0600);
    refused("PIN file is empty or too long");
  }
  write("test-pin", 0600);
  EXPECT_EQ(*pin_from_file(path), "test-pin");
  EXPECT_EQ(pin_from_file(dir.path()).error().reason.text(), "PIN file is not a regular file");
}

}  // namespace
}  // namespace stint::keys
