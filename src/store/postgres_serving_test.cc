// What was right when a store was opened need not stay so: it denies then, and goes on by itself
// once it is right again.
#include "postgres_fault_for_test.h"
#include "stint/store/log_publisher.h"

namespace stint::store {
namespace {

using testkit::PostgresServer;

// A node that opens while others write and sign does not take its own lateness for a lost log.
TEST(PostgresStarting, OthersSignMeanwhile) {
  const std::string url = PostgresServer::shared().database();
  const Node late(url, {}, false), busy(url);
  ASSERT_TRUE(busy->write_sync(put("a", "x")).has_value());
  auto publisher = LogPublisher::open(*busy);
  ASSERT_TRUE(publisher.has_value());
  const auto row = publisher->publish(
      [](Seq, const Hash&) -> Result<std::string> { return "note"; }, SystemClock().wall());
  ASSERT_TRUE(row.has_value() && row->has_value());
  ASSERT_LT(late->size(), (*row)->size) << "it has not been told yet";
  const auto opened = LogPublisher::open(*late);
  EXPECT_TRUE(opened.has_value()) << opened.error().reason.text();
}

}  // namespace
}  // namespace stint::store
