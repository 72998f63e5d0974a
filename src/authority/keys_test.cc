// The service's own keys over time. No token that counts is refused, none of a revoked key is
// taken.
#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "authority_for_test.h"
#include "stint/keys/key_changes.h"

namespace stint::authority {
namespace {

using testing::ElementsAre;

const std::string kGit = "http://127.0.0.1:7444/u/git";

class KeysOverTime : public Fixture {
 protected:
  void SetUp() override {
    settings.rotate_keys_every = std::chrono::days(30);
    settings.publish_keys_ahead = 10min;
    Fixture::SetUp();
  }
  std::vector<std::string> in_state(std::string_view state,
                                    crypto::Alg alg = crypto::Alg::kES256) const {
    std::vector<std::string> out;
    for (const KeyView& key : authority->keys())
      if (key.use == "token" && key.alg == alg && key.state == state) out.push_back(key.kid);
    return out;
  }
  std::string live() const { return in_state("live").at(0); }
  Rotation rotate(bool at_once = false) {
    return must(rt::block_on(
        authority->rotate_keys(crypto::Alg::kES256, at_once, Actor::local_operator(0))));
  }
  Result<KeyRevocation> revoke(const std::string& kid) {
    return rt::block_on(authority->revoke_key(kid, Actor::local_operator(0)));
  }
  Result<jose::VerifiedToken> verified(const std::string& token) const {
    return authority->verifier()->verify_any_audience(token, clock.wall());
  }
  std::string mint(const Opened& o) {
    return must(rt::block_on(authority->mint(minting(o)))).token.token;
  }
  Opened long_task() {
    auto r = request();
    r.order.life = 24h;
    return opened(std::move(r));
  }
  static std::string refusal(const Result<jose::VerifiedToken>& r) {
    return r ? "" : std::string(r.error().reason.text());
  }
};

TEST_F(KeysOverTime, ANextKeyIsPublishedBeforeItSignsAndTheFormerOneStays) {
  const auto task = opened();
  const std::string first = live();
  const auto rotation = rotate();
  ASSERT_EQ(rotation.next.size(), 1u);
  const std::string second = rotation.next[0].kid;
  EXPECT_EQ(rotation.live.at(0).kid, first);
  EXPECT_EQ(*rotation.next[0].activates, clock.wall() + 10min);
  EXPECT_TRUE(authority->token_keys()->has_kid(second)) << "published at once";
  EXPECT_FALSE(rotate().changed) << "there is a next one already";

  pass(9min);
  EXPECT_FALSE(must(authority->tend_keys()));
  const std::string old_token = mint(task);
  EXPECT_EQ(must(verified(old_token)).kid(), first);

  pass(1min);
  EXPECT_TRUE(must(authority->tend_keys()));
  EXPECT_EQ(live(), second);
  const std::string new_token = mint(task);
  EXPECT_EQ(must(verified(new_token)).kid(), second);
  EXPECT_TRUE(verified(old_token).has_value()) << "minted before, counts still";
  EXPECT_THAT(in_state("former"), ElementsAre(first));

  pass(5min);  // the last token of the former one is dead, and clocks may differ by five minutes
  EXPECT_FALSE(must(authority->tend_keys()));
  pass(5min);
  EXPECT_TRUE(must(authority->tend_keys()));
  EXPECT_THAT(in_state("retired"), ElementsAre(first));
  EXPECT_FALSE(authority->token_keys()->has_kid(first));
  const auto sealed = must(store->read([&](store::Reader& r) {
    return r.one<std::string>("SELECT sealed FROM signing_key WHERE kid = $1", first);
  }));
  EXPECT_EQ(sealed, "") << "the private half is wiped";
  EXPECT_EQ(count("key.created"), 5u);
  EXPECT_EQ(count("key.activated"), 1u);
  EXPECT_EQ(count("key.retired"), 1u);

  reopen();
  EXPECT_EQ(live(), second);
  EXPECT_THAT(in_state("retired"), ElementsAre(first));
}

TEST_F(KeysOverTime, ATokenOfALongerLifeKeepsItsKey) {
  const auto task = long_task();
  rotate();
  // As if minted when tokens lived for an hour.
  must(store->write_sync([&](store::Tx& tx) {
    tx.append({"test.happened", std::nullopt, "{}", {}});
    return tx.run("INSERT INTO token (jti, task, audience, exp) VALUES ($1, $2, 'a', $3)",
                  TokenId::random(entropy), task.task.id, clock.wall() + 60min);
  }));
  pass(10min);
  must(authority->tend_keys());
  for (const KeyView& key : authority->keys()) {
    if (key.state != "former") continue;
    EXPECT_EQ(*key.retires, clock.wall() + 50min + keys::kClockSkew);
  }
  EXPECT_EQ(in_state("former").size(), 1u);
}

TEST_F(KeysOverTime, TheScheduleRotatesEveryAlgorithmAndTwiceChangesNothing) {
  pass(std::chrono::days(30) - 10min);
  EXPECT_TRUE(must(authority->tend_keys()));
  EXPECT_EQ(in_state("next").size(), 1u);
  EXPECT_EQ(in_state("next", crypto::Alg::kRS256).size(), 1u);
  EXPECT_EQ(in_state("next", crypto::Alg::kEdDSA).size(), 1u);
  EXPECT_FALSE(must(authority->tend_keys()));
  const std::string next = in_state("next").at(0);
  pass(10min);
  EXPECT_TRUE(must(authority->tend_keys()));
  EXPECT_EQ(live(), next);
  EXPECT_EQ(count("key.activated"), 3u);
}

// Whoever prepares for verifying hears of a key before it signs.
TEST_F(KeysOverTime, EachChangeIsTold) {
  std::vector<std::size_t> told;
  authority->on_keys([&](const jose::JwkSet& keys) { told.push_back(keys.keys().size()); });
  rotate();
  must(revoke(live()));
  EXPECT_THAT(told, ElementsAre(3u, 4u, 3u));
}

TEST_F(KeysOverTime, WithoutAScheduleKeysStay) {
  settings.rotate_keys_every = 0s;
  reopen();
  pass(std::chrono::days(3000));
  EXPECT_FALSE(must(authority->tend_keys()));
}

// Two nodes over one store: the second one has not heard of what the first one did.
TEST_F(KeysOverTime, TwoNodesRotateOnce) {
  auto other_keys =
      must(keys::KeyRing::open(other_store(), root, "stint.test", entropy, clock.wall()));
  auto other =
      must(Authority::open({other_store(), *other_keys, *vault, clock, entropy}, settings));
  const auto task = opened();
  clock.advance(std::chrono::days(30) - 10min);
  EXPECT_TRUE(must(authority->tend_keys()));
  EXPECT_FALSE(must(other->tend_keys())) << "the rows say that it is done";
  EXPECT_EQ(other->jwks(), authority->jwks()) << "and it has taken them";
  clock.advance(10min);
  EXPECT_TRUE(must(other->tend_keys()));
  EXPECT_FALSE(must(authority->tend_keys()));
  EXPECT_EQ(other->jwks(), authority->jwks());
  EXPECT_EQ(count("key.activated"), 3u);

  const auto killed = must(rt::block_on(other->revoke_key(live(), Actor::local_operator(0))));
  EXPECT_TRUE(authority->token_keys()->has_kid(killed.key.kid)) << "not heard yet";
  ASSERT_TRUE(authority->reload_keys().has_value());
  EXPECT_FALSE(authority->token_keys()->has_kid(killed.key.kid));
  EXPECT_EQ(live(), killed.replaced_by);
}

TEST_F(KeysOverTime, RotatingNowSignsAtOnceWithTheNextOne) {
  const auto task = opened();
  const std::string first = live();
  const std::string old_token = mint(task);
  const std::string next = rotate().next.at(0).kid;
  const auto now = rotate(true);
  EXPECT_EQ(now.live.at(0).kid, next) << "the one that was published";
  EXPECT_TRUE(now.next.empty());
  EXPECT_EQ(must(verified(mint(task))).kid(), next);
  EXPECT_TRUE(verified(old_token).has_value());
  const auto again = rotate(true);
  EXPECT_NE(again.live.at(0).kid, next);
  EXPECT_EQ(in_state("former").size(), 2u);
}

TEST_F(KeysOverTime, AKeyOfNoSuchAlgorithmIsNotRotated) {
  const auto r =
      rt::block_on(authority->rotate_keys(crypto::Alg::kPS256, false, Actor::local_operator(0)));
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().reason.text(), "no key signs with this algorithm");
}

TEST_F(KeysOverTime, TooManyKeysAreNotPublished) {
  for (int i = 0; i < 29; ++i) rotate(true);
  const auto r =
      rt::block_on(authority->rotate_keys(crypto::Alg::kES256, true, Actor::local_operator(0)));
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().code, Errc::kLimit);
  EXPECT_EQ(r.error().reason.text(), "too many keys are published: wait until former ones retire");
}

