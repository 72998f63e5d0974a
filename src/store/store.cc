#include "stint/store/store.h"

#include <atomic>
#include <mutex>

#include "delivery.h"
#include "log_rows.h"
#include "open_on.h"
#include "postgres_database.h"
#include "schema.h"
#include "sqlite_database.h"
#include "stint/base/log.h"
#include "writer.h"

namespace stint::store {
namespace {

constexpr std::chrono::seconds kLongestWait{3};  // for a connection to read with
constexpr std::size_t kMaxEvents = 10'000;
constexpr std::size_t kMaxEventPage = 16 << 20;  // bytes

constexpr Error kSilent{Errc::kUnavailable, "the database does not answer"};

// Events read so far, up to a limit.
class Page {
 public:
  explicit Page(std::size_t limit) : limit_(std::min(limit, kMaxEvents)) {}
  bool full() const { return out_.size() >= limit_ || bytes_ >= kMaxEventPage; }
  bool take(const EventView& e) {
    if (full()) return false;
    bytes_ += e.bytes.size();
    out_.push_back(e.stored());
    return !full();
  }
  std::vector<StoredEvent> out() && { return std::move(out_); }

 private:
  std::size_t limit_, bytes_ = 0;
  std::vector<StoredEvent> out_;
};

// Read connections, opened as they are needed and kept.
class Readers {
 public:
  Readers(Database& database, rt::Threads& threads, std::size_t most)
      : database_(database),
        returned_(threads.condition()),
        left_(std::max<std::size_t>(1, most)) {}

  // Errors: the database's; kUnavailable, all are taken and stay so.
  Result<std::unique_ptr<ReadConnection>> take() {
    {
      std::unique_lock lock(mutex_);
      if (!returned_->wait_for(lock, kLongestWait, [this] { return !free_.empty() || left_ > 0; }))
        return stint::fail(Errc::kUnavailable, "too many wait for the database");
      if (!free_.empty()) {
        auto connection = std::move(free_.back());
        free_.pop_back();
        return connection;
      }
      --left_;
    }
    auto opened = database_.open_reader();
    if (!opened) give_back(nullptr);
    return opened;
  }
  void give_back(std::unique_ptr<ReadConnection> connection) {
    {
      const std::lock_guard lock(mutex_);
      if (connection != nullptr && connection->usable()) {
        free_.push_back(std::move(connection));
      } else {
        ++left_;
      }
    }
    returned_->notify_all();
  }

 private:
  Database& database_;
  std::mutex mutex_;
  const std::unique_ptr<rt::Threads::Condition> returned_;
  std::size_t left_;  // may be opened still
  std::vector<std::unique_ptr<ReadConnection>> free_;
};

Status read_on(ReadConnection& connection, const std::function<void(Reader&)>& f) {
  STINT_TRY(connection.begin());
  Reader reader(connection);
  try {
    f(reader);
  } catch (...) {
    reader.fail(Error{Errc::kInternal, "read threw"});
  }
  if (const Status ended = connection.end(); !ended) reader.fail(ended.error());
  if (reader.error()) return fail(*reader.error());
  return {};
}

Result<std::unique_ptr<Database>> open_database(const Options& options, const Clock& clock) {
  if (options.postgres)
    return STINT_TRY(PostgresDatabase::open(*options.postgres, options.alone, clock));
  return SqliteDatabase::open(options);
}

}  // namespace

class Store::Impl {
 public:
  Impl(Options options, const Clock& clock, rt::Threads& threads_in,
       std::unique_ptr<Database> database_in, std::unique_ptr<WriteConnection> connection, Seq size,
       std::optional<Hash> last)
      : threads(threads_in),
        database(std::move(database_in)),
        delivery(size, last, database->shared()),
        feed(database->make_feed(delivery)),
        readers(*database, threads, options.readers),
        followers(*database, threads, 1),
        writer(std::move(options), clock, threads, *database, std::move(connection), delivery) {}

