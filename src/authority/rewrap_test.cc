// Sealing everything under another root key: whole or not at all.
#include "stint/authority/rewrap.h"

#include <gtest/gtest.h>

#include "authority_for_test.h"
#include "stint/testkit/faulty_vfs.h"

namespace stint::authority {
namespace {

crypto::RootKey copy_of(const crypto::RootKey& key) {
  return must(crypto::RootKey::from_bytes(key.export_plain()));
}

class SealingAnew : public Fixture {
 protected:
  SealingAnew() { vfs = faulty.name(); }
  Result<Rewrapped> seal(const crypto::RootKey& from, const crypto::RootKey& to) {
    return rewrap(*store, from, {.key = copy_of(to), .salt = {}, .wrapped = {}}, entropy,
                  Actor::local_operator(0), clock.wall());
  }
  // Whether all of the store at `path` opens under this key; nullopt: some does, some does not.
  std::optional<bool> opens(const std::string& path, const crypto::RootKey& key) {
    const auto copy = must(store::Store::open({.path = path}, clock));
    const bool ring =
        keys::KeyRing::open(*copy, key, "stint.test", entropy, clock.wall()).has_value();
    const bool values = vault::Vault::open(*copy, key, entropy).has_value();
    return ring == values ? std::optional(ring) : std::nullopt;
  }
  testkit::FaultyVfs faulty{"sealing-anew-test"};
};

TEST_F(SealingAnew, OpensUnderTheNewKeyAlone) {
  const auto task = opened();
  const std::string token = must(rt::block_on(authority->mint(minting(task)))).token.token;
  must(rt::block_on(authority->rotate_keys(crypto::Alg::kES256, false, Actor::local_operator(0))));
  const auto next = crypto::RootKey::generate(entropy);
  const auto wrong = crypto::RootKey::generate(entropy);
  EXPECT_EQ(seal(root, root).error().reason.text(), "the new root key is the old one");
  EXPECT_EQ(seal(wrong, next).error().reason.text(), "sealed under another root key");
  EXPECT_EQ(count("root.rewrapped"), 0u);
  const auto done = must(seal(root, next));
  EXPECT_EQ(done.keys, 5u);
  EXPECT_EQ(done.credentials, 1u);
  EXPECT_NE(done.from, done.to);

  close_all();
  EXPECT_EQ(opens(dir.file("stint.db"), root), false);
  EXPECT_EQ(opens(dir.file("stint.db"), next), true);
  root = copy_of(next);
  open();
  EXPECT_TRUE(authority->verifier()->verify_any_audience(token, clock.wall()).has_value());
  EXPECT_EQ(testkit::text_of(must(vault->release("git-password")).secret), "test-password-planted");
}

// A value altered at rest stops it, after keys were sealed anew in the same transaction.
TEST_F(SealingAnew, IsNotDoneByHalves) {
  must(store->write_sync([](store::Tx& tx) {
    tx.append({"test.happened", std::nullopt, "{}", {}});
    return tx.run(
        "UPDATE credential SET sealed = (SELECT sealed FROM signing_key WHERE purpose = 'log')");
  }));
  EXPECT_EQ(seal(root, crypto::RootKey::generate(entropy)).error().reason.text(),
            "sealed blob altered or out of place");
  EXPECT_TRUE(keys::KeyRing::open(*store, root, "stint.test", entropy, clock.wall()).has_value());
}

// S3: power that goes at any write leaves a store that is wholly the old one or wholly the new one.
TEST_F(SealingAnew, SurvivesPowerLossAtEveryCall) {
  std::size_t old_ones = 0, new_ones = 0;
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    const auto next = crypto::RootKey::generate(entropy);
    const std::string after = dir.file("after-" + std::to_string(n) + ".db");
    bool fired = false;
    faulty.at_call(n, [&] {
      faulty.lose_power_into(after, n);
      fired = true;
    });
    must(seal(root, next));
    if (!fired) {
      faulty.at_call(1, [] {});
      break;
    }
    const auto under_old = opens(after, root), under_new = opens(after, next);
    ASSERT_TRUE(under_old.has_value() && under_new.has_value()) << "half of it";
    ASSERT_NE(*under_old, *under_new);
    ++(*under_old ? old_ones : new_ones);
    root = copy_of(next);
  }
  EXPECT_GT(old_ones, 3u);
  RecordProperty("new", static_cast<int>(new_ones));
}

TEST_F(SealingAnew, AFullDiskLeavesTheOldOne) {
  faulty.fail(testkit::FaultyVfs::Op::kWrite, testkit::FaultyVfs::Fault::kDiskFull,
              testkit::FaultyVfs::Where::kLog);
  const auto next = crypto::RootKey::generate(entropy);
  EXPECT_EQ(seal(root, next).error().reason.text(), "disk full");
  EXPECT_GT(faulty.injected(), 0u);
  faulty.clear();
  EXPECT_TRUE(keys::KeyRing::open(*store, root, "stint.test", entropy, clock.wall()).has_value());
}

}  // namespace
}  // namespace stint::authority
