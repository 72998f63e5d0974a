#include "event_block.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "stint/merkle/hash.h"

namespace stint::store {
namespace {

StoredEvent event(Seq seq, std::string bytes, std::string kind = "test.happened",
                  std::optional<TaskId> task = std::nullopt, std::int64_t ms = 0) {
  const Hash leaf = merkle::leaf_hash(bytes);
  return {seq, from_unix_millis(ms), std::move(kind), task, std::move(bytes), leaf};
}

bool same(const StoredEvent& a, const StoredEvent& b) {
  return a.seq == b.seq && a.time == b.time && a.kind == b.kind && a.task == b.task &&
         a.bytes == b.bytes && a.leaf == b.leaf;
}

std::vector<StoredEvent> read(Seq first, std::uint64_t count, const BlockText& text) {
  std::vector<StoredEvent> out;
  const Status read =
      decode_block(first, count, text.leaves, text.body, [&](const EventView& e) {
        out.push_back(e.stored());
        return true;
      });
  EXPECT_TRUE(read.has_value());
  return out;
}

TEST(EventBlock, GivesBackWhatItWasMadeOf) {
  std::mt19937 random(7);
  const auto text = [&](std::size_t most) {
    std::string out(random() % (most + 1), '\0');
    for (char& c : out) c = static_cast<char>(random());
    return out;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<StoredEvent> made;
    const Seq first = random();
    for (std::size_t i = 0, n = 1 + random() % 9; i < n; ++i) {
      std::array<std::uint8_t, 16> id{};
      for (auto& b : id) b = static_cast<std::uint8_t>(random());
      const auto task = random() % 2 == 0 ? std::optional(TaskId(id)) : std::nullopt;
      made.push_back(event(first + i, text(300), text(255), task,
                           static_cast<std::int64_t>(random()) - (std::int64_t{1} << 31)));
    }
    const auto got = read(first, made.size(), encode_block(made));
    EXPECT_TRUE(std::ranges::equal(got, made, same));
  }
}

TEST(EventBlock, TakesWhatFitsAndAtLeastOne) {
  EXPECT_TRUE(next_block({}).empty());
  std::vector<StoredEvent> many;
  for (Seq i = 0; i < kBlockEvents + 5; ++i) many.push_back(event(i, "x"));
  EXPECT_EQ(next_block(many).size(), kBlockEvents);
  const std::vector<StoredEvent> large{event(0, std::string(kMaxEventBytes, 'x')),
                                       event(1, std::string(kMaxEventBytes, 'y'))};
  EXPECT_EQ(next_block(large).size(), 1u);
  const std::vector<StoredEvent> fits{event(0, std::string(kBlockBytes - 1, 'x')), event(1, "y"),
                                      event(2, "z")};
  EXPECT_EQ(next_block(fits).size(), 2u);
}

TEST(EventBlock, EveryTruncationIsDamage) {
  const std::vector<StoredEvent> made{event(4, "one", "test.happened", TaskId({1})),
                                      event(5, "two")};
  const BlockText whole = encode_block(made);
  const auto reads = [&](std::uint64_t count, std::string_view leaves, std::string_view body) {
    const Status s =
        decode_block(4, count, leaves, body, [](const EventView&) { return true; });
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
