#pragma once

#include <memory>
#include <vector>

#include "delivery.h"
#include "shared_database.h"

namespace stint::sim {

// Follows the simulated database as store::PostgresFeed follows its own.
class SimulatedFeed final : public store::Feed {
 public:
  SimulatedFeed(Link& link, store::Database& database, store::Delivery& delivery);
  ~SimulatedFeed() override;

  void start() override;
  void sync(std::function<void(Status)> done) override;
  void stop() override;
  void notice();  // the database's: something was committed

 private:
  using Waiting = std::vector<std::function<void(Status)>>;
  void loop();
  Status round();

  Link& link_;
  store::Database& database_;
  store::Delivery& delivery_;
  std::unique_ptr<store::ReadConnection> reading_;
  std::mutex mutex_;
  const std::unique_ptr<rt::Threads::Condition> wake_;
  Waiting waiting_;
  bool noticed_ = false, stopping_ = false, well_ = true, checked_ = false;
  std::unique_ptr<rt::Threads::Thread> thread_;
};

}  // namespace stint::sim
