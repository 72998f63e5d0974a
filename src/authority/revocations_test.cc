// What no longer counts, as followers are told it: from the rows, from commits, and how far back.
#include "stint/authority/revocations.h"

#include <gmock/gmock.h>

#include "authority_for_test.h"
#include "stint/audit/event.h"

namespace stint::authority {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Kind = Revocation::Kind;

// Events as the store shows them to its observers.
class Log {
 public:
  store::EventView add(const audit::AnyEvent& event, WallTime at = WallTime()) {
    bytes_.push_back(audit::encode(at, event).value());
    return {next_++, at, audit::kind(event), audit::task_of(event), bytes_.back(), {}};
  }
  void skip() { ++next_; }

 private:
  std::deque<std::string> bytes_;
  store::Seq next_ = 0;
};

TaskId task(std::uint8_t n) { return TaskId(std::array<std::uint8_t, 16>{n}); }
TokenId token(std::uint8_t n) { return TokenId(std::array<std::uint8_t, 16>{n}); }
audit::TaskClosed closed(std::uint8_t n) { return {.task = task(n)}; }

TEST(Revocations, KnowTheirKindsAndNoOther) {
  Log log;
  EXPECT_EQ(revocation_of(log.add(closed(1)))->kind, Kind::kTaskClosed);
  EXPECT_EQ(revocation_of(log.add(audit::TaskPaused{.task = task(1)}))->kind, Kind::kTaskPaused);
  EXPECT_EQ(revocation_of(log.add(audit::TaskResumed{.task = task(1)}))->kind, Kind::kTaskResumed);
  const auto revoked =
      revocation_of(log.add(audit::TokenRevoked{.task = task(1), .token = token(2)}));
  EXPECT_EQ(revoked->token, token(2));
  EXPECT_EQ(revoked->seq, 3U);
  EXPECT_EQ(revocation_of(log.add(audit::KeyRetired{.kid = "k-test"}))->kid, "k-test");
  EXPECT_FALSE(revocation_of(log.add(audit::TaskDelegated{.task = task(1), .child = task(2)})));
}

TEST(Revocations, StandUntilTheyArePast) {
  Log log;
  Revocations all;
  ASSERT_TRUE(
      all.load([] { return Result<Revocations::Rows>({.longest = std::chrono::minutes(5)}); }));
  const std::vector<store::EventView> events{
      log.add(closed(1)), log.add(audit::TaskPaused{.task = task(2)}),
      log.add(audit::TaskPaused{.task = task(3)}), log.add(audit::TaskResumed{.task = task(2)}),
      log.add(audit::TokenRevoked{.task = task(4), .token = token(5)})};
  all.add(events, WallTime());
  const auto now = all.standing(WallTime() + std::chrono::minutes(5));
  EXPECT_EQ(now.next, 5U);
  EXPECT_THAT(now.closed, ElementsAre(task(1)));
  EXPECT_THAT(now.paused, ElementsAre(task(3)));
  EXPECT_THAT(now.revoked, ElementsAre(std::pair(task(4), token(5))));
  // A pause lasts; what is over needs no memory once no token of it can live.
  const auto later = all.standing(WallTime() + std::chrono::minutes(6));
  EXPECT_THAT(later.closed, IsEmpty());
  EXPECT_THAT(later.revoked, IsEmpty());
  EXPECT_THAT(later.paused, ElementsAre(task(3)));
  all.add(std::vector{log.add(closed(3), WallTime() + std::chrono::minutes(6))},
          WallTime() + std::chrono::minutes(6));
  EXPECT_EQ(all.counts().paused, 0U);
  EXPECT_EQ(all.counts().closed, 1U) << "the first is forgotten";
}

// Several nodes have several clocks; ours says what may be forgotten.
TEST(Revocations, ForgetByTheClockOfThisNode) {
  Log log;
  Revocations all;
  ASSERT_TRUE(
      all.load([] { return Result<Revocations::Rows>({.longest = std::chrono::minutes(5)}); }));
  const WallTime now = WallTime() + std::chrono::hours(1);
  all.add(std::vector{log.add(closed(1), now)}, now);
  all.add(std::vector{log.add(closed(2), now + std::chrono::minutes(20))}, now);
  all.add(std::vector{log.add(closed(3), now - std::chrono::minutes(20))}, now);
  const auto later = now + std::chrono::minutes(5);
  EXPECT_THAT(all.standing(later).closed, UnorderedElementsAre(task(1), task(2), task(3)));
  all.add(std::vector{log.add(closed(4), later)}, later);
  EXPECT_EQ(all.counts().closed, 4U);
}

TEST(Revocations, TellOfRetiredKeysAsLongAsSomebodyMayBelieveThem) {
  Log log;
  Revocations all;
  ASSERT_TRUE(
      all.load([] { return Result<Revocations::Rows>({.longest = std::chrono::minutes(5)}); }));
  all.add(std::vector{log.add(audit::KeyRetired{.kid = "k-test"})}, WallTime());
  EXPECT_THAT(all.standing(WallTime() + std::chrono::minutes(10)).keys, ElementsAre("k-test"));
  EXPECT_THAT(all.standing(WallTime() + std::chrono::minutes(11)).keys, IsEmpty());
}

TEST(Revocations, KeepTheLastOfThem) {
  Log log;
  Revocations all(2);
  std::vector<store::EventView> events;
  for (std::uint8_t i = 1; i < 5; ++i) events.push_back(log.add(closed(i)));
  events.push_back(log.add(audit::TaskDelegated{.task = task(9), .child = task(8)}));
  all.add(events, WallTime());
  EXPECT_EQ(all.begin(), 2U);
  EXPECT_FALSE(all.tail(1, 10));
  const auto tail = all.tail(2, 10);
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->entries.size(), 2U);
  EXPECT_EQ(tail->next, 5U) << "what is no revocation is passed over";
  const auto one = all.tail(2, 1);
  EXPECT_EQ(one->entries.size(), 1U);
  EXPECT_EQ(one->next, 3U);
  EXPECT_THAT(all.tail(5, 10)->entries, IsEmpty());
  EXPECT_EQ(all.tail(7, 10)->next, 7U) << "a follower may have seen more than we";
  EXPECT_EQ(all.standing(WallTime()).closed.size(), 4U) << "what stands is not bounded by it";
}

