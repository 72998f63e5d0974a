#include "stint/store/log_publisher.h"

#include <gtest/gtest.h>

#include "stint/merkle/proof.h"
#include "stint/merkle/tile.h"
#include "stint/merkle/tree.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/temp_dir.h"

namespace stint::store {
namespace {

Result<std::string> sign(Seq size, const Hash&) { return "signed " + std::to_string(size); }

class Publishing : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    publisher_.reset();
    store_ = nullptr;
    auto opened = Store::open({.path = dir_.file("stint.db")}, clock_);
    ASSERT_TRUE(opened.has_value());
    store_ = *std::move(opened);
    auto publisher = LogPublisher::open(*store_);
    ASSERT_TRUE(publisher.has_value()) << publisher.error().reason.text();
    publisher_.emplace(*std::move(publisher));
  }
  void append(int count) {
    ASSERT_TRUE(store_
                    ->write_sync([&](Tx& tx) {
                      for (int i = 0; i < count; ++i) {
                        const std::string bytes = "event " + std::to_string(model_.size());
                        tx.append({"k", std::nullopt, bytes, {}});
                        model_.append(merkle::leaf_hash(bytes));
                      }
                    })
                    .has_value());
  }
  void publish_all() {
    const auto row = publisher_->publish(sign, clock_.wall());
    ASSERT_TRUE(row.has_value()) << row.error().reason.text();
    ASSERT_TRUE(row->has_value());
    EXPECT_EQ((*row)->size, model_.size());
    EXPECT_EQ((*row)->root, model_.root());
    EXPECT_EQ((*row)->note, "signed " + std::to_string(model_.size()));
  }
  // Every tile that a reader of this size may ask for is there, and proofs from them verify.
  void check_proofs() {
    const auto last = latest_checkpoint(*store_);
    ASSERT_TRUE(last.has_value() && last->has_value());
    const Seq size = (*last)->size;
    const merkle::TileNodes nodes(size, [&](const merkle::TileId& id) -> Result<std::string> {
      auto data =
          STINT_TRY(tile(*store_, id.level, id.index, static_cast<std::uint16_t>(id.width)));
      if (!data) return fail(Errc::kNotFound, "tile");
      return *data;
    });
    for (const Seq at : {Seq{0}, size / 2, size - 1}) {
      const auto proof = merkle::inclusion_proof(at, size, nodes);
      ASSERT_TRUE(proof.has_value()) << proof.error().reason.text();
      const Hash leaf = merkle::leaf_hash("event " + std::to_string(at));
      EXPECT_TRUE(merkle::verify_inclusion(at, size, leaf, *proof, (*last)->root).has_value());
    }
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::optional<LogPublisher> publisher_;
  merkle::Frontier model_;
};

TEST_F(Publishing, EmptyLogHasNoCheckpoint) {
  EXPECT_FALSE(publisher_->publish(sign, clock_.wall())->has_value());
  EXPECT_FALSE(latest_checkpoint(*store_)->has_value());
}

TEST_F(Publishing, FollowsTheLogOverRestarts) {
  for (const int count : {1, 254, 1, 1, 700, 65'000, 300}) {
    append(count);
    publish_all();
    check_proofs();
    EXPECT_FALSE(publisher_->publish(sign, clock_.wall())->has_value()) << "nothing new";
    open();
  }
  EXPECT_EQ((*checkpoint_at(*store_, 256))->size, 256u);
  EXPECT_FALSE(checkpoint_at(*store_, 7)->has_value());
}

TEST_F(Publishing, LongBacklogTakesSeveralTransactions) {
  for (int i = 0; i < 70; ++i) append(1000);  // more than one chunk
  publish_all();
  check_proofs();
}

TEST_F(Publishing, PartialTilesServeEveryNarrowerWidth) {
  append(100);
  publish_all();
  append(50);
  publish_all();
  const auto wide = tile(*store_, 0, 0, 150), narrow = tile(*store_, 0, 0, 100);
  ASSERT_TRUE(wide->has_value() && narrow->has_value());
  EXPECT_EQ((*wide)->substr(0, 3200), **narrow);
  EXPECT_FALSE(tile(*store_, 0, 0, 151)->has_value());
  EXPECT_FALSE(tile(*store_, 0, 1, 1)->has_value());
  EXPECT_EQ(leaf_hashes(*store_, 149, 10)->size(), 1u);
}

TEST_F(Publishing, FailedSignatureLeavesNothing) {
  append(300);
  const auto refused = publisher_->publish(
      [](Seq, const Hash&) -> Result<std::string> { return fail(Errc::kDenied, "no key"); },
      clock_.wall());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason.text(), "no key");
  EXPECT_FALSE(latest_checkpoint(*store_)->has_value());
  publish_all();
  check_proofs();
}

// S9: what was signed and what is stored must agree, or nothing more is signed.
TEST_F(Publishing, ChangedTilesAreFoundAtStart) {
  append(700);
  publish_all();
  const auto change = [&](Sql sql) {
    ASSERT_TRUE(store_
                    ->write_sync([&](Tx& tx) {
                      tx.no_event();
                      EXPECT_EQ(tx.run(sql), 1);
                    })
                    .has_value());
  };
  change("UPDATE tile SET data = zeroblob(188 * 32) WHERE level = 0 AND idx = 2");
  const auto refused = [&](std::string_view reason) {
    const auto opened = LogPublisher::open(*store_);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, Errc::kInternal);
    EXPECT_EQ(opened.error().reason.text(), reason);
  };
  refused("log tiles do not give the root of the checkpoint");
  change("DELETE FROM tile WHERE level = 1");
  refused("log tile is missing");
  change("UPDATE checkpoint SET size = 701");
  refused("log is shorter than its checkpoint");
}

}  // namespace
}  // namespace stint::store
