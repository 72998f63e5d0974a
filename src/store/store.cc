#include "stint/store/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "connection.h"
#include "log_rows.h"
#include "schema.h"
#include "stint/base/log.h"
#include "writer.h"

namespace stint::store {
namespace {

constexpr std::size_t kMaxEvents = 10'000;
constexpr std::size_t kMaxEventPage = 16 << 20;  // bytes

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

// Closes on destruction; -1 is none.
class File {
 public:
  explicit File(int fd = -1) : fd_(fd) {}
  File(File&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  File& operator=(File&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// The writer keeps the log's size in memory, so a second process must not write.
Result<File> lock_process(const std::string& path) {
  File file(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.fd() < 0) return fail(Errc::kIo, "lock file of the database cannot be opened");
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::kUnavailable, "another process has the database open");
  }
  return file;
}

Status create_private(const std::string& path) {
  const File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.fd() >= 0) return {};
  if (errno == EROFS || errno == EACCES) return fail(Errc::kReadOnly, "database is read-only");
  return fail(Errc::kIo, "database cannot be opened");
}

Result<std::int64_t> number(Connection& connection, Sql sql) {
  Reader reader(connection);
  const auto value = reader.one<std::int64_t>(sql);
  if (reader.error()) return fail(*reader.error());
  return value.value_or(0);
}

Status run_migration(Connection& connection, std::size_t version) {
  const std::string sql = "BEGIN IMMEDIATE;" + std::string(migrations()[version]) +
                          "PRAGMA application_id = " + std::to_string(kApplicationId) +
                          "; PRAGMA user_version = " + std::to_string(version + 1) + "; COMMIT;";
  if (const Status s = connection.exec(sql.c_str()); !s) {
    if (connection.in_transaction()) (void)connection.exec("ROLLBACK");
    return s;
  }
  return {};
}

Status migrate(Connection& connection) {
  const std::int64_t application = STINT_TRY(number(connection, "PRAGMA application_id"));
  const std::int64_t version = STINT_TRY(number(connection, "PRAGMA user_version"));
  const std::int64_t tables = STINT_TRY(number(connection, "SELECT count(*) FROM sqlite_schema"));
  if (application == kEarlyApplicationId) {
    return fail(Errc::kUnsupported, "database of a build before the first release");
  }
  if (application != kApplicationId && (application != 0 || version != 0 || tables != 0)) {
    return fail(Errc::kUnsupported, "not a Stint database");
  }
  const auto known = static_cast<std::int64_t>(migrations().size());
  if (version > known) return fail(Errc::kUnsupported, "database of a newer version");
  for (std::int64_t v = version; v < known; ++v) {
    STINT_TRY(run_migration(connection, static_cast<std::size_t>(v)));
    if (version > 0) log::info("database migrated", {{"version", v + 1}});  // and not made
  }
  return {};
}

}  // namespace

class Store::Impl {
 public:
  Impl(Options options, const Clock& clock, File lock, std::unique_ptr<Connection> connection,
       Seq size)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        writer_(options_, clock, std::move(connection), size,
                [this](int pages) { wal_grew(pages); }) {}
  ~Impl() { stop(); }

