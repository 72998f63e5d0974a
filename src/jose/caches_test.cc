#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <thread>

#include "jose_test_util.h"
#include "stint/jose/key_cache.h"
#include "stint/jose/nonce.h"
#include "stint/jose/replay.h"

namespace stint::jose {
namespace {

using namespace testing_util;
using std::chrono::milliseconds;
using std::chrono::seconds;

ReplayCache replay(seconds window, std::size_t max) {
  testkit::SeededEntropy entropy;
  return ReplayCache(window, max, entropy);
}

// The slow model remembers every proof for ever. A proof seen within the window is always refused;
// one seen longer ago than 1.25 windows never is; between, either.
RC_GTEST_PROP(Replay, ForgetsOnlyByTime,
              (const std::vector<std::pair<std::uint8_t, std::uint16_t>>& script)) {
  ReplayCache cache = replay(seconds(90), 1000);
  std::map<std::string, WallTime> last;
  WallTime now = kNow;
  for (const auto& [id, step] : script) {
    now += milliseconds(step % 30000);
    const std::string jti = std::to_string(id % 8);
    const auto got = cache.once("jkt", jti, now);
    const auto seen = last.find(jti);
    if (seen == last.end() || now - seen->second >= milliseconds(112'500))
      RC_ASSERT(got.has_value());
    if (seen != last.end() && now - seen->second < seconds(90)) RC_ASSERT(!got.has_value());
    if (got) {
      last[jti] = now;
    } else {
      RC_ASSERT(got.error().code == Errc::kReplayed);
    }
  }
}

TEST(Replay, KeyAndIdBothCount) {
  ReplayCache cache = replay(seconds(90), 100);
  EXPECT_TRUE(cache.once("a", "bc", kNow).has_value());
  EXPECT_TRUE(cache.once("ab", "c", kNow).has_value());
  EXPECT_TRUE(cache.once("a", "c", kNow).has_value());
  EXPECT_EQ(reason(cache.once("a", "bc", kNow + seconds(89))), "proof replayed");
  EXPECT_EQ(cache.size(), 3u);
}

TEST(Replay, FullRefusesTheNewAndKeepsTheOld) {
  ReplayCache cache = replay(seconds(90), 1000);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(cache.once("k", std::to_string(i), kNow).has_value());
  const auto full = cache.once("k", "one more", kNow);
  EXPECT_EQ(reason(full), "replay cache full");
  EXPECT_EQ(full.error().code, Errc::kLimit);
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(reason(cache.once("k", std::to_string(i), kNow + seconds(60))), "proof replayed");
  EXPECT_LE(cache.memory(), 1000u * 43 + 64 * 1024);
  // All have left after a window and a quarter, also from shards that nobody touched since.
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(cache.once("k", "new " + std::to_string(i), kNow + seconds(113)).has_value());
  EXPECT_EQ(cache.size(), 1000u);
  EXPECT_EQ(reason(cache.once("k", "one more", kNow + seconds(113))), "replay cache full");
}

TEST(Replay, AClockThatStepsBackForgetsNothing) {
  ReplayCache cache = replay(seconds(90), 100);
  ASSERT_TRUE(cache.once("k", "a", kNow).has_value());
  EXPECT_EQ(reason(cache.once("k", "a", kNow - seconds(3600))), "proof replayed");
  ASSERT_TRUE(cache.once("k", "b", kNow - seconds(3600)).has_value());
  EXPECT_EQ(reason(cache.once("k", "b", kNow - seconds(3511))), "proof replayed");
  EXPECT_EQ(reason(cache.once("k", "b", WallTime())), "proof replayed");
}

TEST(Replay, ManyThreadsOneWinner) {
  ReplayCache cache = replay(seconds(90), 100'000);
  std::atomic<int> won{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 2000; ++i)
          if (cache.once("k", std::to_string(i), kNow + milliseconds(i))) ++won;
      });
  }
  EXPECT_EQ(won, 2000);
  EXPECT_EQ(cache.size(), 2000u);
}

TEST(Nonce, GoodInItsBucketAndTheNext) {
  testkit::SeededEntropy entropy;
  const DpopNonces nonces(entropy, seconds(100));
  const WallTime start = from_unix_seconds(1'790'000'000);  // a multiple of 100
  const std::string nonce = nonces.current(start);
  EXPECT_EQ(nonce.size(), 22u);
  EXPECT_EQ(nonces.current(start + seconds(99)), nonce);
  EXPECT_NE(nonces.current(start + seconds(100)), nonce);
  EXPECT_TRUE(nonces.is_current(nonce, start + seconds(99)));
  EXPECT_FALSE(nonces.is_current(nonce, start + seconds(100)));
  EXPECT_TRUE(nonces.accepts(nonce, start + seconds(199)));
  EXPECT_FALSE(nonces.accepts(nonce, start + seconds(200)));
  EXPECT_FALSE(nonces.accepts(nonce, start - seconds(1)));  // not before its time
  EXPECT_FALSE(nonces.accepts("", start));
  EXPECT_FALSE(DpopNonces(entropy, seconds(100)).accepts(nonce, start));  // another process
}

std::shared_ptr<const ProofKey> proof_key() {
  static const auto key = std::make_shared<const ProofKey>(
      ProofKey{std::make_shared<const Header>(), test_key().public_key(), "jkt"});
  return key;
}

TEST(KeyCache, IsBoundedAndForgetsTheLeastUsed) {
  KeyCache cache(16);  // one a shard
  for (int i = 0; i < 1000; ++i) cache.put("header " + std::to_string(i), proof_key());
  EXPECT_LE(cache.size(), 16u);
  EXPECT_NE(cache.find("header 999"), nullptr);
  EXPECT_EQ(cache.find("header"), nullptr);
  cache.put(std::string(2049, 'h'), proof_key());
  EXPECT_EQ(cache.find(std::string(2049, 'h')), nullptr);

  KeyCache wide(16 * 64);
  wide.put("kept", proof_key());
  for (int i = 0; i < 5000; ++i) {
    wide.put("header " + std::to_string(i), proof_key());
    ASSERT_NE(wide.find("kept"), nullptr);  // used, so it stays
  }
  EXPECT_LE(wide.size(), 16u * 64);
}

TEST(KeyCache, ManyThreads) {
  KeyCache cache(64);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&cache, t] {
        for (int i = 0; i < 3000; ++i) {
          const std::string name = "header " + std::to_string((i * (t + 1)) % 200);
          if (const auto got = cache.find(name)) EXPECT_EQ(got->jkt, "jkt");
          cache.put(name, proof_key());
        }
      });
  }
  EXPECT_LE(cache.size(), 64u + 16);
}

}  // namespace
}  // namespace stint::jose