TEST(Revocations, AGapBeginsAnew) {
  Log log;
  Revocations all;
  all.add(std::vector{log.add(closed(1))}, WallTime());
  log.skip();
  all.add(std::vector{log.add(closed(2))}, WallTime());
  EXPECT_EQ(all.begin(), 2U);
  EXPECT_FALSE(all.tail(1, 10)) << "the store has what we missed";
  EXPECT_EQ(all.tail(2, 10)->entries.size(), 1U);
}

TEST(Revocations, WakeWhoWaits) {
  Log log;
  Revocations all;
  const auto first = all.changed();
  all.add(std::vector{log.add(audit::TaskDelegated{.task = task(1), .child = task(2)})},
          WallTime());
  EXPECT_FALSE(first.is_set());
  all.add(std::vector{log.add(closed(1))}, WallTime());
  EXPECT_TRUE(first.is_set());
  EXPECT_FALSE(all.changed().is_set());
}

class RevocationsTest : public Fixture {};

TEST_F(RevocationsTest, AfterARestartTheRowsSayTheSame) {
  const auto over = opened(), held = opened(), fine = opened();
  must(rt::block_on(authority->mint(minting(over))));  // no token, nothing to refuse
  ASSERT_TRUE(
      rt::block_on(authority->close(over.task.id, domain::How::kRevoked, Actor::system("test"))));
  ASSERT_TRUE(rt::block_on(
      authority->pause(held.task.id, domain::Why::kOperator, Actor::local_operator(0))));
  const auto minted = must(rt::block_on(authority->mint(minting(fine)))).token;
  ASSERT_TRUE(must(rt::block_on(authority->revoke(minted.token, "coder"))));
  const auto before = authority->revocations().standing(clock.wall());
  reopen();
  const auto after = authority->revocations().standing(clock.wall());
  EXPECT_EQ(after.next, store->size());
  EXPECT_EQ(after.paused, before.paused);
  EXPECT_EQ(after.revoked, before.revoked);
  EXPECT_THAT(after.paused, ElementsAre(held.task.id));
  EXPECT_THAT(after.revoked, ElementsAre(std::pair(fine.task.id, minted.id)));
  EXPECT_EQ(before.closed, after.closed);
  EXPECT_FALSE(authority->revocations().tail(0, 10)) << "only what came since is in memory";
}

// Tokens of before a shorter ttl live on, and so does what is remembered of their tasks.
TEST_F(RevocationsTest, RemembersAsLongAsTheOldestTokensLive) {
  const auto task = opened();
  must(rt::block_on(authority->mint(minting(task))));
  settings.limits.token_ttl = std::chrono::seconds(10);
  reopen();
  EXPECT_EQ(authority->revocations().longest(), 5min + 1min);
  ASSERT_TRUE(
      rt::block_on(authority->close(task.task.id, domain::How::kRevoked, Actor::system("test"))));
  EXPECT_THAT(authority->revocations().standing(clock.wall() + 5min).closed,
              ElementsAre(task.task.id));
  EXPECT_EQ(must(authority->with_descendants(task.task.id)).size(), 1U);
}

}  // namespace
}  // namespace stint::authority
