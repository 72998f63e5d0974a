#include "writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "event_block.h"
#include "log_rows.h"
#include "schema.h"
#include "stint/base/log.h"

namespace stint::store {
namespace {

constexpr std::size_t kMaxRun = 256;        // calls of record() that are kept in one run
constexpr std::size_t kMaxSpare = 1 << 20;  // bytes of room that are kept for the next

// How often an unwritable store tries by itself whether it can write again.
constexpr std::chrono::milliseconds kProbeEvery{500};

// An event that is not delivered yet, and no more of them than this, is read while the other
// writers wait; a longer backlog before.
constexpr Seq kFewEvents = 256;
constexpr int kRuns = 5;  // of a batch whose transaction met another's

}  // namespace

Writer::Writer(Options options, const Clock& clock, rt::Threads& threads, Database& database,
               std::unique_ptr<WriteConnection> connection, Delivery& delivery)
    : options_(std::move(options)),
      clock_(clock),
      threads_(threads),
      database_(database),
      connection_(std::move(connection)),
      delivery_(delivery),
      wake_(threads.condition()) {}

void Writer::start() {
  thread_ = threads_.start([this] { loop(); });
}

void Writer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_->notify_all();
  const std::lock_guard lock(stop_mutex_);
  if (const auto thread = std::move(thread_)) thread->join();
}

Status Writer::enqueue(std::unique_ptr<detail::Command>& command) {
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(Errc::kUnavailable, "store is stopping");
    if (urgent_ + recorded_ >= options_.max_queue)
      return fail(Errc::kUnavailable, "store queue is full");
    notify = urgent_ == 0;
    ++urgent_;
    queue_.push_back({.command = std::move(command), .events = {}, .error = {}});
  }
  if (notify) wake_->notify_all();
  return {};
}

Status Writer::record(const EventRun& events, Tells tells) {
  if (events.empty()) return {};
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(Errc::kUnavailable, "store is stopping");
    if (!health_.writable && tells == Tells::kWhatWillHappen) return fail(*health_.last_error);
    if (recorded_ >= options_.max_recorded || urgent_ + recorded_ >= options_.max_queue)
      return fail(Errc::kUnavailable, "store queue is full");
    // The first starts the writer's timer; a full batch need not wait for it.
    notify = queue_.empty() || recorded_ + 1 == options_.max_batch;
    ++recorded_;
    if (!queue_.empty() && !queue_.back().command && queue_.back().weight < kMaxRun) {
      queue_.back().events.add(events);
      ++queue_.back().weight;
    } else {
      queue_.push_back({.command = nullptr, .events = std::exchange(spare_, {}), .error = {}});
      queue_.back().events.add(events);
    }
  }
  if (notify) wake_->notify_all();
  return {};
}

Health Writer::health() const {
  const std::lock_guard lock(mutex_);
  Health health = health_;
  health.queued = urgent_ + recorded_;
  return health;
}

void Writer::loop() {
  drain();
  if (!doubt_) return;
  Batch none;
  (void)reconsider(none);  // the last chance to learn of it
  if (!doubt_) return drain();
  std::size_t lost = 0;
  for (const Item& item : doubt_->recorded) lost += item.events.count();
  if (lost > 0)
    log::error("events may be lost: the store stops and cannot find out what was committed",
               {{"events", lost}});
}

void Writer::drain() {
  Batch batch;
  while (take(batch)) {
    while (!batch.empty()) commit(batch);
  }
}

bool Writer::take(Batch& batch) {
  std::unique_lock lock(mutex_);
  const auto urgent = [this] { return urgent_ > 0 || stopping_; };
  while (queue_.empty() && !stopping_) {
    if (health_.writable) {
      wake_->wait(lock, [this] { return !queue_.empty() || stopping_; });
    } else if (!wake_->wait_for(lock, kProbeEvery,
                                [this] { return !queue_.empty() || stopping_; })) {
      lock.unlock();
      Batch none;
      set_health(reconsider(none));
      lock.lock();
    }
  }
  if (!urgent()) {
    // A disk that refused is not asked again at once.
    wake_->wait_for(lock, health_.writable ? options_.record_flush : kProbeEvery, [&] {
      return urgent() || (health_.writable && recorded_ >= options_.max_batch);
    });
  }
  if (queue_.empty()) return false;
  for (std::size_t taken = 0; !queue_.empty() && taken < options_.max_batch;) {
    Item& item = queue_.front();
    taken += item.weight;
    (item.command ? urgent_ : recorded_) -= item.weight;
    batch.push_back(std::move(item));
    queue_.pop_front();
  }
  return true;
}

