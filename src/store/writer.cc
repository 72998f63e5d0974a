#include "writer.h"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <utility>

#include "event_block.h"
#include "log_rows.h"
#include "schema.h"
#include "stint/base/log.h"

namespace stint::store {
namespace {

constexpr Sql kBegin = "BEGIN IMMEDIATE";
constexpr Sql kCommit = "COMMIT";
constexpr Sql kPutBlock = "INSERT INTO event (first, count, leaves, body) VALUES ($1, $2, $3, $4)";
constexpr Sql kPutTask = "INSERT INTO event_task (span, task, first) VALUES ($1, $2, $3)";
constexpr Sql kPutOpened =
    "INSERT INTO event_opened (task, seq) VALUES ($1, $2) ON CONFLICT (task) DO NOTHING";
constexpr Sql kRelease = "RELEASE command";
constexpr Sql kUndo = "ROLLBACK TO command";
constexpr Sql kProbe =
    "INSERT INTO meta (key, value) VALUES ('probe', $1) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value";

constexpr std::size_t kMaxRun = 256;        // calls of record() that are kept in one run
constexpr std::size_t kMaxSpare = 1 << 20;  // bytes of room that are kept for the next

// How often an unwritable store tries by itself whether it can write again.
constexpr std::chrono::milliseconds kProbeEvery{500};

Status step(Connection& connection, Sql sql, std::initializer_list<Param> parameters = {}) {
  Statement* statement = STINT_TRY(connection.prepare(sql));
  STINT_TRY(statement->bind(parameters));
  const int code = sqlite3_step(statement->handle);
  statement->reset();
  if (code != SQLITE_DONE && code != SQLITE_ROW) return fail(connection.error(code));
  return {};
}

}  // namespace

Writer::Writer(Options options, const Clock& clock, std::unique_ptr<Connection> connection,
               Seq size, std::function<void(int)> wal_pages)
    : options_(std::move(options)), clock_(clock), wal_pages_(std::move(wal_pages)), size_(size) {
  adopt(std::move(connection));
}

void Writer::adopt(std::unique_ptr<Connection> connection) {
  connection_ = std::move(connection);
  connection_->watch_writes();
  sqlite3_wal_hook(
      connection_->db(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Writer*>(self)->wal_pages_(pages);
        return SQLITE_OK;
      },
      this);
}

void Writer::start() {
  thread_ = std::thread([this] { loop(); });
}

void Writer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  const std::lock_guard lock(stop_mutex_);
  if (thread_.joinable()) thread_.join();
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
  if (notify) wake_.notify_one();
  return {};
}

Status Writer::record(const EventRun& events) {
  if (events.empty()) return {};
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(Errc::kUnavailable, "store is stopping");
    if (!health_.writable) return fail(*health_.last_error);
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
  if (notify) wake_.notify_one();
  return {};
}

void Writer::observe(Store::Observer observer) {
  auto shared = std::make_shared<const Store::Observer>(std::move(observer));
  const std::lock_guard lock(mutex_);
  observers_.push_back(std::move(shared));
}

Health Writer::health() const {
  const std::lock_guard lock(mutex_);
  Health health = health_;
  health.queued = urgent_ + recorded_;
  return health;
}