  rt::Threads& threads;
  const std::unique_ptr<Database> database;
  Delivery delivery;
  const std::unique_ptr<Feed> feed;  // of a shared database
  Readers readers, followers;        // one is the follower's, whoever reads
  Writer writer;
  std::atomic<bool> serving = false;  // somebody follows: what was to be read at length was read
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() { stop(); }

Result<std::unique_ptr<Store>> Store::open(Options options, const Clock& clock) {
  auto database = STINT_TRY(open_database(options, clock));
  return OpenOn::database(std::move(database), std::move(options), clock, rt::os_threads());
}

Result<std::unique_ptr<Store>> OpenOn::database(std::unique_ptr<Database> database, Options options,
                                                const Clock& clock, rt::Threads& threads) {
  auto connection = STINT_TRY(database->open_writer());
  Seq size = 0;
  std::optional<Hash> last;
  {
    const auto reading = STINT_TRY(database->open_reader());
    STINT_TRY(read_on(*reading, [&](Reader& reader) {
      size = log_size(reader);
      if (size == 0) return;
      read_leaves(reader, size - 1, [&](const Hash& leaf) {
        last = leaf;
        return false;
      });
    }));
  }
  auto impl = std::make_unique<Store::Impl>(std::move(options), clock, threads, std::move(database),
                                            std::move(connection), size, last);
  impl->writer.start();
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

void Store::enqueue(std::unique_ptr<detail::Command> command) {
  if (const Status s = impl_->writer.enqueue(command); !s) command->done(s.error());
}

void Store::wait_until(const std::function<void(std::function<void()>)>& start) {
  std::mutex mutex;
  const auto changed = impl_->threads.condition();
  bool finished = false;
  start([&] {
    const std::lock_guard lock(mutex);  // to the end: whoever waits takes all of this away
    finished = true;
    changed->notify_all();
  });
  std::unique_lock lock(mutex);
  changed->wait(lock, [&] { return finished; });
}

Status Store::record(const EventRun& events, Tells tells) {
  return impl_->writer.record(events, tells);
}

Status Store::with_reader(const std::function<void(Reader&)>& f) {
  // Whoever asks may hold up a loop that others wait for. The follower runs while the database
  // answers, and everybody waits for it.
  const bool follows = impl_->delivery.following();
  if (!follows && impl_->feed && impl_->feed->silent()) return fail(kSilent);
  Readers& readers = follows ? impl_->followers : impl_->readers;
  auto connection = STINT_TRY(readers.take());
  if (impl_->serving.load(std::memory_order_relaxed)) connection->be_prompt();
  const Status status = read_on(*connection, f);
  readers.give_back(std::move(connection));
  return status;
}

void Store::observe(Observer observer) { impl_->delivery.observe(std::move(observer)); }
void Store::follow(Follower follower) {
  impl_->delivery.follow(std::move(follower));
  impl_->serving = true;
  if (impl_->feed) impl_->feed->start();
}

void Store::confirm_by(const Clock& on, std::function<void(MonoTime begun)> confirm) {
  impl_->delivery.confirm_by(&on, std::move(confirm));
}

void Store::unfollow() {
  impl_->delivery.confirm_by(nullptr, nullptr);
  impl_->delivery.follow([](std::span<const EventView>) -> Status {
    return fail(Errc::kUnavailable, "nobody follows any more");
  });
}

void Store::sync(std::function<void(Status)> done) {
  if (impl_->feed && impl_->feed->silent()) return done(fail(kSilent));
  if (impl_->feed) return impl_->feed->sync(std::move(done));
  submit([](Tx& tx) { tx.no_event(); }, std::move(done));
}

bool Store::shared() const { return impl_->database->shared(); }
bool Store::alone() const { return impl_->database->alone(); }
Seq Store::size() const { return impl_->delivery.size(); }
void Store::stop() {
  impl_->writer.stop();
  if (impl_->feed) impl_->feed->stop();
}

Health Store::health() const {
  Health health = impl_->writer.health();
  health.wal_bytes = impl_->database->wal_bytes();
  return health;
}

Result<std::vector<StoredEvent>> Store::events(Seq from, std::size_t limit) {
  return read([&](Reader& reader) {
    Page page(limit);
    read_blocks(reader, from, [&](const BlockRow& block) {
      block.each(reader, [&](const EventView& e) { return e.seq < from || page.take(e); });
      return !page.full();
    });
    return std::move(page).out();
  });
}

Result<std::vector<StoredEvent>> Store::task_events(TaskId task, Seq from, std::size_t limit) {
  return read([&](Reader& reader) {
    Page page(limit);
    // Nothing is said of a task before it was opened; what was never opened is looked for
    // everywhere.
    from = std::max(from, task_opened_at(reader, task).value_or(0));
    const Seq size = log_size(reader);
    // A block stands in the span of its first event, which may be the one before.
    const Seq earliest = from - std::min<Seq>(from, kBlockEvents);
    for (Seq span = earliest >> kSpanBits; span << kSpanBits < size; ++span) {
      if (reader.error() || page.full()) break;
      read_blocks_of(reader, task, span, [&](const BlockRow& block) {
        block.each(reader, [&](const EventView& e) {
          return e.seq < from || e.task != task || page.take(e);
        });
        return !page.full();
      });
    }
    return std::move(page).out();
  });
}

}  // namespace stint::store
