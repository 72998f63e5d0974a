#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/base/secret.h"
#include "stint/rt/callback.h"
#include "stint/store/event.h"
#include "stint/store/tx.h"

namespace stint::store {

// A database that several nodes share. Passwords are no part of the URL.
struct PostgresOptions {
  // postgres://USER@HOST[:PORT][,HOST…]/DATABASE[?sslmode=…&sslrootcert=…&…], as libpq reads it. To
  // a host that is not this machine: sslmode verify-full, which is also the default.
  std::string url;
  std::shared_ptr<const Secret> password;  // null: as libpq finds one (PGPASSFILE), or none
};

struct Options {
  std::string path;                            // of the database file; made 0600 when absent
  std::optional<PostgresOptions> postgres;     // instead of a file
  std::size_t max_queue = 16'384;              // commands waiting; beyond: kUnavailable
  std::size_t max_recorded = 16'384;           // of these, calls of record()
  std::size_t max_batch = 1'024;               // commands and calls of record() in one commit;
                                               // the last run of calls may be 255 more
  std::chrono::milliseconds batch_time{5};     // a commit takes no further command after this
  std::chrono::milliseconds record_flush{20};  // recorded events wait at most so long
  std::size_t readers = 4;                     // read connections
  std::size_t checkpoint_bytes = 4 << 20;      // of WAL before the checkpoint thread copies it
  std::string vfs;                             // SQLite VFS name; empty: the default
  // For a tool that changes what nodes keep in memory: the store that is there, while no other
  // process has it open, nor can until this one closes it. A file never has two.
  bool alone = false;
};

// What recorded events tell of. What has happened is kept while the store cannot commit.
enum class Tells : std::uint8_t { kWhatWillHappen, kWhatHappened };

// Health of the write side. `writable` false: every write is refused with `last_error` until a
// probe transaction succeeds; each later batch tries one.
struct Health {
  bool writable = true;
  std::optional<Error> last_error;
  std::size_t queued = 0;
  std::uint64_t commits = 0;   // transactions
  std::uint64_t commands = 0;  // commands acknowledged
  std::uint64_t failures = 0;  // batches that could not be committed
  std::size_t wal_bytes = 0;
};

namespace detail {

// One queued command, type-erased.
class Command {
 public:
  virtual ~Command() = default;
  virtual Status run(Tx& tx) = 0;       // inside its savepoint
  virtual void applied() noexcept = 0;  // committed, in the order of the log
  virtual void done(const std::optional<Error>& error) noexcept = 0;  // after commit or refusal
};

template <class R>
struct Unwrap {
  using type = R;
};
template <class T>
struct Unwrap<Result<T>> {
  using type = T;
};
template <class F, class Over>
using ValueOf = typename Unwrap<std::invoke_result_t<F&, Over&>>::type;

template <class T, class F, class Over>
Result<T> call(F& f, Over& over) {
  if constexpr (std::is_same_v<std::invoke_result_t<F&, Over&>, Result<T>>) {
    return f(over);
  } else if constexpr (std::is_void_v<T>) {
    f(over);
    return {};
  } else {
    return f(over);
  }
}

struct Nothing {
  void operator()() const {}
};

template <class T, class F, class Done, class Applied>
class CommandOf final : public Command {
 public:
  CommandOf(F f, Done done, Applied applied)
      : f_(std::move(f)), done_(std::move(done)), applied_(std::move(applied)) {}
  Status run(Tx& tx) override {
    result_ = call<T>(f_, tx);
    if (!*result_) return fail(result_->error());
    return {};
  }
  void applied() noexcept override { applied_(); }
  void done(const std::optional<Error>& error) noexcept override {
    if (error) return done_(Result<T>(fail(*error)));
    done_(std::move(*result_));
  }

 private:
  F f_;
  Done done_;
  Applied applied_;
  std::optional<Result<T>> result_;
};

}  // namespace detail

// The embedded store: one SQLite database (WAL, synchronous=FULL) with one writer thread that
// commits many commands at a time (group commit), and a pool of read connections.
//
// A command is a function `Result<T>(Tx&)` (or `T(Tx&)`). It runs on the writer thread, in a
// savepoint of its own; in a shared database once more when its transaction met another's, so what
// it changes outside of its Tx must not add up: if it returns an error, or its Tx holds one, its
// changes and events are undone and nobody else's are. Commands run in the order of their
// submission. After the commit has reached the disk: observers see the new events, then the
// completions run, in order. If the commit fails, no command of the batch is acknowledged and none
// of their changes is kept.
//
// Threads:   all public methods from any thread. Commands, observers and completions run on the
//            writer thread: they must not block, nor call write_sync().
// Ownership: the Store owns the functions until they ran; what they borrow must live until the
//            completion. Destroying the Store finishes what is queued first.
// Errors:    the command's own; kUnavailable (queue full, busy, stopping; "it is not known yet
//            whether this was committed": the shared database was lost in the middle of a commit),
//            kStorageFull, kIo, kReadOnly, kInternal (a bug: bad SQL, state changed with no event).
//            Never throws.
// Closed:    after a failed commit every write is refused until a probe transaction succeeded.
class Store {
 public:
  // Opens or creates, takes the process lock, migrates. Errors: kReadOnly, kIo, kUnsupported (made
  // by a newer version, or not a Stint database), kUnavailable (another process has it open, or a
  // shared one for itself); with Options::alone also kNotFound "there is no store", kUnsupported
  // "the database has no locks: it cannot be known that no node has it open".
  static Result<std::unique_ptr<Store>> open(Options options, const Clock& clock);
  ~Store();
  Store(const Store&) = delete;

