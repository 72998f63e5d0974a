#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "stint/audit/event.h"
#include "stint/codec/base64url.h"
#include "stint/keys/key_ring.h"
#include "stint/keys/root_source.h"
#include "stint/merkle/note.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/seeded_entropy.h"
#include "stint/testkit/temp_dir.h"

namespace stint::keys {
namespace {

template <class T>
void expect_refused(const Result<T>& r, Errc code, std::string_view reason) {
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().code, code);
  EXPECT_EQ(r.error().reason.text(), reason);
}

class RootSource : public testing::Test {
 protected:
  void write(const std::string& bytes, mode_t mode) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }
  testkit::TempDir dir_;
  testkit::SeededEntropy entropy_;
  std::string path_ = dir_.file("root.key");
};

TEST_F(RootSource, CreatesOnceAndReadsBack) {
  expect_refused(root_key_from_file(path_), Errc::kMissing, "root key file is missing");
  const auto made = root_key_from_file_or_create(path_, entropy_);
  ASSERT_TRUE(made.has_value());
  struct stat st{};
  ASSERT_EQ(::stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  const auto again = root_key_from_file_or_create(path_, entropy_);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->export_plain(), made->export_plain());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path()), {}), 1)
      << "no second file is left";
  expect_refused(root_key_from_file_or_create(dir_.file("absent/root.key"), entropy_), Errc::kIo,
                 "root key file cannot be written");
}

TEST_F(RootSource, TakesPlainBytesAndText) {
  const std::string key(32, 'k');
  write(key, 0600);
  EXPECT_EQ(root_key_from_file(path_)->export_plain(), key);
  write(codec::encode_base64url(key), 0400);
  EXPECT_EQ(root_key_from_file(path_)->export_plain(), key);
  write(codec::encode_base64url(key) + "\n", 0600);
  EXPECT_EQ(root_key_from_file(path_)->export_plain(), key);
}

