#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "database.h"
#include "log_rows.h"
#include "stint/store/store.h"

namespace stint::store {

// Hands committed events to the observers: each event once and in the order of the log, whoever
// committed it. Of a shared database nothing is delivered before there is a follower: what has been
// read by then may be older than what others committed since.
//
// Threads: any. Observers run one at a time, on the thread that delivers.
class Delivery {
 public:
  // `last`: leaf of the last event before `size`; none of an empty log.
  Delivery(Seq size, std::optional<Hash> last, bool shared)
      : size_(size), last_(last), held_(shared) {}
  void observe(Store::Observer observer);
  void follow(Store::Follower follower);

  // Of what was delivered: events before it have been seen.
  Seq size() const { return size_.load(std::memory_order_acquire); }

  // Whether the follower runs on this thread: what it reads, the others wait for.
  bool following() const { return following_.load() == std::this_thread::get_id(); }
  // By a commit of ours that is durable, everything committed before `begun` is known; by the
  // clock of `on`.
  void confirm_by(const Clock* on, std::function<void(MonoTime begun)> confirm);
  MonoTime asking() const;  // the time by that clock; none while nobody follows
  void committed(MonoTime begun);

  // Nobody follows yet: catch_up() does nothing.
  bool held() const;

  // For a session that is new, whose log ends at `end`: whether it is the log that was delivered. A
  // database that went back and grew again has other events at the same places. False: that cannot
  // be told, since more was delivered meanwhile. Errors: kInternal "the database has lost events
  // that were committed", the reader's.
  Result<bool> same_log(Reader& reader, Seq end);

  // What this store's writer committed, and `apply`, which is its effect on views: left out when
  // the follower was told of the events meanwhile, and may have read what came after them.
  void own(std::span<const EventView> events, const std::function<void()>& apply);
  // Everything before `until` that was not delivered yet, which others committed. Errors: the
  // reader's, the follower's; what it stopped at comes again with the next call.
  Status catch_up(Reader& reader, Seq until);

 private:
  void deliver(std::span<const EventView> events);

  std::atomic<Seq> size_;
  std::optional<Hash> last_;  // leaf of the event before it
  mutable std::mutex mutex_;  // held while observers run
  std::vector<std::shared_ptr<const Store::Observer>> observers_;
  Store::Follower follower_;
  const Clock* confirm_clock_ = nullptr;
  std::function<void(MonoTime)> confirm_;
  std::atomic<std::thread::id> following_;
  bool held_;  // shared, and nobody follows yet
};

// One round of a feed: what is committed by now is delivered when this returns. `size` reads the
// log's size. Errors: those of catch_up(); kInternal, the log is shorter than what was delivered.
// `checked`: false for a session that is new, and set once its log is known to be the same.
Status deliver_new(ReadConnection& reading, Sql size, Delivery& delivery, bool& checked);

}  // namespace stint::store
