// Promises S3 and S6 against a disk that fails: nothing acknowledged is lost, nothing is half kept,
// and what cannot be recorded is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "stint/merkle/hash.h"
#include "stint/store/log_publisher.h"
#include "stint/store/store.h"
#include "stint/testkit/faulty_vfs.h"
#include "stint/testkit/held_writer.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/temp_dir.h"

namespace stint::store {
namespace {

using testkit::FaultyVfs;
using Op = FaultyVfs::Op;
using Fault = FaultyVfs::Fault;
using Where = FaultyVfs::Where;

constexpr Sql kPut =
    "INSERT INTO entity (kind, name, version, state, body, updated) "
    "VALUES ('agent', $1, 1, 'active', '{}', 0)";

auto put(int i) {
  return [i](Tx& tx) {
    tx.run(kPut, std::to_string(i));
    return tx.append({"test.happened", std::nullopt, std::to_string(i), WallTime{}});
  };
}

std::unique_ptr<Store> open(Options options, const Clock& clock) {
  auto opened = Store::open(std::move(options), clock);
  EXPECT_TRUE(opened.has_value()) << opened.error().reason.text();
  return opened ? *std::move(opened) : nullptr;
}

// Events from here on were recorded for themselves, and have no row.
constexpr int kRecorded = 1000;

EventRun recorded(int i) {
  EventRun run;
  EXPECT_TRUE(run.add({"test.happened", std::nullopt, std::to_string(i), {}}).has_value());
  return run;
}

// Every row has its event and every event its row: nothing is half kept. Returns what is there.
std::vector<int> consistent(Store& store) {
  std::vector<int> found;
  const auto events = store.events(0, 10'000);
  EXPECT_TRUE(events.has_value());
  for (Seq i = 0; i < events->size(); ++i) {
    EXPECT_EQ((*events)[i].seq, i);
    EXPECT_EQ((*events)[i].leaf, merkle::leaf_hash((*events)[i].bytes));
    found.push_back(std::stoi((*events)[i].bytes));
  }
  const auto with_row = std::ranges::count_if(found, [](int i) { return i < kRecorded; });
  const auto rows = store.read([&](Reader& r) {
    std::ptrdiff_t matched = 0;
    for (const int i : found) {
      matched += r.one<int>("SELECT 1 FROM entity WHERE name = $1", std::to_string(i)).has_value();
    }
    EXPECT_EQ(matched, with_row) << "an event without its row";
    return *r.one<std::ptrdiff_t>("SELECT count(*) FROM entity");
  });
  EXPECT_EQ(*rows, with_row) << "a row without its event";
  return found;
}

struct Case {
  const char* name;
  Op op;
  Fault fault;
  Where where;
  std::uint64_t after;
  Errc code;
  std::string_view reason;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr Case kCases[] = {
    {"LogWriteDiskFull", Op::kWrite, Fault::kDiskFull, Where::kLog, 0, Errc::kStorageFull,
     "disk full"},
    {"LogWriteDiskFullMidway", Op::kWrite, Fault::kDiskFull, Where::kLog, 2, Errc::kStorageFull,
     "disk full"},
    {"LogWriteError", Op::kWrite, Fault::kInputOutput, Where::kLog, 1, Errc::kIo,
     "database input/output"},
    {"LogSyncError", Op::kSync, Fault::kInputOutput, Where::kLog, 0, Errc::kIo,
     "database input/output"},
    {"ReadOnly", Op::kWrite, Fault::kReadOnly, Where::kLog, 0, Errc::kReadOnly,
     "database is read-only"},
};

class StoreFault : public testing::TestWithParam<Case> {
 protected:
  Options options() { return {.path = dir_.file("stint.db"), .vfs = vfs_.name()}; }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  FaultyVfs vfs_{"faulty"};
};

TEST_P(StoreFault, DeniesUntilTheDiskIsWellAndKeepsWhatItAcknowledged) {
  const Case& c = GetParam();
  {
    auto store = open(options(), clock_);
    std::atomic<int> observed{0};
    store->observe([&](std::span<const EventView> e) { observed += static_cast<int>(e.size()); });
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(store->write_sync(put(i)).has_value());

    vfs_.fail(c.op, c.fault, c.where, c.after);
    for (int i = 10; i < 13; ++i) {  // the first as it happens, the others by the failing probe
      const auto refused = store->write_sync(put(i));
      ASSERT_FALSE(refused.has_value());
      EXPECT_EQ(refused.error().code, c.code);
      EXPECT_EQ(refused.error().reason.text(), c.reason);
    }
    EXPECT_GE(vfs_.injected(), 3u);
    const Health ill = store->health();
    EXPECT_FALSE(ill.writable);
    EXPECT_EQ(ill.last_error->code, c.code);
    const Status unwritten = store->record(recorded(kRecorded));
    ASSERT_FALSE(unwritten.has_value());
    EXPECT_EQ(unwritten.error().code, c.code);
    EXPECT_TRUE(store->record(recorded(kRecorded + 1), Tells::kWhatHappened)) << "kept for later";
    EXPECT_EQ(observed, 5) << "nobody saw what was not kept";
    EXPECT_EQ(consistent(*store).size(), 5u) << "reads go on";

    vfs_.clear();
    ASSERT_TRUE(store->write_sync(put(20)).has_value());
    EXPECT_TRUE(store->health().writable);
    EXPECT_EQ(observed, 7);
    EXPECT_EQ(consistent(*store), (std::vector{0, 1, 2, 3, 4, kRecorded + 1, 20}));
  }
  auto again = open(options(), clock_);
  EXPECT_EQ(consistent(*again), (std::vector{0, 1, 2, 3, 4, kRecorded + 1, 20}));
}

// Nobody writes: the store finds out by itself that the disk is well again.
TEST_P(StoreFault, ProbesByItself) {
  const Case& c = GetParam();
  auto store = open(options(), clock_);
  vfs_.fail(c.op, c.fault, c.where, c.after);
  ASSERT_FALSE(store->write_sync(put(1)).has_value());
  EXPECT_FALSE(store->health().writable);
  vfs_.clear();
  while (!store->health().writable) std::this_thread::yield();
  EXPECT_TRUE(store->record(recorded(kRecorded)).has_value());
}

// Nobody waits for what is recorded, and what it tells of has happened: the batch after the failed
// one writes it, once, in order, before what was submitted later.
TEST_P(StoreFault, RecordsSurviveAFailedBatch) {
  const Case& c = GetParam();
  Options o = options();
  o.max_batch = 3;
  {
    auto store = open(o, clock_);
    std::vector<std::string> observed;
    store->observe([&](std::span<const EventView> events) {
      for (const EventView& e : events) observed.emplace_back(e.bytes);
    });
    std::promise<Result<Seq>> lost, kept;
    testkit::HeldWriter hold(*store);
    ASSERT_TRUE(store->record(recorded(1001)).has_value());
    ASSERT_TRUE(store->record(recorded(1002)).has_value());  // joins the run before
    store->submit(put(2), [&](Result<Seq> r) { lost.set_value(std::move(r)); });
    ASSERT_TRUE(store->record(recorded(1003)).has_value());
    store->submit(put(4), [&](Result<Seq> r) { kept.set_value(std::move(r)); });
    vfs_.fail(c.op, c.fault, c.where, c.after, 1);
    hold.release();

    const auto refused = lost.get_future().get();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, c.code);
    EXPECT_EQ(refused.error().reason.text(), c.reason);
    const auto written = kept.get_future().get();
    ASSERT_TRUE(written.has_value()) << written.error().reason.text();
    EXPECT_EQ(*written, 3u) << "after the three that were put back";
    EXPECT_EQ(vfs_.injected(), 1u);
    EXPECT_EQ(store->health().failures, 1u);
    EXPECT_EQ(consistent(*store), (std::vector{1001, 1002, 1003, 4}));
    store->stop();
    EXPECT_THAT(observed, testing::ElementsAre("1001", "1002", "1003", "4"));
  }
  EXPECT_EQ(consistent(*open(o, clock_)), (std::vector{1001, 1002, 1003, 4}));
}

// A whole batch that nobody waits for: the disk is asked again now and then, not without a pause.
TEST_P(StoreFault, AFullBatchOfRecordsDoesNotHammerAnIllDisk) {
  const Case& c = GetParam();
  Options o = options();
  o.max_batch = 4;
  auto store = open(o, clock_);
  {
    testkit::HeldWriter hold(*store);
    vfs_.fail(c.op, c.fault, c.where, c.after);
    for (int i = 0; i < 600; ++i) ASSERT_TRUE(store->record(recorded(kRecorded + i)).has_value());
    hold.release();
  }
  const SystemClock real;
  const MonoTime start = real.mono();
  const auto before = store->health().failures;
  while (store->health().failures < before + 3) std::this_thread::yield();
  EXPECT_GE(real.mono() - start, std::chrono::milliseconds(800))
      << "it waits half a second each time";
  EXPECT_EQ(store->health().queued, 600u) << "none is lost";
  vfs_.clear();
  ASSERT_TRUE(store->write_sync(put(4)).has_value());
  std::vector<int> all;
  for (int i = 0; i < 600; ++i) all.push_back(kRecorded + i);
  all.push_back(4);
  EXPECT_EQ(consistent(*store), all);
}

INSTANTIATE_TEST_SUITE_P(Every, StoreFault, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

using StoreDisk = StoreFault;

// A failing fsync is the dangerous one: the kernel may drop what it could not write and report the
// next fsync as good. So what was in the failed batch must not be counted on afterwards.
TEST_F(StoreDisk, FailedSyncThenPowerLoss) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    testkit::TempDir dir, after;
    Options o{.path = dir.file("a.db"), .vfs = vfs_.name()};
    auto store = open(o, clock_);
    std::vector<int> acknowledged;
    for (int i = 0; i < 20; ++i) {
      if (i % 7 == 3) vfs_.fail(Op::kSync, Fault::kInputOutput, Where::kLog, 0, 1 + seed % 2);
      if (store->write_sync(put(i))) acknowledged.push_back(i);
    }
    vfs_.clear();
    vfs_.lose_power_into(after.file("a.db"), seed);
    store = nullptr;
    vfs_.forget();
    auto restarted = open({.path = after.file("a.db")}, clock_);
    const auto found = consistent(*restarted);
    EXPECT_THAT(found, testing::IsSupersetOf(acknowledged)) << "seed " << seed;
    EXPECT_GT(acknowledged.size(), 10u);
    EXPECT_LT(acknowledged.size(), 20u);
  }
}

// The power goes at a random call, with many writers, checkpoints and publishing under way; of what
// was not synced any part may be on the disk.
TEST_F(StoreDisk, PowerLossLosesNothingAcknowledged) {
  std::size_t cut = 0, lost_unacknowledged = 0;
  // How many calls a round makes is the scheduler's: some end before the cut.
  for (std::uint64_t seed = 0; cut < 30 && seed < 300; ++seed) {
    testkit::TempDir dir, after;
    Options o{.path = dir.file("a.db"), .checkpoint_bytes = 64 << 10, .vfs = vfs_.name()};
    auto store = open(o, clock_);
    auto publisher = LogPublisher::open(*store);
    ASSERT_TRUE(publisher.has_value());
    std::mutex mutex;
    std::vector<int> acknowledged, then;
    bool happened = false;
    vfs_.at_call(1 + (seed * 37) % 80, [&] {
      const std::lock_guard lock(mutex);
      then = acknowledged;
      vfs_.lose_power_into(after.file("a.db"), seed);
      happened = true;
    });
    std::atomic<int> left = 400;
    for (int i = 0; i < 400; ++i) {
      store->submit(put(i), [&, i](Result<Seq> r) {
        const std::lock_guard lock(mutex);
        if (r) acknowledged.push_back(i);
        --left;
      });
      if (i % 16 == 15) std::this_thread::yield();
      if (i % 100 == 99) {
        ASSERT_TRUE(
            publisher
                ->publish([](Seq, const Hash&) { return Result<std::string>("n"); }, WallTime{})
                .has_value());
      }
    }
    store->stop();
    EXPECT_EQ(left, 0);
    EXPECT_EQ(acknowledged.size(), 400u);
    store = nullptr;
    vfs_.at_call(0, nullptr);  // what it holds goes with this round
    vfs_.forget();
    const std::lock_guard lock(mutex);
    if (!happened) continue;
    ++cut;
    auto restarted = open({.path = after.file("a.db")}, clock_);
    ASSERT_NE(restarted, nullptr) << "seed " << seed;
    const auto found = consistent(*restarted);
    EXPECT_THAT(found, testing::IsSupersetOf(then)) << "seed " << seed;
    lost_unacknowledged += 400 - found.size();
    EXPECT_TRUE(LogPublisher::open(*restarted).has_value());
    EXPECT_TRUE(restarted->write_sync(put(1000)).has_value());
  }
  EXPECT_EQ(cut, 30u) << "the cut was hardly ever met";
  EXPECT_GT(lost_unacknowledged, 0u) << "else the fault does nothing";
}

TEST_F(StoreDisk, FailingReadIsAnErrorNotAnAbsence) {
  Options o = options();
  {
    auto store = open(o, clock_);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(store->write_sync(put(i)).has_value());
  }
  auto store = open(o, clock_);  // cold caches
  vfs_.fail(Op::kRead, Fault::kInputOutput);
  const auto got = store->read([](Reader& r) {
    return r.one<std::string>("SELECT name FROM entity WHERE name = '7'").has_value();
  });
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Errc::kIo);
  vfs_.clear();
  EXPECT_EQ(consistent(*store).size(), 50u);
}

TEST_F(StoreDisk, FailingCheckpointOnlyLetsTheLogGrow) {
  Options o = options();
  o.checkpoint_bytes = 4096;
  auto store = open(o, clock_);
  vfs_.fail(Op::kSync, Fault::kInputOutput, Where::kDatabase);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(store->write_sync(put(i)).has_value());
  while (vfs_.injected() == 0) std::this_thread::yield();
  EXPECT_TRUE(store->health().writable);
  vfs_.clear();
  EXPECT_TRUE(store->write_sync(put(200)).has_value());
  store = nullptr;
  store = open(o, clock_);
  EXPECT_EQ(consistent(*store).size(), 201u);
}

}  // namespace
}  // namespace stint::store