// Commits a prefix of the batch and takes it off: fewer than all when the time is up.
void Writer::commit(Batch& batch) {
  std::size_t taken = 0;
  std::optional<Error> error;
  if (doubt_) {  // of an older batch: what it recorded may come back, and is written before this
    error = reconsider(batch);
    if (batch.empty()) return set_health(error);
  } else {
    error = transact(batch, taken);
  }
  if (error)
    error = doubt_ && taken > 0 ? settle(*error, batch, taken) : undone(*error, batch, taken);
  {
    const std::lock_guard lock(mutex_);
    if (error) {
      ++health_.failures;
    } else {
      ++health_.commits;
      for (std::size_t i = 0; i < taken; ++i) health_.commands += batch[i].weight;
    }
  }
  set_health(error);
  if (!error)
    delivery_.own(views_, [&] {
      for (std::size_t i = 0; i < taken; ++i)
        if (batch[i].command && !batch[i].error) batch[i].command->applied();
    });
  // Under load commands wait in line, and so does one that only asks; this commit says as much.
  if (!error) delivery_.committed(begun_);
  for (std::size_t i = 0; i < taken; ++i) {
    Item item = std::move(batch.front());
    batch.pop_front();
    if (item.command) {
      item.command->done(error ? error : item.error);
    } else {
      item.events.clear();
      if (item.events.body().capacity() > kMaxSpare) continue;
      const std::lock_guard lock(mutex_);
      spare_ = std::move(item.events);
    }
  }
}

// None of the batch is kept, and what is left of it would meet the same.
Error Writer::undone(Error error, Batch& batch, std::size_t& taken) {
  keep_recorded(batch);  // nobody waits for these, and what they tell of has happened
  taken = batch.size();
  return error;
}

// Puts the recorded events of a batch that failed back where they were, before all others.
void Writer::keep_recorded(Batch& batch) {
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    std::size_t lost = 0;
    for (const Item& item : batch) lost += item.command ? 0 : item.events.count();
    if (lost > 0)
      log::error("events are lost: the store stops and cannot commit", {{"events", lost}});
    return;
  }
  for (auto at = batch.end(); at != batch.begin();) {
    --at;
    if (at->command) continue;
    recorded_ += at->weight;
    queue_.push_front(std::move(*at));
    at = batch.erase(at);
  }
}

// Before all others.
void Writer::put_back(Batch& batch) {
  const std::lock_guard lock(mutex_);
  while (!batch.empty()) {
    Item& item = batch.back();
    (item.command ? urgent_ : recorded_) += item.weight;
    queue_.push_front(std::move(item));
    batch.pop_back();
  }
}

std::optional<Error> Writer::transact(Batch& batch, std::size_t& taken) {
  if (connection_ == nullptr || !health().writable) {
    if (auto error = probe()) return error;
  }
  for (int run = 1;; ++run) {
    taken = 0;
    Result<Seq> first = begin();
    // The connection died while nobody used it, with its server say: nothing was asked of it yet.
    if (!first && connection_ != nullptr && connection_->stale()) {
      (void)give_up(first.error());
      first = begin();
    }
    auto error = first ? std::nullopt : std::optional(first.error());
    if (!error) {
      events_.start(*first);
      error = run_all(batch, taken);
    }
    if (!error) error = end_transaction();
    if (!error) return std::nullopt;
    // Met by another's transaction: none of it stands, and all of it runs again.
    if (connection_ == nullptr || !connection_->may_retry() || run == kRuns) return give_up(*error);
    connection_->abandon();
  }
}

