// A token of a key that another node has only just made, and that this one has not heard of.
#include <gtest/gtest.h>

#include <future>

#include "authority_for_test.h"
#include "key_news.h"
#include "stint/codec/base64url.h"

namespace stint::authority {
namespace {

class KeysOfNodesOnPostgres : public Fixture {
 protected:
  void SetUp() override {
    if (!testkit::on_postgres()) GTEST_SKIP() << "a file has one node";
    // Commits are announced to nobody: a node hears of them when it looks, four times a second.
    const std::string& url = testkit::test_database(dir.path());
    const std::string database = url.substr(url.rfind('/') + 1);
    auto& server = testkit::PostgresServer::shared();
    server.sql(database,
               "CREATE SCHEMA quiet; CREATE FUNCTION quiet.pg_notify(text, text) RETURNS void "
               "LANGUAGE sql AS ''");
    server.sql("postgres",
               "ALTER DATABASE " + database + " SET search_path = public, quiet, pg_catalog");
    Fixture::SetUp();
    there_keys =
        must(keys::KeyRing::open(other_store(), root, "stint.test", entropy, clock.wall()));
    there_vault = must(vault::Vault::open(other_store(), root, entropy));
    there =
        must(Authority::open({other_store(), *there_keys, *there_vault, clock, entropy}, settings));
  }
  void TearDown() override {
    there.reset();
    Fixture::TearDown();
  }
  // Signed by a key that was made for it.
  std::string fresh_token(const Opened& task) {
    must(rt::block_on(authority->rotate_keys(crypto::Alg::kES256, true, Actor::local_operator(0))));
    return must(rt::block_on(authority->mint(minting(task)))).token.token;
  }
  std::string refusal_there(const std::string& token) const {
    const auto verified = there->verifier()->verify_any_audience(token, clock.wall());
    return verified ? "" : std::string(verified.error().reason.text());
  }
  bool learns(const std::string& token) { return rt::block_on(there->learn_of_key(token)); }
  static std::string with_kid(const std::string& token, const std::string& kid) {
    return codec::encode_base64url(R"({"alg":"ES256","typ":"at+jwt","kid":")" + kid + "\"}") +
           token.substr(token.find('.'));
  }

  std::unique_ptr<keys::KeyRing> there_keys;
  std::unique_ptr<vault::Vault> there_vault;
  std::unique_ptr<Authority> there;
};

TEST_F(KeysOfNodesOnPostgres, AFreshKeyIsHeardOfBeforeItsTokenIsRefused) {
  const auto task = opened();
  int unheard = 0;
  for (int i = 0; i < 5; ++i) {
    const std::string token = fresh_token(task);
    if (const auto refusal = refusal_there(token); !refusal.empty()) {
      EXPECT_EQ(refusal, "jws unknown key");
      EXPECT_TRUE(learns(token));
      ++unheard;
    }
    EXPECT_EQ(refusal_there(token), "");
    EXPECT_FALSE(learns(token)) << "there is nothing to learn";
    clock.advance(KeyNews::kEach);
  }
  EXPECT_GT(unheard, 0) << "the test saw nothing";
}

// Verified again by who asks about a token, or revokes it.
TEST_F(KeysOfNodesOnPostgres, ATokenOfAFreshKeyIsRevokedAnywhere) {
  const auto task = opened();
  const std::string token = fresh_token(task);
  EXPECT_TRUE(must(rt::block_on(there->revoke(token, "coder"))));
  EXPECT_EQ(count("token.revoked"), 1u);
}

TEST_F(KeysOfNodesOnPostgres, NothingIsLearntOfKeysThatAreKnownOrNobodys) {
  const auto task = opened();
  const std::string former = must(rt::block_on(authority->mint(minting(task)))).token.token;
  const std::string kid = this->kid();
  const std::string fresh = fresh_token(task);
  must(rt::block_on(authority->revoke_key(kid, Actor::local_operator(0))));
  std::promise<void> heard;
  other_store().sync([&](const Status& s) {
    EXPECT_TRUE(s.has_value());
    heard.set_value();
  });
  heard.get_future().get();
  EXPECT_EQ(refusal_there(former), "the key that signed the token is revoked");
  EXPECT_FALSE(learns(former));
  clock.advance(KeyNews::kEach);
  EXPECT_FALSE(learns(with_kid(fresh, "nobody")));
  EXPECT_EQ(refusal_there(with_kid(fresh, "nobody")), "jws unknown key");
  for (const char* no_token : {"", "a.b.c", "nothing"}) EXPECT_FALSE(learns(no_token));
}

// Nor is a task called closed, which would be final, that nobody here can be asked about.
TEST_F(KeysOfNodesOnPostgres, ATaskThatCannotBeAskedAboutIsNotClosed) {
  auto& server = testkit::PostgresServer::shared();
  testkit::confirm_view(*there, other_store());
  std::optional<Opened> unheard;
  while (!unheard) {
    auto task = opened();
    server.freeze();
    if (!there->view().known(task.task.id)) {
      unheard = std::move(task);
    } else {
      server.thaw();
    }
  }
  const Status learnt = rt::block_on(there->learn_of(unheard->task.id, clock.wall()));
  server.thaw();
  ASSERT_FALSE(learnt.has_value());
  EXPECT_EQ(learnt.error().code, Errc::kStale);
  EXPECT_EQ(learnt.error().reason.text(), "the view of live tasks is stale");
}

}  // namespace
}  // namespace stint::authority