TEST_F(KeysOverTime, RevokingSaysWhatItKillsThenKillsIt) {
  auto r = request();
  r.audience = kGit;
  const auto task = opened(r);
  mint(task);
  const auto ended = opened(r);
  must(rt::block_on(authority->close(ended.task.id, domain::How::kCompleted, {})));
  const std::string first = live();
  const std::string next = rotate().next.at(0).kid;

  const auto plan = must(authority->key_revocation(first));
  EXPECT_EQ(plan.tokens, 2u) << "of the open task alone";
  EXPECT_EQ(plan.tasks, 1u);
  EXPECT_THAT(plan.audiences, ElementsAre(std::pair(kGit, std::size_t{2})));
  EXPECT_EQ(plan.unknown, 0u);
  EXPECT_EQ(plan.replaced_by, "");
  EXPECT_TRUE(verified(task.token->token).has_value()) << "nothing has happened yet";

  const auto done = must(revoke(first));
  EXPECT_EQ(done.tokens, 2u);
  EXPECT_EQ(done.tasks, 1u);
  EXPECT_EQ(done.key.state, "revoked");
  EXPECT_EQ(done.replaced_by, live());
  EXPECT_EQ(refusal(verified(task.token->token)), "the key that signed the token is revoked");
  EXPECT_FALSE(authority->token_keys()->has_kid(first));
  EXPECT_THAT(in_state("retired"), ElementsAre(next)) << "who has the one has had the other";
  EXPECT_EQ(must(verified(mint(task))).kid(), live()) << "the task goes on";
  EXPECT_EQ(count("key.revoked"), 1u);
  EXPECT_FALSE(authority->introspect(task.token->token, "coder", clock.wall()).has_value());

  reopen();
  EXPECT_EQ(refusal(verified(task.token->token)), "the key that signed the token is revoked");
}