// Everything that others committed before is delivered when this returns.
Result<Seq> Writer::begin() {
  if (connection_ == nullptr) {
    connection_ = STINT_TRY(database_.open_writer());
    checked_ = false;
  }
  while (true) {
    begun_ = delivery_.asking();
    const Seq end = STINT_TRY(connection_->begin());
    if (Reader reader(*connection_); !checked_ && end >= delivery_.size())
      checked_ = STINT_TRY(delivery_.same_log(reader, end));
    if (doubt_) STINT_TRY(resolve(end));
    const Seq seen = delivery_.size();
    if (end == seen || (end > seen && delivery_.held())) return end;
    // Views hold what is not there any more: nothing can be decided on them. Deny until a restart
    // builds them anew.
    if (end < seen)
      return fail(Errc::kInternal, "the database has lost events that were committed");
    // A commit that was reported as failed and yet stands: an event that no observer saw.
    if (!database_.shared()) return fail(Errc::kInternal, "log moved under a failed commit");
    if (end - seen <= kFewEvents) {
      Reader reader(*connection_);
      STINT_TRY(delivery_.catch_up(reader, end));
      return end;
    }
    connection_->abandon();
    const auto reading = STINT_TRY(database_.open_reader());
    STINT_TRY(reading->begin());
    Reader reader(*reading);
    STINT_TRY(delivery_.catch_up(reader, end));
    STINT_TRY(reading->end());
  }
}

std::optional<Error> Writer::run_all(Batch& batch, std::size_t& taken) {
  const MonoTime until = clock_.mono() + options_.batch_time;
  for (Item& item : batch) {
    run(item);
    ++taken;
    // A full disk or a failing one: the database may have rolled everything back already.
    if (connection_->lost())
      return item.error.value_or(Error{Errc::kInternal, "transaction was lost"});
    if ((!item.command || taken % 16 == 0) && clock_.mono() >= until) break;
  }
  return std::nullopt;
}

// Runs one command; item.error says why it was undone.
void Writer::run(Item& item) {
  item.error.reset();
  if (!item.command) return events_.append(item.events);
  const std::size_t before = events_.count();
  connection_->begin_command();
  {
    Tx tx(*connection_, events_);
    try {
      const Status status = item.command->run(tx);
      // The command's own refusal says more than what its half-done changes lack.
      item.error = tx.error();
      if (!item.error && !status) item.error = status.error();
      if (!item.error) item.error = tx.verdict();
    } catch (...) {
      item.error = Error{Errc::kInternal, "command threw"};
    }
  }
  if (item.error) events_.cut(before);
  if (connection_->lost()) return;
  if (const Status ended = connection_->end_command(!item.error); !ended) {
    // The others' changes cannot be told from this one's any more: lose them all, loudly.
    connection_->abandon();
    item.error = ended.error();
  }
}

std::optional<Error> Writer::end_transaction() {
  views_ = events_.events();
  if (const Status written = connection_->write_log(events_, views_); !written)
    return written.error();
  const Status committed = connection_->commit();
  if (committed) return std::nullopt;
  if (connection_->in_doubt()) {
    doubt_ = Doubt{.first = events_.next() - events_.count(), .leaves = {}, .recorded = {}};
    for (const EventView& e : views_) doubt_->leaves.push_back(e.leaf);
  }
  return committed.error();
}

// The batch failed: roll back, and open another connection before the next.
std::optional<Error> Writer::give_up(Error error) {
  if (connection_ != nullptr) connection_->abandon();
  connection_ = nullptr;  // its caches and locks are suspect
  return error;
}

void Writer::set_health(std::optional<Error> error) {
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = health_.writable == error.has_value();
    health_.writable = !error;
    if (error) health_.last_error = error;
  }
  if (!changed) return;
  if (error) {
    log::error("store cannot commit", {{"code", error->code}, {"why", error->reason}});
  } else {
    log::info("store can commit again");
  }
}

}  // namespace stint::store
