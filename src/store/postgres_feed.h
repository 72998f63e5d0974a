#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "database.h"
#include "delivery.h"
#include "postgres_database.h"

namespace stint::store {

// Woken by the notification that each commit sends, and by itself every kPeriod (kPolled, where
// there are none): a notification is a hint, the size of the log is what counts.
class PostgresFeed final : public Feed {
 public:
  static constexpr std::chrono::milliseconds kPeriod{250};
  static constexpr std::chrono::milliseconds kPolled{50};  // where nothing is announced
  static constexpr std::chrono::seconds kSilent{2};        // of many such periods

  PostgresFeed(PostgresDatabase& database, const PostgresTarget& target, Delivery& delivery);
  ~PostgresFeed() override { PostgresFeed::stop(); }
  PostgresFeed(const PostgresFeed&) = delete;

  void start() override;
  bool silent() const override;
  void sync(std::function<void(Status)> done) override;
  void stop() override;

 private:
  using Waiting = std::vector<std::function<void(Status)>>;
  void loop();
  Status round();
  std::chrono::milliseconds period() const;
  bool rest(std::chrono::milliseconds time);  // false: stopped
  Status connect();
  void wake() const;

  PostgresDatabase& database_;
  const PostgresTarget& target_;
  Delivery& delivery_;
  std::unique_ptr<PgSession> listening_;  // the thread's, like the next
  std::unique_ptr<ReadConnection> reading_;
  bool checked_ = false;            // that reading_ shows the same log
  bool well_ = true;                // said once
  std::atomic<MonoTime> answered_;  // when the database did so last; of no time before start()

  const int wake_;  // eventfd
  std::mutex mutex_;
  Waiting waiting_;
  bool following_ = false, stopping_ = false;
  std::mutex stop_mutex_;
  std::thread thread_;
};

}  // namespace stint::store