TEST_F(KeysOverTime, WhatIsUnderWayWithARevokedKeyStops) {
  const auto task = opened();
  const auto permitted = must(decide(call(task.task)));
  auto late_call = call(task.task);
  auto late_write = call(task.task, "git.push", domain::ActionClass::kWrite);
  auto late_ask = deletion(task.task);
  must(revoke(live()));
  const std::string_view reason = "the key that signed the token is revoked";
  EXPECT_EQ(authority->release(*permitted.permit, clock.wall()).error().reason.text(), reason);
  for (auto* late : {&late_call, &late_write, &late_ask})
    EXPECT_EQ(decide(*late).error().reason.text(), reason);
  EXPECT_TRUE(decide(call(task.task)).has_value()) << "with a token of the fresh key";
}

TEST_F(KeysOverTime, WhatCannotBeRevoked) {
  std::string log;
  for (const KeyView& key : authority->keys())
    if (key.use == "log") log = key.kid;
  EXPECT_EQ(revoke(log).error().reason.text(), "the log's key is its identity: it is not revoked");
  EXPECT_EQ(revoke("nothing").error().reason.text(), "no such key");
  const std::string first = live();
  must(revoke(first));
  EXPECT_EQ(revoke(first).error().reason.text(), "the key is revoked already");
  const std::string next = rotate().next.at(0).kid;
  must(revoke(live()));
  EXPECT_EQ(revoke(next).error().reason.text(),
            "the key is retired: no token that it signed counts");
  EXPECT_EQ(authority->key_revocation(next).error().reason.text(),
            "the key is retired: no token that it signed counts");
}

TEST_F(KeysOverTime, ATokenOfALaggingNodeIsNotRecordedPastItsKeysEnd) {
  auto other_keys = must(keys::KeyRing::open(*store, root, "stint.test", entropy, clock.wall()));
  auto other = must(Authority::open({*store, *other_keys, *vault, clock, entropy}, settings));
  const auto task = long_task();
  rotate(true);
  ASSERT_TRUE(authority->reload_keys().has_value());
  // `other` never hears of it, and goes on signing with the former key.
  const auto mint_there = [&] {
    auto opened_there = request();
    opened_there.audience = kGit;
    return rt::block_on(other->open_task(opened_there));
  };
  EXPECT_TRUE(mint_there().has_value()) << "the former key is published for long enough";
  clock.advance(6min);
  other->confirm_view();
  flush();
  EXPECT_EQ(mint_there().error().reason.text(), "the signing key changed meanwhile");
}

