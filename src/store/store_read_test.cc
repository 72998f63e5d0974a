// Reads: one snapshot, of all that was acknowledged; columns; the log's pages.
#include <future>

#include "contract_for_test.h"
#include "stint/store/log_publisher.h"
#include "stint/testkit/seeded_entropy.h"

namespace stint::store {
namespace {

class StoreReads : public ContractTest {};

TEST_P(StoreReads, ReadsSeeWhatWasAcknowledged) {
  for (int i = 0; i < 200; ++i) {
    std::promise<std::optional<std::string>> promise;
    store_->submit(put("a", std::to_string(i)), [&](auto r) {
      EXPECT_TRUE(r.has_value());
      promise.set_value(get("a"));
    });
    EXPECT_EQ(promise.get_future().get(), std::to_string(i));
  }
}

TEST_P(StoreReads, ReadIsOneSnapshotAndCannotWrite) {
  ASSERT_TRUE(store_->write_sync(put("a", "1")).has_value());
  const auto same = store_->read([&](Reader& r) {
    const auto before = r.one<std::string>(kGet, "a");
    EXPECT_TRUE(store_->write_sync(put("a", "2")).has_value());
    return before == r.one<std::string>(kGet, "a");
  });
  EXPECT_TRUE(same.has_value() && *same);
  EXPECT_EQ(get("a"), "2");
  const auto written = store_->read([](Reader& r) { return r.rows<int>(kDelete, "a"); });
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, Errc::kReadOnly);
  const auto failed = store_->read([](Reader&) -> Status { return fail(Errc::kDenied, "mine"); });
  EXPECT_EQ(failed.error().reason.text(), "mine");
  EXPECT_EQ(get("a"), "2");
}

TEST_P(StoreReads, ColumnsKeepTheirTypes) {
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy);
  const WallTime time = clock_.wall();
  const Hash hash = merkle::leaf_hash("x");
  const std::string_view blob("\0b", 2);
  ASSERT_TRUE(store_->write_sync([&](Tx& tx) {
    tx.append(event("e"));
    tx.run(
        "INSERT INTO approval (id, task, state, digest, created, expires, version, body) "
        "VALUES ($3, $3, 'pending', $2, $1, $4, $5, $6)",
        time, hash, task, -1, 7, "text");
    tx.run("INSERT INTO meta (key, value) VALUES ('b', $1)", Blob{blob});
    tx.run("INSERT INTO meta (key, value) VALUES ('nothing', $1)", Blob{""});
  }));
  const auto got = store_->read([&](Reader& r) {
    return r.one<std::tuple<TaskId, WallTime, Hash, std::string, bool, std::optional<TaskId>,
                            std::optional<std::int64_t>, std::int64_t>>(
        "SELECT id, created, digest, body, created > $2, nullif(task, id), version, expires "
        "FROM approval WHERE id = $1",
        task, 5);
  });
  ASSERT_TRUE(got.has_value() && got->has_value());
  EXPECT_EQ(**got, std::tuple(task, time, hash, std::string("text"), true, std::optional<TaskId>(),
                              std::optional<std::int64_t>(7), std::int64_t{-1}));
  const auto bytes = store_->read([&](Reader& r) {
    return r.rows<std::string>("SELECT value FROM meta WHERE key IN ('b', 'nothing') ORDER BY key");
  });
  EXPECT_EQ(*bytes, (std::vector<std::string>{std::string(blob), ""}));
  const auto refused = [&](auto f, std::string_view reason) {
    const auto r = store_->read(f);
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, Errc::kInternal);
    EXPECT_EQ(r.error().reason.text(), reason);
  };
  refused([](Reader& r) { return r.one<int>("SELECT 'text'"); }, "column type");
  refused([](Reader& r) { return r.one<int>("SELECT NULL"); }, "column type");
  refused([](Reader& r) { return r.one<std::string>("SELECT 7"); }, "column type");
  refused([](Reader& r) { return r.one<TaskId>("SELECT x'00'"); }, "column type");
  refused([](Reader& r) { return r.one<int>("SELECT 1 FROM approval WHERE version = $1"); },
          "statement parameters");
  refused([](Reader& r) { return r.one<int>("SELECT 1; SELECT 2"); }, "not one statement");
}

