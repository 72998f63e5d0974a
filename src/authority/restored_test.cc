// What a store forgets that was made of a backup.
#include "stint/authority/restored.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "authority_for_test.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/tile.h"

namespace stint::authority {
namespace {

class Restored : public Fixture {
 protected:
  void SetUp() override {
    if (testkit::on_postgres()) GTEST_SKIP() << "the way between databases is store_test's";
    Fixture::SetUp();
  }
  std::string token_of(const Opened& o) {
    return must(rt::block_on(authority->mint(minting(o)))).token.token;
  }
  std::string mint_refusal(const Opened& o) {
    const auto minted = rt::block_on(authority->mint(minting(o)));
    return minted ? "" : std::string(minted.error().reason.text());
  }
  std::string refusal(const std::string& token) {
    const auto verified = authority->verifier()->verify_any_audience(token, clock.wall());
    return verified ? "" : std::string(verified.error().reason.text());
  }
  store::BackupInfo backup() {
    return must(store::backup({.path = dir.file("stint.db")}, dir.file("b"),
                              {.version = "1", .issuer = settings.issuer}, clock));
  }
  Result<AfterRestore::Done> restore(const crypto::RootKey& under) {
    auto archive = STINT_TRY(store::Archive::open(dir.file("b")));
    auto forget = STINT_TRY(AfterRestore::make(under, archive.info(), entropy,
                                               Actor::local_operator(0), "2", clock.wall()));
    STINT_TRY(store::restore(archive, {.path = dir.file("new.db")}, clock,
                             [&](store::Tx& tx) { return forget.step(tx); }));
    return forget.done();
  }
  void open_restored() {
    close_all();
    store = must(store::Store::open({.path = dir.file("new.db")}, clock));
    keys = must(keys::KeyRing::open(*store, root, "stint.test", entropy, clock.wall()));
    vault = must(vault::Vault::open(*store, root, entropy));
    authority = must(Authority::open({*store, *keys, *vault, clock, entropy}, settings));
    authority->keep_leases();
  }
};

TEST_F(Restored, BelievesNoTokenOfBefore) {
  const auto open_then = opened();
  const auto child_then = must(child(open_then.task.id));
  const std::string before = token_of(open_then);
  const auto info = backup();
  const std::string after = token_of(open_then);
  const auto opened_after = opened();
  const std::string of_another = token_of(opened_after);
  // Closed where it was, after the backup: it must not come back.
  must(rt::block_on(
      authority->close(open_then.task.id, domain::How::kCompleted, Actor::agent("coder"))));

  clock.advance(10s);
  const auto done = must(restore(root));
  EXPECT_EQ(done.closed, 2u);
  EXPECT_EQ(done.revoked, 3u);
  EXPECT_EQ(done.keys, 4u);
  EXPECT_EQ(done.credentials, 1u);
  EXPECT_EQ(refusal(of_another), "") << "the other store is as it was";

  open_restored();
  for (const std::string& token : {before, after, of_another})
    EXPECT_EQ(refusal(token), "the key that signed the token is revoked");
  for (const TaskId id : {open_then.task.id, child_then.task.id}) {
    const auto task = must(authority->task(id));
    EXPECT_EQ(task.state, domain::State::kClosed);
    EXPECT_EQ(task.how, domain::How::kRevoked);
  }
  EXPECT_EQ(authority->task(opened_after.task.id).error().reason.text(), "no such task");
  EXPECT_EQ(mint_refusal(open_then), "the task is closed");
  EXPECT_EQ(mint_refusal(opened_after), "unknown handle");
  EXPECT_EQ(count("server.restored"), 1u);
  EXPECT_EQ(must(store->events(info.size, 1)).at(0).kind, "server.restored") << "the first new one";

  const auto anew = opened();
  EXPECT_EQ(refusal(token_of(anew)), "");
  EXPECT_EQ(testkit::text_of(must(vault->release("git-password")).secret), "test-password-planted");
}

TEST_F(Restored, RevokesNextAndFormerKeysToo) {
  const auto task = opened();
  const std::string by_former = token_of(task);
  const Actor who = Actor::local_operator(0);
  must(rt::block_on(authority->rotate_keys(crypto::Alg::kES256, true, who)));
  must(rt::block_on(authority->rotate_keys(crypto::Alg::kES256, false, who)));
  const std::string by_live = token_of(task);
  backup();
  must(restore(root));
  open_restored();
  EXPECT_EQ(refusal(by_former), "the key that signed the token is revoked");
  EXPECT_EQ(refusal(by_live), "the key that signed the token is revoked");
  std::size_t live = 0;
  for (const KeyView& key : authority->keys()) {
    if (key.use != "token") continue;
    live += key.state == "live" ? 1 : 0;
    EXPECT_THAT(key.state, testing::AnyOf("live", "revoked", "retired"));
  }
  EXPECT_EQ(live, 3u);
}

TEST_F(Restored, NeedsTheRootKeyItIsSealedUnder) {
  opened();
  backup();
  const auto wrong = crypto::RootKey::generate(entropy);
  EXPECT_EQ(restore(wrong).error().reason.text(), "sealed under another root key");
  EXPECT_NE(::access(dir.file("new.db").c_str(), F_OK), 0) << "nothing was made";
  EXPECT_NE(::access(dir.file("new.db.restoring").c_str(), F_OK), 0);
  must(restore(root));
}

TEST_F(Restored, RefusesAssertionsOfBefore) {
  backup();
  must(restore(root));
  const WallTime then = clock.wall();
  open_restored();
  const auto open_with = [&](const char* jti, WallTime since) -> std::string {
    auto r = request();
    r.spend = {{.scope = "client-assertion", .key = jti, .expires = then + 5min, .since = since}};
    const auto opened = rt::block_on(authority->open_task(std::move(r)));
    return opened ? "" : std::string(opened.error().reason.text());
  };
  EXPECT_EQ(open_with("a", then - 1ms), "the assertion may have been used before the restore");
  EXPECT_EQ(open_with("b", {}), "the assertion may have been used before the restore");
  EXPECT_EQ(open_with("c", then), "");
  EXPECT_EQ(open_with("c", then), "the assertion was used before");
}

// The log goes on where the backup's ended; against what the other log signed later it is a fork,
// and who watches both is told.
TEST_F(Restored, ForksTheLogAndSaysSo) {
  opened();
  must(authority->publish_log());
  const auto shared = must(store::latest_checkpoint(*store));
  backup();
  opened();
  must(authority->publish_log());
  const auto theirs = must(store::latest_checkpoint(*store));
  must(restore(root));
  open_restored();
  while (store->size() < theirs->size + 1) opened();
  must(authority->publish_log());
  const auto ours = must(store::latest_checkpoint(*store));
  const auto leaves = must(store::leaf_hashes(*store, 0, ours->size));
  const auto root_at = [&](store::Seq size) {
    merkle::TileBuilder tree;
    tree.append(std::span(leaves).first(size));
    return tree.root();
  };
  EXPECT_EQ(root_at(shared->size), shared->root);
  EXPECT_NE(root_at(theirs->size), theirs->root);
  const auto vkey = merkle::NoteKey::parse(keys->log_vkey());
  EXPECT_TRUE(merkle::verify_checkpoint(ours->note, {{*vkey}}).has_value());
}

TEST_F(Restored, ClosesMoreTasksThanOneStepTakes) {
  for (int i = 0; i < 1100; ++i) opened();
  backup();
  EXPECT_EQ(must(restore(root)).closed, 1100u);
  open_restored();
  EXPECT_EQ(must(store->read([](store::Reader& r) {
              return *r.one<std::int64_t>("SELECT count(*) FROM task WHERE state <> 'closed'");
            })),
            0);
}

}  // namespace
}  // namespace stint::authority