// Keys change under tokens that are minted and verified at that very moment, on other threads.
TEST_F(KeysOverTime, RotatingUnderLoadRefusesNothing) {
  const auto task = opened();
  std::atomic<bool> stop{false};
  std::atomic<int> minted{0}, refused{0};
  const auto work = [&] {
    while (!stop) {
      const auto token = rt::block_on(authority->mint(minting(task)));
      const bool good = token && verified(token->token.token).has_value() &&
                        authority->introspect(token->token.token, "coder", clock.wall());
      ++(good ? minted : refused);
    }
  };
  std::jthread one(work), two(work);
  for (int i = 0; i < 20; ++i) {
    rotate(true);
    EXPECT_TRUE(authority->reload_keys().has_value());
    const int seen = minted;
    while (minted < seen + 3 && refused == 0) std::this_thread::yield();
  }
  stop = true;
  one.join();
  two.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(in_state("former").size(), 20u);
}

// --- the property: random sequences, against a model that is slow and obvious ---

struct Model {
  struct Token {
    std::string text, kid;
    WallTime expires;
  };
  std::vector<Token> tokens;
  std::vector<std::string> revoked;
  bool counts(const Token& t, WallTime now) const {
    return now < t.expires && std::ranges::find(revoked, t.kid) == revoked.end();
  }
};

// A verifier elsewhere: it has a copy of the JWKS, and fetches it when the copy is older than the
// service says it may get.
struct Elsewhere {
  std::shared_ptr<const jose::JwkSet> copy;
  WallTime fetched;
};

// One store for all runs, whose clock goes on: RSA keys are slow to make.
TEST_F(KeysOverTime, NoTokenThatCountsIsRefusedAndNoneOfARevokedKeyIsTaken) {
  std::map<std::string, int> done;
  const auto start = clock.wall();
  // Another node over the same store, which hears of every change.
  auto other_keys =
      must(keys::KeyRing::open(other_store(), root, "stint.test", entropy, clock.wall()));
  auto other =
      must(Authority::open({other_store(), *other_keys, *vault, clock, entropy}, settings));
  rc::check([&](const std::vector<std::pair<std::uint8_t, std::uint8_t>>& script) {
    Model model;
    Elsewhere elsewhere{authority->token_keys(), clock.wall()};
    bool prepared = true;  // no emergency yet: verifiers elsewhere refuse nothing either
    // A task of this run: the clock of the runs before has gone on.
    const auto task = long_task();
    other->confirm_view();
    for (const auto& [op, pick] : script) {
      switch (op % 7) {
        case 0:
          rotate();
          ++done["rotate"];
          break;
        case 1:
          if (pick % 4 != 0) break;  // emergencies are rare
          rotate(true);
          prepared = false;
          ++done["now"];
          break;
        case 2: {
          if (pick % 4 != 0) break;
          std::vector<std::string> kids = in_state("live");
          for (const char* state : {"former", "next"})
            for (auto& kid : in_state(state)) kids.push_back(std::move(kid));
          const auto& kid = kids[pick / 4 % kids.size()];
          must(revoke(kid));
          model.revoked.push_back(kid);
          prepared = false;
          ++done["revoke"];
          break;
        }
        case 3:
        case 4:
          pass(std::chrono::seconds(pick) * 3);
          other->confirm_view();
          flush();
          break;
        default: {
          auto minted = must(rt::block_on(authority->mint(minting(task)))).token;
          model.tokens.push_back(
              {minted.token, must(verified(minted.token)).kid(), minted.expires});
          ++done["mint"];
        }
      }
      must(authority->tend_keys());
      RC_ASSERT(other->reload_keys().has_value());
      if (clock.wall() - elsewhere.fetched >= settings.publish_keys_ahead / 2)
        elsewhere = {authority->token_keys(), clock.wall()};
      const jose::AccessTokenVerifier far(settings.issuer, settings.issuer, elsewhere.copy);
      for (const auto& t : model.tokens) {
        const bool counts = model.counts(t, clock.wall());
        RC_ASSERT(verified(t.text).has_value() == counts);
        RC_ASSERT(other->verifier()->verify_any_audience(t.text, clock.wall()).has_value() ==
                  counts);
        if (counts && prepared)
          RC_ASSERT(far.verify_any_audience(t.text, clock.wall()).has_value());
        if (!counts && clock.wall() < t.expires)
          RC_ASSERT(refusal(verified(t.text)) == "the key that signed the token is revoked");
      }
      RC_ASSERT(in_state("live").size() == 1);
      RC_ASSERT(in_state("next").size() <= 1);
    }
    must(rt::block_on(authority->close(task.task.id, domain::How::kCompleted, {})));
    pass(20min);  // former keys of this run retire
    must(authority->tend_keys());
  });
  for (const char* op : {"rotate", "now", "revoke", "mint"})
    EXPECT_GT(done[op], 10) << op << ": the property saw too few";
  EXPECT_GT(clock.wall() - start, 24h);
}

}  // namespace
}  // namespace stint::authority
