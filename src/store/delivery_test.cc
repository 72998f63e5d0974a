// What is delivered, and whether a database is still the one that it came from.
#include "delivery.h"

#include <gtest/gtest.h>

#include "stint/store/log_publisher.h"
#include "stint/testkit/manual_clock.h"
#include "stint/testkit/temp_dir.h"

namespace stint::store {
namespace {

class DeliveryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Store::open({.path = dir_.file("stint.db")}, clock_);
    ASSERT_TRUE(opened.has_value());
    store_ = *std::move(opened);
    for (const char* bytes : {"a", "b", "c"})
      ASSERT_TRUE(store_->write_sync(
          [&](Tx& tx) { tx.append({"test.happened", std::nullopt, bytes, {}}); }));
    leaves_ = *leaf_hashes(*store_, 0, 3);
  }
  Result<bool> same(Seq size, std::optional<Hash> last, Seq end) {
    Delivery delivery(size, last, true);
    return store_->read([&](Reader& reader) { return delivery.same_log(reader, end); });
  }

  testkit::TempDir dir_;
  testkit::ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::vector<Hash> leaves_;
};

TEST_F(DeliveryTest, KnowsTheLogThatItCameFrom) {
  EXPECT_TRUE(*same(0, std::nullopt, 3)) << "nothing was delivered";
  EXPECT_TRUE(*same(2, leaves_[1], 3));
  EXPECT_TRUE(*same(3, leaves_[2], 3));
  EXPECT_FALSE(*same(4, leaves_[2], 3)) << "delivered after this snapshot";
}

// A fail-over to a standby that was behind, and then other commits: as long as before, or longer.
TEST_F(DeliveryTest, DoesNotBelieveALogThatWentBackAndGrewAgain) {
  for (const Seq size : {Seq{2}, Seq{3}}) {
    const auto other = same(size, leaves_[0], 3);
    ASSERT_FALSE(other.has_value());
    EXPECT_EQ(other.error().code, Errc::kInternal);
    EXPECT_EQ(other.error().reason.text(), "the database has lost events that were committed");
  }
}

}  // namespace
}  // namespace stint::store