void Writer::loop() {
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
      wake_.wait(lock, [this] { return !queue_.empty() || stopping_; });
    } else if (!wake_.wait_for(lock, kProbeEvery,
                               [this] { return !queue_.empty() || stopping_; })) {
      lock.unlock();
      std::optional<Error> error;
      {
        const std::lock_guard gate(gate_);
        error = probe();
      }
      set_health(error);
      lock.lock();
    }
  }
  if (!urgent()) {
    // A disk that refused is not asked again at once.
    wake_.wait_for(lock, health_.writable ? options_.record_flush : kProbeEvery, [&] {
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
  {
    const std::lock_guard gate(gate_);
    error = commit_under_gate(batch, taken);
  }
  if (error) {
    keep_recorded(batch);  // nobody waits for these, and what they tell of has happened
    taken = batch.size();  // none of it is kept, and the rest would meet the same disk
  }

  std::vector<std::shared_ptr<const Store::Observer>> observers;
  {
    const std::lock_guard lock(mutex_);
    observers = observers_;
    if (error) {
      ++health_.failures;
    } else {
      ++health_.commits;
      for (std::size_t i = 0; i < taken; ++i) health_.commands += batch[i].weight;
    }
  }
  set_health(error);
  if (!error && !views_.empty()) {
    for (const auto& observer : observers) (*observer)(views_);
  }
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

std::optional<Error> Writer::commit_under_gate(Batch& batch, std::size_t& taken) {
  if (connection_ == nullptr || !health().writable) {
    if (auto error = probe()) return error;
  }
  connection_->clear_broken();
  events_.start(size());
  if (const Status begun = step(*connection_, kBegin); !begun) return give_up(begun.error());
  const MonoTime until = clock_.mono() + options_.batch_time;
  for (Item& item : batch) {
    run(item);
    ++taken;
    // A full disk or a failing one: SQLite may have rolled everything back already.
    if (connection_->broken() || !connection_->in_transaction()) {
      return give_up(item.error.value_or(Error{Errc::kInternal, "transaction was lost"}));
    }
    if ((!item.command || taken % 16 == 0) && clock_.mono() >= until) break;
  }
  return end_transaction();
}

// Runs one command; item.error says why it was undone.
void Writer::run(Item& item) {
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
  const bool savepoint = connection_->end_command();
  Status ended;
  if (item.error) {
    events_.cut(before);
    if (!connection_->in_transaction()) return;
    if (savepoint) ended = step(*connection_, kUndo);
  }
  if (ended && savepoint) ended = step(*connection_, kRelease);
  if (!ended) {
    // The others' changes cannot be told from this one's any more: lose them all, loudly.
    (void)step(*connection_, "ROLLBACK");
    item.error = ended.error();
  }
}

// The events of the whole batch, by blocks.
Status Writer::write_log(std::span<const EventView> events) {
  std::vector<TaskId> tasks;
  for (const EventBatch::Block& block : events_.blocks()) {
    STINT_TRY(step(*connection_, kPutBlock,
                   {block.first, block.count, Blob{block.leaves}, Blob{block.body}}));
    tasks.clear();
    for (const EventView& e : events.first(block.count)) {
      if (!e.task) continue;
      tasks.push_back(*e.task);
      if (e.kind == kTaskOpened) STINT_TRY(step(*connection_, kPutOpened, {*e.task, e.seq}));
    }
    events = events.subspan(block.count);
    std::ranges::sort(tasks);
    const auto repeated = std::ranges::unique(tasks);
    tasks.erase(repeated.begin(), repeated.end());
    for (const TaskId& task : tasks)
      STINT_TRY(step(*connection_, kPutTask, {block.first >> kSpanBits, task, block.first}));
  }
  return {};
}

std::optional<Error> Writer::end_transaction() {
  views_ = events_.events();
  if (const Status written = write_log(views_); !written) return give_up(written.error());
  if (const Status committed = step(*connection_, kCommit); !committed) {
    return give_up(committed.error());
  }
  size_.store(events_.next(), std::memory_order_release);
  return std::nullopt;
}

// The batch failed: roll back, and keep the connection only when the log stands where it stood.
std::optional<Error> Writer::give_up(Error error) {
  events_.start(size());
  if (connection_ != nullptr && connection_->in_transaction()) {
    (void)step(*connection_, "ROLLBACK");
  }
  connection_ = nullptr;  // its caches and locks are suspect: probe() opens another
  return error;
}

std::optional<Error> Writer::reopen() {
  auto opened = Connection::open(options_.path, options_.vfs, Connection::Use::kWrite);
  if (!opened) return opened.error();
  Reader reader(**opened);
  const auto size = log_size(reader);
  if (reader.error()) return reader.error();
  // A commit that was reported as failed and yet stands would be an event that no observer saw.
  // Nothing can be decided on views that missed it: deny until a restart builds them anew.
  if (size != size_.load()) return Error{Errc::kInternal, "log moved under a failed commit"};
  adopt(*std::move(opened));
  return std::nullopt;
}

// A whole durable transaction of its own: begin, change, commit, fsync.
std::optional<Error> Writer::probe() {
  if (connection_ == nullptr) {
    if (auto error = reopen()) return error;
  }
  connection_->clear_broken();
  if (const Status s = step(*connection_, kBegin); !s) return give_up(s.error());
  {
    EventBatch none;
    Tx tx(*connection_, none);
    tx.run(kProbe, Blob{"1"});
    if (tx.error()) return give_up(*tx.error());
  }
  if (const Status s = step(*connection_, kCommit); !s) return give_up(s.error());
  return std::nullopt;
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