  Status start() {
    for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.readers); ++i) {
      free_.push_back(
          STINT_TRY(Connection::open(options_.path, options_.vfs, Connection::Use::kRead)));
    }
    checkpoint_ =
        STINT_TRY(Connection::open(options_.path, options_.vfs, Connection::Use::kCheckpoint));
    checkpointer_ = std::thread([this] { checkpoint_loop(); });
    writer_.start();
    return {};
  }

  void stop() {
    writer_.stop();
    {
      const std::lock_guard lock(checkpoint_mutex_);
      stopping_ = true;
    }
    checkpoint_wake_.notify_all();
    const std::lock_guard lock(stop_mutex_);
    if (checkpointer_.joinable()) checkpointer_.join();
  }

  Status with_reader(const std::function<void(Reader&)>& f) {
    std::unique_ptr<Connection> connection;
    {
      std::unique_lock lock(free_mutex_);
      free_wake_.wait(lock, [this] { return !free_.empty(); });
      connection = std::move(free_.back());
      free_.pop_back();
    }
    const Status status = read_on(*connection, f);
    {
      const std::lock_guard lock(free_mutex_);
      free_.push_back(std::move(connection));
    }
    free_wake_.notify_one();
    return status;
  }

  Health health() const {
    Health health = writer_.health();
    health.wal_bytes = static_cast<std::size_t>(wal_pages_.load()) * kPageBytes;
    return health;
  }

  Writer& writer() { return writer_; }

 private:
  static Status read_on(Connection& connection, const std::function<void(Reader&)>& f) {
    Reader reader(connection);
    reader.one<std::int64_t>("BEGIN");
    if (!reader.error()) {
      try {
        f(reader);
      } catch (...) {
        reader.fail(Error{Errc::kInternal, "read threw"});
      }
    }
    if (connection.in_transaction()) {
      Reader end(connection);
      end.one<std::int64_t>("ROLLBACK");
      if (end.error()) reader.fail(*end.error());
    }
    if (reader.error()) return fail(*reader.error());
    return {};
  }

  void wal_grew(int pages) {
    wal_pages_.store(pages, std::memory_order_relaxed);
    // Counted from the last copy: a copy for each commit would be an fsync for each.
    int from = copied_pages_.load(std::memory_order_relaxed);
    if (pages < from) copied_pages_.store(from = 0, std::memory_order_relaxed);  // started over
    if (static_cast<std::size_t>(pages - from) * kPageBytes < options_.checkpoint_bytes) return;
    {
      const std::lock_guard lock(checkpoint_mutex_);
      due_ = true;
    }
    checkpoint_wake_.notify_one();
  }

  // PASSIVE never waits for the writer nor makes it wait. But under steady load it never reaches
  // the end of the WAL, which then grows for ever: past four times the threshold the rest, a
  // moment's work by then, is copied while the writer stands at its gate, and the WAL starts over.
  void checkpoint_loop() {
    std::unique_lock lock(checkpoint_mutex_);
    while (true) {
      checkpoint_wake_.wait(lock, [this] { return due_ || stopping_; });
      if (stopping_) return;
      due_ = false;
      lock.unlock();
      int pages = copy_wal();
      if (static_cast<std::size_t>(pages) * kPageBytes > 4 * options_.checkpoint_bytes) {
        const std::lock_guard gate(writer_.gate());
        pages = copy_wal();
      }
      lock.lock();
    }
  }

  int copy_wal() {
    int pages = 0;
    int copied = 0;
    const int code = sqlite3_wal_checkpoint_v2(checkpoint_->db(), nullptr,
                                               SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    // Nothing is lost: the WAL holds all of it, and the next commit asks again.
    const bool failed = code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY;
    if (failed && !checkpoint_failed_) {
      log::warning("checkpoint failed", {{"why", checkpoint_->error(code).reason}});
    }
    checkpoint_failed_ = failed;
    if (!failed) copied_pages_.store(std::max(copied, 0), std::memory_order_relaxed);
    return std::max(pages, 0);
  }

  const Options options_;
  File lock_;
  std::mutex free_mutex_;
  std::condition_variable free_wake_;
  std::vector<std::unique_ptr<Connection>> free_;

  std::unique_ptr<Connection> checkpoint_;
  std::mutex checkpoint_mutex_;
  std::condition_variable checkpoint_wake_;
  bool due_ = false, stopping_ = false;
  bool checkpoint_failed_ = false;  // the checkpoint thread's: said once
  std::atomic<int> wal_pages_{0};
  std::atomic<int> copied_pages_{0};  // of the WAL, at the last copy
  Writer writer_;
  std::mutex stop_mutex_;
  std::thread checkpointer_;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(Options options, const Clock& clock) {
  File lock = STINT_TRY(lock_process(options.path));
  STINT_TRY(create_private(options.path));
  auto connection = STINT_TRY(Connection::open(options.path, options.vfs, Connection::Use::kWrite));
  STINT_TRY(migrate(*connection));
  Reader reader(*connection);
  const Seq size = log_size(reader);
  if (reader.error()) return fail(*reader.error());
  auto impl = std::make_unique<Impl>(std::move(options), clock, std::move(lock),
                                     std::move(connection), size);
  STINT_TRY(impl->start());
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

void Store::enqueue(std::unique_ptr<detail::Command> command) {
  if (const Status s = impl_->writer().enqueue(command); !s) command->done(s.error());
}

Status Store::record(const EventRun& events) { return impl_->writer().record(events); }

Status Store::with_reader(const std::function<void(Reader&)>& f) { return impl_->with_reader(f); }
void Store::observe(Observer observer) { impl_->writer().observe(std::move(observer)); }
Seq Store::size() const { return impl_->writer().size(); }
Health Store::health() const { return impl_->health(); }
void Store::stop() { impl_->stop(); }

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