TEST_P(StoreReads, EventsArePagedAndFoundByTask) {
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy), other = TaskId::random(entropy);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store_
                    ->write_sync([&](Tx& tx) {
                      tx.append({"test.happened", i % 2 == 0 ? task : other, std::to_string(i),
                                 clock_.wall()});
                    })
                    .has_value());
  }
  const auto page = store_->events(3, 2);
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->size(), 2u);
  EXPECT_EQ(page->front().seq, 3u);
  EXPECT_EQ(page->front().kind, "test.happened");
  EXPECT_EQ(page->front().task, other);
  EXPECT_EQ(page->front().time, clock_.wall());
  const auto of_task = store_->task_events(task, 3, 100);
  ASSERT_TRUE(of_task.has_value());
  ASSERT_EQ(of_task->size(), 3u);
  EXPECT_EQ(of_task->front().bytes, "4");
  EXPECT_TRUE(store_->events(10, 5)->empty());
}

TEST_P(StoreReads, APageMayBeginAndEndInsideABlock) {
  ASSERT_TRUE(store_
                  ->write_sync([&](Tx& tx) {
                    for (int i = 0; i < 200; ++i) tx.append(event(std::to_string(i)));
                  })
                  .has_value());
  for (const Seq from : {0u, 1u, 63u, 64u, 65u, 127u, 150u, 199u}) {
    const auto page = store_->events(from, 3);
    ASSERT_TRUE(page.has_value());
    ASSERT_EQ(page->size(), std::min<std::size_t>(3, 200 - from)) << from;
    for (Seq i = 0; i < page->size(); ++i) {
      EXPECT_EQ((*page)[i].seq, from + i);
      EXPECT_EQ((*page)[i].bytes, std::to_string(from + i));
    }
  }
  EXPECT_TRUE(store_->events(7, 0)->empty());
}

// However far apart they stand, and from the task's opening on.
// Blocks are read by pages of 128, and their leaves alone by pages of 1024: a log that ends where a
// page does ends there.
TEST_P(StoreReads, ALogThatEndsWithAPageIsReadOnce) {
  constexpr Seq kEvents = 1024;
  for (Seq i = 0; i < kEvents; ++i) {
    ASSERT_TRUE(store_->write_sync(put("k", std::to_string(i))));
    if (i + 1 == 128) EXPECT_EQ(log().size(), 128U);
  }
  EXPECT_EQ(log().size(), kEvents);
  const auto leaves = leaf_hashes(*store_, 0, kEvents);
  ASSERT_TRUE(leaves.has_value()) << leaves.error().reason.text();
  EXPECT_EQ(leaves->size(), kEvents);
  const auto none = store_->events(kEvents, 10);
  ASSERT_TRUE(none.has_value());
  EXPECT_TRUE(none->empty());
}

TEST_P(StoreReads, EventsOfATaskAreFoundThroughoutALongLog) {
  testkit::SeededEntropy entropy;
  const TaskId task = TaskId::random(entropy), other = TaskId::random(entropy);
  std::vector<Seq> wanted;
  constexpr Seq kEvents = 30'100, kAtOnce = 700;  // so that a block lies across an edge
  for (Seq from = 0; from < kEvents; from += kAtOnce) {
    const auto wrote = store_->write_sync([&](Tx& tx) {
      for (Seq seq = from; seq < from + kAtOnce; ++seq) {
        const bool opening = seq == 700;
        const bool ours = opening || (seq > 700 && (seq % 5'003 == 0 || seq % 8'192 < 2));
        if (ours) wanted.push_back(seq);
        tx.append({opening ? "task.opened" : "test.happened", ours ? task : other, "x", {}});
      }
    });
    ASSERT_TRUE(wrote.has_value());
  }
  const auto seqs = [&](Seq from, std::size_t limit) {
    std::vector<Seq> out;
    for (const auto& e : store_->task_events(task, from, limit).value()) {
      EXPECT_EQ(e.task, task);
      out.push_back(e.seq);
    }
    return out;
  };
  EXPECT_EQ(seqs(0, 10'000), wanted);
  EXPECT_EQ(seqs(0, 3), std::vector<Seq>(wanted.begin(), wanted.begin() + 3));
  EXPECT_EQ(seqs(wanted[4] + 1, 10'000), std::vector<Seq>(wanted.begin() + 5, wanted.end()));
  // In a block that begins in the span before.
  ASSERT_EQ(wanted[3], 8193u);
  EXPECT_EQ(seqs(wanted[3], 10'000), std::vector<Seq>(wanted.begin() + 3, wanted.end()));
  EXPECT_TRUE(seqs(kEvents, 10).empty());
  EXPECT_TRUE(store_->task_events(TaskId::random(entropy), 0, 10).value().empty());
}

INSTANTIATE_TEST_SUITE_P(Every, StoreReads, testing::ValuesIn(kBackends),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stint::store