TEST_F(RootSource, RefusesWhatIsNotAKey) {
  const char* kReason = "root key file is not a key";
  const std::string text = codec::encode_base64url(std::string(32, 'k'));
  for (const std::string& bytes :
       {std::string(), std::string(31, 'k'), std::string(33, 'k'), std::string(44, 'k'),
        text + "\n\n", text + "\r\n", text.substr(1), std::string(43, '='),
        std::string(10'000, 'A')}) {
    write(bytes, 0600);
    expect_refused(root_key_from_file(path_), Errc::kMalformed, kReason);
  }
  expect_refused(root_key_from_file(dir_.path()), Errc::kWrongType,
                 "root key file is not a regular file");
}

TEST_F(RootSource, RefusesWhatOthersMayRead) {
  const char* kReason = "root key file may be read by others: chmod 600";
  for (const mode_t mode : {0640u, 0604u, 0660u, 0644u, 0601u, 0610u, 0666u}) {
    write(std::string(32, 'k'), mode);
    expect_refused(root_key_from_file(path_), Errc::kDenied, kReason);
    expect_refused(root_key_from_file_or_create(path_, entropy_), Errc::kDenied, kReason);
  }
}

TEST_F(RootSource, ReadsSystemdCredential) {
  path_ = dir_.file("stint-root-key");
  write(std::string(32, 'k'), 0440);  // as systemd leaves it: the group bits are the ACL's mask
  EXPECT_EQ(root_key_from_credential(dir_.path())->export_plain(), std::string(32, 'k'));
  write(std::string(32, 'k'), 0444);
  expect_refused(root_key_from_credential(dir_.path()), Errc::kDenied,
                 "root key file may be read by others: chmod 600");
  expect_refused(root_key_from_credential(""), Errc::kMissing, "root key file is missing");
}

class Keys : public testing::Test {
 protected:
  void SetUp() override { open_store(); }
  void open_store() {
    store_ = nullptr;
    auto opened = store::Store::open({.path = dir_.file("stint.db")}, clock_);
    ASSERT_TRUE(opened.has_value());
    store_ = *std::move(opened);
  }
  Result<std::unique_ptr<KeyRing>> open(const crypto::RootKey& root,
                                        std::string origin = "stint.example") {
    return KeyRing::open(*store_, root, std::move(origin), entropy_, clock_.wall());
  }
  crypto::RootKey root(char fill = 'k') {
    return *crypto::RootKey::from_bytes(std::string(32, fill));
  }
  void tamper(store::Sql sql) {
    ASSERT_TRUE(store_
                    ->write_sync([&](store::Tx& tx) {
                      tx.append({"test.happened", std::nullopt, "{}", {}});
                      EXPECT_GT(tx.run(sql), 0);
                    })
                    .has_value());
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  testkit::SeededEntropy entropy_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(Keys, PassphraseGivesTheSameKeyAgain) {
  const auto first =
      root_key_from_passphrase(Secret(std::string("a long test passphrase")), *store_, entropy_);
  ASSERT_TRUE(first.has_value());
  open_store();
  EXPECT_EQ(
      root_key_from_passphrase(Secret(std::string("a long test passphrase")), *store_, entropy_)
          ->id(),
      first->id());
  EXPECT_NE(
      root_key_from_passphrase(Secret(std::string("another test passphrase")), *store_, entropy_)
          ->id(),
      first->id());
  EXPECT_EQ(root_key_from_passphrase(Secret(std::string("short")), *store_, entropy_).error().code,
            Errc::kMalformed);
}

TEST_F(Keys, AreMadeOnceWithTheirEvents) {
  const auto first = open(root());
  ASSERT_TRUE(first.has_value()) << first.error().reason.text();
  const auto events = store_->events(0, 100);
  ASSERT_EQ(events->size(), 4u);
  for (const auto& e : *events) EXPECT_EQ(e.kind, "key.created");
  open_store();
  const auto again = open(root());
  ASSERT_TRUE(again.has_value()) << again.error().reason.text();
  EXPECT_EQ(store_->size(), 4u) << "nothing new";
  EXPECT_EQ((*again)->public_keys()->to_json(), (*first)->public_keys()->to_json());
  EXPECT_EQ((*again)->log_vkey(), (*first)->log_vkey());
}

TEST_F(Keys, SignWhatTheirPublicHalvesVerify) {
  const auto ring = open(root());
  ASSERT_TRUE(ring.has_value());
  EXPECT_EQ((*ring)->public_keys()->keys().size(), 3u) << "the log's key signs no tokens";
  for (const crypto::Alg alg : {crypto::Alg::kES256, crypto::Alg::kRS256, crypto::Alg::kEdDSA}) {
    const auto key = (*ring)->signing_key(alg);
    ASSERT_TRUE(key.has_value());
    const jose::Jwk* jwk = (*ring)->public_keys()->find(key->kid, alg);
    ASSERT_NE(jwk, nullptr);
    EXPECT_TRUE(jwk->key.verify(alg, "message", *key->key.sign("message")).has_value());
    EXPECT_EQ(key->kid, jose::thumbprint(jwk->key));
  }
  expect_refused((*ring)->signing_key(crypto::Alg::kPS256), Errc::kUnsupported,
                 "no key signs with this algorithm");
  const auto note = merkle::sign_note("text\n", (*ring)->origin(), (*ring)->log_key());
  const std::vector<merkle::NoteKey> keys{*merkle::NoteKey::parse((*ring)->log_vkey())};
  EXPECT_TRUE(merkle::verify_note(*note, keys).has_value());
  EXPECT_EQ((*ring)->public_keys()->to_json().find("\"d\""), std::string::npos);
}

TEST_F(Keys, NeedTheirRootKeyAndTheirPlace) {
  ASSERT_TRUE(open(root()).has_value());
  expect_refused(open(root('x')), Errc::kWrongKey, "sealed under another root key");
  expect_refused(open(root(), "other.example"), Errc::kConflict,
                 "log origin differs from the log key's");
  EXPECT_EQ(store_->size(), 4u);
  // One key's sealed bytes in another's row.
  tamper(
      "UPDATE signing_key SET sealed = (SELECT sealed FROM signing_key WHERE purpose = 'log') "
      "WHERE alg = 'EdDSA' AND purpose = 'token'");
  expect_refused(open(root()), Errc::kBadSignature, "sealed blob altered or out of place");
}

TEST_F(Keys, ExchangedPublicHalfIsFound) {
  ASSERT_TRUE(open(root()).has_value());
  tamper("UPDATE signing_key SET public = '{}' WHERE alg = 'ES256'");
  expect_refused(open(root()), Errc::kInternal, "stored public key is not the private key's");
}

// S5: the database file alone gives no key.
TEST_F(Keys, DatabaseHoldsNoPlainKey) {
  const auto ring = open(root());
  std::vector<std::string> secrets;
  for (const crypto::Alg alg : {crypto::Alg::kES256, crypto::Alg::kEdDSA}) {
    const std::string pem = (*ring)->signing_key(alg)->key.export_plain_pem();
    secrets.push_back(pem.substr(pem.find('\n') + 60, 20));
  }
  store_ = nullptr;
  std::ifstream in(dir_.file("stint.db"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(bytes.find("key.created"), std::string::npos) << "the search itself works";
  for (const std::string& s : secrets) EXPECT_EQ(bytes.find(s), std::string::npos);
  EXPECT_EQ(bytes.find("PRIVATE KEY"), std::string::npos);
}

}  // namespace
}  // namespace stint::keys