  // `done` is called once with Result<T>: on the writer thread, or at once on this one when the
  // queue refuses the command.
  //
  // `applied` is for whoever keeps a view of rows: called on the writer thread when the command was
  // committed, after everything that came before it in the log has been told of and before anything
  // that came after; not at all when the follower has been told of it already (see follow()).
  template <class F, class Done, class Applied = detail::Nothing>
  void submit(F f, Done done, Applied applied = {}) {
    using T = detail::ValueOf<F, Tx>;
    enqueue(std::make_unique<detail::CommandOf<T, F, Done, Applied>>(std::move(f), std::move(done),
                                                                     std::move(applied)));
  }

  // Awaits the commit; resumes on the caller's executor. `f` owns what it needs (captures by
  // value): a cancelled wait leaves the command to run. kCancelled: the outcome is not known here.
  template <class F>
  rt::Co<Result<detail::ValueOf<F, Tx>>> write(F f) {
    using T = detail::ValueOf<F, Tx>;
    return rt::from_callback<T>([this, f = std::move(f)](rt::Completion<T> done) mutable {
      submit(std::move(f), std::move(done));
    });
  }

  // Waits for the commit. For tools and tests; never on the writer thread or an event loop.
  template <class F>
  auto write_sync(F f) -> Result<detail::ValueOf<F, Tx>> {
    using T = detail::ValueOf<F, Tx>;
    std::optional<Result<T>> result;
    wait_until([&](std::function<void()> finished) {
      submit(std::move(f), [&result, finished = std::move(finished)](Result<T> r) {
        result = std::move(r);
        finished();
      });
    });
    return *std::move(result);
  }

  // Runs `start` and blocks until what it was given is called, once, on any thread. As
  // write_sync().
  void wait_until(const std::function<void(std::function<void()> finished)>& start);

  // Queues events that nobody waits for, without waking the writer: committed with the next batch,
  // at the latest after record_flush. A batch that fails puts them back: while the process lives,
  // none is lost. Errors now: kUnavailable (bound reached); for what is about to happen, the
  // store's own when it is not writable: the caller denies. A later failure shows in health().
  Status record(const EventRun& events, Tells tells = Tells::kWhatWillHappen);

  // Runs `f(Reader&)` on this thread over one snapshot, which holds everything acknowledged before
  // the call. Blocks while all read connections are taken: keep reads short, and paged. Of a shared
  // database, once it is followed, for a few seconds at most, and not at all while it is known to
  // be silent. Errors: kUnavailable "the database does not answer", the database's.
  template <class F>
  auto read(F f) -> Result<detail::ValueOf<F, Reader>> {
    using T = detail::ValueOf<F, Reader>;
    std::optional<Result<T>> result;
    Status status = with_reader([&](Reader& reader) { result = detail::call<T>(f, reader); });
    if (!status) return fail(status.error());
    return std::move(*result);
  }

  // Called on the writer thread with the events of each commit, after it and before the commands'
  // completions. An observer lives as long as the Store, and must not throw. Register before
  // commands are submitted: it sees only later commits. What it is given dies with the call.
  using Observer = std::function<void(std::span<const EventView>)>;
  void observe(Observer observer);

  // For what others committed to a shared database: called before the observers, so that whoever
  // keeps a view of rows may read them anew; it may block on read(). After an error the same events
  // come again, and no later ones before. One follower, who begins with what was committed since
  // open(): until there is one, observers see nothing of what comes after another's commit.
  using Follower = std::function<Status(std::span<const EventView>)>;
  void follow(Follower follower);
  // Called on the writer thread after each durable commit, with the time by `on` before its
  // transaction began: everything that was committed before then, by whomever, has been delivered.
  void confirm_by(const Clock& on, std::function<void(MonoTime begun)> confirm);
  void unfollow();  // once it returns, neither of the two is called any more

  // Calls `done` on a thread of the store once everything that was committed before this call, by
  // whomever, has been delivered. Errors: it could not be found out now.
  void sync(std::function<void(Status)> done);

  Seq size() const;     // of the log: events committed, and told to observers
  bool shared() const;  // other processes write to the database too
  bool alone() const;   // no other process has it open, nor can; see Options::alone
  Health health() const;

  // Refuses new commands, commits what is queued, stops the threads. Idempotent.
  void stop();

  // Of the log, seq ≥ from, ascending, at most `limit` (≤ 10,000) events and about 16 MiB: fewer
  // than asked for is not the end, none is.
  Result<std::vector<StoredEvent>> events(Seq from, std::size_t limit);
  Result<std::vector<StoredEvent>> task_events(TaskId task, Seq from, std::size_t limit);

 private:
  friend struct OpenOn;  // open_on.h
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  void enqueue(std::unique_ptr<detail::Command> command);
  Status with_reader(const std::function<void(Reader&)>& f);

  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::store
