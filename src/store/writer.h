#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "connection.h"
#include "event_block.h"
#include "fair_mutex.h"
#include "stint/base/clock.h"
#include "stint/store/store.h"

namespace stint::store {

// The one thread that changes the database. See Store for the contract.
class Writer {
 public:
  // `wal_pages` is told the size of the WAL after each commit.
  Writer(Options options, const Clock& clock, std::unique_ptr<Connection> connection, Seq size,
         std::function<void(int)> wal_pages);
  ~Writer() { stop(); }
  Writer(const Writer&) = delete;

  void start();
  void stop();
  // Takes ownership when it succeeds.
  Status enqueue(std::unique_ptr<detail::Command>& command);
  Status record(const EventRun& events);
  void observe(Store::Observer observer);
  Seq size() const { return size_.load(std::memory_order_acquire); }
  Health health() const;

  // Held during each commit. The checkpoint thread takes it to let the WAL start over.
  FairMutex& gate() { return gate_; }

 private:
  // A command, or what was recorded between two of them.
  struct Item {
    std::unique_ptr<detail::Command> command;  // null: recorded events
    EventRun events;
    std::size_t weight = 1;  // calls of record()
    std::optional<Error> error;
  };
  using Batch = std::deque<Item>;

  void loop();
  bool take(Batch& batch);  // false: stopped and drained
  void commit(Batch& batch);
  void keep_recorded(Batch& batch);
  std::optional<Error> commit_under_gate(Batch& batch, std::size_t& taken);
  void run(Item& item);
  Status write_log(std::span<const EventView> events);
  std::optional<Error> end_transaction();
  std::optional<Error> give_up(Error error);
  std::optional<Error> probe();
  std::optional<Error> reopen();
  void adopt(std::unique_ptr<Connection> connection);
  void set_health(std::optional<Error> error);

  const Options options_;
  const Clock& clock_;
  std::unique_ptr<Connection> connection_;  // null after it broke, until reopened
  std::function<void(int)> wal_pages_;
  FairMutex gate_;

  std::atomic<Seq> size_;         // committed
  EventBatch events_;             // of the running batch; the writer thread's
  std::vector<EventView> views_;  // what it committed, borrowed from it

  mutable std::mutex mutex_;  // what follows
  std::condition_variable wake_;
  Batch queue_;
  std::size_t urgent_ = 0;    // queued commands
  std::size_t recorded_ = 0;  // queued calls of record()
  EventRun spare_;            // an empty run that has its room already
  bool stopping_ = false;
  Health health_;
  std::vector<std::shared_ptr<const Store::Observer>> observers_;

  std::mutex stop_mutex_;
  std::thread thread_;
};

}  // namespace stint::store
