#include "event_block.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "stint/merkle/hash.h"

namespace stint::store {
namespace {

struct Made {
  std::string bytes, kind = "test.happened";
  std::optional<TaskId> task = std::nullopt;
  std::int64_t ms = 0;
};

EventRun run_of(const std::vector<Made>& events) {
  EventRun run;
  for (const Made& e : events)
    EXPECT_TRUE(run.add({e.kind, e.task, e.bytes, from_unix_millis(e.ms)}).has_value());
  return run;
}

EventBatch batch_of(Seq first, const std::vector<Made>& events) {
  EventBatch batch;
  batch.start(first);
  batch.append(run_of(events));
  return batch;
}

void expect_same(const EventView& got, Seq seq, const Made& made) {
  EXPECT_EQ(got.seq, seq);
  EXPECT_EQ(got.kind, made.kind);
  EXPECT_EQ(got.task, made.task);
  EXPECT_EQ(got.bytes, made.bytes);
  EXPECT_EQ(unix_millis(got.time), made.ms);
  EXPECT_EQ(got.leaf, merkle::leaf_hash(made.bytes));
}

TEST(EventBlock, GivesBackWhatItWasMadeOf) {
  std::mt19937 random(7);
  const auto text = [&](std::size_t most) {
    std::string out(random() % (most + 1), '\0');
    for (char& c : out) c = static_cast<char>(random());
    return out;
  };
  for (int round = 0; round < 100; ++round) {
    std::vector<Made> made;
    const Seq first = random();
    for (std::size_t i = 0, n = 1 + random() % 300; i < n; ++i) {
      std::array<std::uint8_t, 16> id{};
      for (auto& b : id) b = static_cast<std::uint8_t>(random());
      made.push_back({text(300), text(255),
                      random() % 2 == 0 ? std::optional(TaskId(id)) : std::nullopt,
                      static_cast<std::int64_t>(random()) - (std::int64_t{1} << 31)});
    }
    // Part of it comes back after it was taken away.
    EventBatch batch = batch_of(first, made);
    const std::size_t kept = random() % (made.size() + 1);
    batch.cut(kept);
    EXPECT_EQ(batch.count(), kept);
    batch.append(run_of({made.begin() + static_cast<std::ptrdiff_t>(kept), made.end()}));
    EXPECT_EQ(batch.next(), first + made.size());

    const auto views = batch.events();
    ASSERT_EQ(views.size(), made.size());
    Seq next = first;
    for (const auto& block : batch.blocks()) {
      EXPECT_EQ(block.first, next);
      EXPECT_TRUE(
          decode_block(block.first, block.count, block.leaves, block.body, [&](const EventView& e) {
            expect_same(e, next, made[next - first]);
            expect_same(views[next - first], next, made[next - first]);
            ++next;
            return true;
          }).has_value());
    }
    EXPECT_EQ(next, first + made.size());
  }
}

TEST(EventBlock, HoldsWhatFitsAndAtLeastOne) {
  const auto counts = [](const std::vector<Made>& events) {
    std::vector<std::size_t> out;
    const EventBatch batch = batch_of(0, events);  // blocks borrow from it
    for (const auto& block : batch.blocks()) out.push_back(block.count);
    return out;
  };
  using Counts = std::vector<std::size_t>;
  EXPECT_EQ(counts({}), Counts());
  EXPECT_EQ(counts(std::vector<Made>(kBlockEvents + 5, {"x"})), (Counts{kBlockEvents, 5}));
  const Made largest{std::string(kMaxEventBytes, 'x')};
  EXPECT_EQ(counts({largest, largest}), (Counts{1, 1}));
  const Made half{std::string(kBlockBytes / 2 - 100, 'x')};
  EXPECT_EQ(counts({half, half, half}), (Counts{2, 1}));
}

TEST(EventRun, KeepsNothingOfAnEventThatCannotBe) {
  EventRun run = run_of({{"one"}});
  const std::string before = run.body();
  const Status large = run.add({"k", std::nullopt, std::string(kMaxEventBytes + 1, 'x'), {}});
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().reason.text(), "event over 65535 bytes");
  const Status broken = run.add("k", std::nullopt, {}, [](std::string& out) -> Status {
    out += "half";
    return fail(Errc::kMalformed, "event text not utf-8");
  });
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().reason.text(), "event text not utf-8");
  EXPECT_EQ(run.body(), before);
  EXPECT_EQ(run.count(), 1u);
}

TEST(EventBlock, EveryTruncationIsDamage) {
  const EventBatch batch = batch_of(4, {{"one", "test.happened", TaskId({1})}, {"two"}});
  const auto block = batch.blocks().front();
  const struct {
    std::string leaves, body;
  } whole{std::string(block.leaves), std::string(block.body)};
  const auto reads = [&](std::uint64_t count, std::string_view leaves, std::string_view body) {
    const Status s = decode_block(4, count, leaves, body, [](const EventView&) { return true; });
    if (!s) {
      EXPECT_EQ(s.error().code, Errc::kInternal);
      EXPECT_EQ(s.error().reason.text(), "an event block is damaged");
    }
    return s.has_value();
  };
  EXPECT_TRUE(reads(2, whole.leaves, whole.body));
  for (std::size_t n = 0; n < whole.body.size(); ++n)
    EXPECT_FALSE(reads(2, whole.leaves, std::string_view(whole.body).substr(0, n))) << n;
  for (std::size_t n = 0; n < whole.leaves.size(); ++n)
    EXPECT_FALSE(reads(2, std::string_view(whole.leaves).substr(0, n), whole.body)) << n;
  EXPECT_FALSE(reads(2, whole.leaves, whole.body + "x"));
  EXPECT_FALSE(reads(1, whole.leaves, whole.body));
  EXPECT_FALSE(reads(3, whole.leaves, whole.body));
  EXPECT_FALSE(reads(0, "", ""));
  EXPECT_FALSE(reads(std::numeric_limits<std::uint64_t>::max() / 32 + 3, whole.leaves, whole.body));
  // Sizes that promise more than there is, up to the largest.
  for (const std::size_t at : {0u, 1u, 2u, 3u, 12u, 13u}) {
    std::string body = whole.body;
    body[at] = '\xff';
    EXPECT_FALSE(reads(2, whole.leaves, body)) << at;
  }
}

}  // namespace
}  // namespace stint::store
