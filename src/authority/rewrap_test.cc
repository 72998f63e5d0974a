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
  // Of a store that nodes share: once they are gone. They are not started again.
  Result<Rewrapped> seal(const crypto::RootKey& from, const crypto::RootKey& to) {
    if (!testkit::on_postgres()) return seal_in(*store, from, to);
    close_all();
    store = must(testkit::open_test_store(dir.path(), clock, vfs, true));
    return seal_in(*store, from, to);
  }
  Result<Rewrapped> seal_in(store::Store& place, const crypto::RootKey& from,
                            const crypto::RootKey& to) {
    return rewrap(place, from, {.key = copy_of(to), .salt = {}, .wrapped = {}}, entropy,
                  Actor::local_operator(0), clock.wall());
  }
  // Whether all of a store opens under this key; nullopt: some does, some does not.
  std::optional<bool> opens(store::Store& copy, const crypto::RootKey& key) {
    const bool ring =
        keys::KeyRing::open(copy, key, "stint.test", entropy, clock.wall()).has_value();
    const bool values = vault::Vault::open(copy, key, entropy).has_value();
    return ring == values ? std::optional(ring) : std::nullopt;
  }
  std::optional<bool> opens(const std::string& path, const crypto::RootKey& key) {
    return opens(*must(store::Store::open({.path = path}, clock)), key);
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
  store = must(testkit::open_test_store(dir.path(), clock));
  EXPECT_EQ(opens(*store, root), false);
  EXPECT_EQ(opens(*store, next), true);
  close_all();
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

// What a node refuses that was started with the configuration of before.
TEST_F(SealingAnew, TheOldKeyOpensNothingAndMakesNothing) {
  must(seal(root, crypto::RootKey::generate(entropy)));
  close_all();
  store = must(testkit::open_test_store(dir.path(), clock));
  const auto before = must(store->events(0, 10'000)).size();
  const auto ring = keys::KeyRing::open(*store, root, "stint.test", entropy, clock.wall());
  EXPECT_EQ(ring.error().code, Errc::kWrongKey);
  EXPECT_EQ(ring.error().reason.text(), "sealed under another root key");
  EXPECT_EQ(vault::Vault::open(*store, root, entropy).error().reason.text(),
            "sealed under another root key");
  EXPECT_EQ(must(store->events(0, 10'000)).size(), before);
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

// On a store that nodes share.
class SealingAnewOnPostgres : public SealingAnew {
 protected:
  void SetUp() override {
    if (!testkit::on_postgres()) GTEST_SKIP() << "a file has one process";
    SealingAnew::SetUp();
  }
  std::string database() const {
    const auto& url = testkit::test_database(dir.path());
    return url.substr(url.rfind('/') + 1);
  }
  // Every session of the database ends, and no node gets another until come_back(): as when one is
  // cut off.
  void cut_off() const {
    auto& server = testkit::PostgresServer::shared();
    server.sql(database(),
               "CREATE SCHEMA cut; CREATE FUNCTION cut.pg_try_advisory_lock_shared(int, int) "
               "RETURNS boolean LANGUAGE sql AS 'SELECT false'");
    server.sql("postgres",
               "ALTER DATABASE " + database() + " SET search_path = public, cut, pg_catalog");
    server.sql("postgres",
               "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '" +
                   database() + "'");
  }
  void come_back() const {
    testkit::PostgresServer::shared().sql("postgres",
                                          "ALTER DATABASE " + database() + " RESET search_path");
  }
  std::string sealed_rows() const {
    return testkit::PostgresServer::shared().ask(
        database(),
        "SELECT md5((SELECT string_agg(kid || encode(sealed, 'hex'), ',' ORDER BY kid) FROM "
        "signing_key) || (SELECT string_agg(name || encode(sealed, 'hex'), ',' ORDER BY name) FROM "
        "credential))");
  }
};

TEST_F(SealingAnewOnPostgres, IsRefusedWhileANodeServes) {
  const auto next = crypto::RootKey::generate(entropy);
  const auto before = sealed_rows();
  EXPECT_EQ(seal_in(*store, root, next).error().reason.text(),
            "other processes may have the store open");
  const auto alone = testkit::open_test_store(dir.path(), clock, vfs, true);
  EXPECT_EQ(alone.error().code, Errc::kUnavailable);
  EXPECT_EQ(alone.error().reason.text(), "another process has the database open");
  EXPECT_EQ(sealed_rows(), before);
  EXPECT_TRUE(rt::block_on(authority->mint(minting(opened()))).has_value()) << "it serves on";
}

TEST_F(SealingAnewOnPostgres, NoNodeStartsMeanwhile) {
  close_all();
  auto alone = must(testkit::open_test_store(dir.path(), clock, vfs, true));
  EXPECT_EQ(testkit::open_test_store(dir.path(), clock).error().reason.text(),
            "another process has the database for itself");
  alone.reset();
  EXPECT_TRUE(testkit::open_test_store(dir.path(), clock).has_value());
}

// The server goes in the middle of it, when signing keys are sealed anew and credentials are not.
TEST_F(SealingAnewOnPostgres, IsNotDoneByHalvesWhenTheServerGoes) {
  testkit::PostgresServer::shared().sql(
      database(),
      "CREATE FUNCTION go() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END$$; "
      "CREATE TRIGGER go BEFORE UPDATE ON credential FOR EACH ROW EXECUTE FUNCTION go()");
  const auto before = sealed_rows();
  const auto next = crypto::RootKey::generate(entropy);
  EXPECT_EQ(seal(root, next).error().reason.text(), "connection to the database is lost");
  EXPECT_EQ(sealed_rows(), before);
  close_all();
  testkit::PostgresServer::shared().sql(database(), "DROP TRIGGER go ON credential");
  must(seal(root, next));
  close_all();
  store = must(testkit::open_test_store(dir.path(), clock));
  EXPECT_EQ(opens(*store, next), true);
}

// A node that was cut off while everything was sealed anew, and knows only the old root key: it
// seals nothing, signs nothing and believes nothing any more, until it is started with the new one.
TEST_F(SealingAnewOnPostgres, ANodeThatComesBackLateDoesNothing) {
  const auto task = opened();
  const std::string token = must(rt::block_on(authority->mint(minting(task)))).token.token;
  const auto next = crypto::RootKey::generate(entropy);
  cut_off();
  {
    const auto alone = must(testkit::open_test_store(dir.path(), clock, vfs, true));
    must(seal_in(*alone, root, next));
  }
  come_back();
  const auto after = sealed_rows();
  const std::string_view reason =
      "the store is sealed under another root key now: restart this node with it";
  // Its feed may be told of the end of its session first.
  const auto refused = [&](auto ask) {
    for (int tries = 0; tries < 100; ++tries) {
      const auto done = ask();
      if (done) return std::string("done");
      if (done.error().reason.text() == reason) return std::string(reason);
      if (done.error().code != Errc::kUnavailable) return std::string(done.error().reason.text());
    }
    return std::string("still something else");
  };
  EXPECT_EQ(refused([&] {
              return rt::block_on(
                  authority->rotate_keys(crypto::Alg::kES256, true, Actor::local_operator(0)));
            }),
            reason);
  EXPECT_EQ(refused([&] {
              return rt::block_on(
                  authority->apply(resources(), secrets(), std::nullopt, Actor::local_operator(0)));
            }),
            reason);
  EXPECT_EQ(refused([&] { return rt::block_on(authority->mint(minting(task))); }), reason);
  EXPECT_EQ(sealed_rows(), after);
  clock.advance(1min);
  authority->confirm_view();
  EXPECT_EQ(decide(call(task.task)).error().code, Errc::kStale);

  root = copy_of(next);
  reopen();
  EXPECT_TRUE(authority->verifier()->verify_any_audience(token, clock.wall()).has_value());
}

}  // namespace
}  // namespace stint::authority
