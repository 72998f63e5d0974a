#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "database.h"
#include "delivery.h"
#include "event_block.h"
#include "stint/base/clock.h"
#include "stint/rt/threads.h"
#include "stint/store/store.h"

namespace stint::store {

// The one thread that changes the database. See Store for the contract.
class Writer {
 public:
  Writer(Options options, const Clock& clock, rt::Threads& threads, Database& database,
         std::unique_ptr<WriteConnection> connection, Delivery& delivery);
  ~Writer() { stop(); }
  Writer(const Writer&) = delete;

  void start();
  void stop();
  // Takes ownership when it succeeds.
  Status enqueue(std::unique_ptr<detail::Command>& command);
  Status record(const EventRun& events, Tells tells);
  Health health() const;

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
  void put_back(Batch& batch);
  void drain();
  std::optional<Error> transact(Batch& batch, std::size_t& taken);
  Result<Seq> begin();
  std::optional<Error> run_all(Batch& batch, std::size_t& taken);
  void run(Item& item);
  std::optional<Error> end_transaction();
  Error undone(Error error, Batch& batch, std::size_t& taken);
  std::optional<Error> settle(Error error, Batch& batch, std::size_t& taken);
  std::optional<Error> reconsider(Batch& newer);
  Status resolve(Seq end);
  std::optional<Error> give_up(Error error);
  std::optional<Error> probe();
  void set_health(std::optional<Error> error);

  const Options options_;
  const Clock& clock_;
  rt::Threads& threads_;
  Database& database_;
  std::unique_ptr<WriteConnection> connection_;  // null after it broke, until reopened
  bool checked_ = true;                          // that it shows the log that was delivered
  Delivery& delivery_;

  EventBatch events_;  // of the running batch; the writer thread's
  MonoTime begun_;     // before the last transaction, by the clock of whoever is confirmed
  std::vector<EventView> views_;  // what it committed, borrowed from it

  // A batch that may have been committed: known by its leaves. The writer thread's.
  struct Doubt {
    Seq first;
    std::vector<Hash> leaves;
    Batch recorded;  // its recorded events, once its commands have been answered
  };
  std::optional<Doubt> doubt_;
  bool settled_ = false;  // of the last doubt: it was committed
  Batch recovered_;       // of it, when it was not: what it had recorded

  mutable std::mutex mutex_;  // what follows
  const std::unique_ptr<rt::Threads::Condition> wake_;
  Batch queue_;
  std::size_t urgent_ = 0;    // queued commands
  std::size_t recorded_ = 0;  // queued calls of record()
  EventRun spare_;            // an empty run that has its room already
  bool stopping_ = false;
  Health health_;

  std::mutex stop_mutex_;
  std::unique_ptr<rt::Threads::Thread> thread_;
};

}  // namespace stint::store
