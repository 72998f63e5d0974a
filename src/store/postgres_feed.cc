#include "postgres_feed.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "stint/base/log.h"

namespace stint::store {
namespace {

constexpr Sql kSize = "SELECT size FROM log_head";
constexpr std::chrono::milliseconds kRetry{200};
constexpr Error kStopping{Errc::kUnavailable, "store is stopping"};

}  // namespace

PostgresFeed::PostgresFeed(PostgresDatabase& database, const PostgresTarget& target,
                           Delivery& delivery)
    : database_(database),
      target_(target),
      delivery_(delivery),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // What is delivered was read or written a moment ago, also while our own work on it takes long.
  delivery.observe([this](std::span<const EventView>) {
    if (answered_.load() != MonoTime()) answered_ = std::chrono::steady_clock::now();
  });
}

void PostgresFeed::start() {
  const std::lock_guard lock(stop_mutex_);
  {
    const std::lock_guard started(mutex_);
    if (!std::exchange(following_, true)) answered_ = std::chrono::steady_clock::now();
    database_.be_prompt();
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
}

void PostgresFeed::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

bool PostgresFeed::silent() const {
  const MonoTime answered = answered_.load();
  return answered != MonoTime() && std::chrono::steady_clock::now() - answered > kSilent;
}

void PostgresFeed::sync(std::function<void(Status)> done) {
  {
    const std::lock_guard lock(mutex_);
    if (following_ && !stopping_) {  // else nobody would ever answer
      waiting_.push_back(std::move(done));
      done = nullptr;
    }
  }
  if (done) return done(fail(kStopping));
  wake();
}

void PostgresFeed::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  Waiting left;
  {
    const std::lock_guard lock(stop_mutex_);
    if (thread_.joinable()) thread_.join();
    const std::lock_guard waiting(mutex_);
    left.swap(waiting_);
  }
  for (auto& done : left) done(fail(kStopping));
}

// Sleeps until somebody asks, a commit is announced that is not delivered yet, or the time is up.
bool PostgresFeed::rest(std::chrono::milliseconds time) {
  const MonoTime until = std::chrono::steady_clock::now() + time;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    std::array<pollfd, 2> waiting{pollfd{.fd = wake_, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = -1, .events = POLLIN, .revents = 0}};
    if (listening_) waiting[1].fd = listening_->socket();
    (void)::poll(waiting.data(), waiting.size(), std::max(0, static_cast<int>(left.count())));
    bool due = left.count() <= 0 || (waiting[0].revents != 0);
    if (waiting[0].revents != 0) {
      std::uint64_t count = 0;
      (void)!::read(wake_, &count, sizeof count);
    }
    if (waiting[1].revents != 0) {
      for (const auto& notice : listening_->notices()) due |= notice.size > delivery_.size();
      due |= listening_->dead();
    }
    if (!due) continue;
    const std::lock_guard lock(mutex_);
    return !stopping_;
  }
}

Status PostgresFeed::connect() {
  if (database_.notifies() && (!listening_ || listening_->dead())) {
    listening_ = nullptr;  // its socket would wake us at once
    auto session = STINT_TRY(PgSession::open(target_, PgSession::kPrompt));
    // It never has a transaction, so that the server does not end it while this process is frozen.
    STINT_TRY(database_.show(*session));
    STINT_TRY(session->exec("LISTEN stint_log"));
    listening_ = std::move(session);  // what does not listen is not kept
  }
  if (!reading_ || !reading_->usable()) {
    // Not one that another session may silently stand in for: each new one is checked.
    auto session = STINT_TRY(database_.reading_session());
    session->note_answers(answered_);
    reading_ = std::make_unique<PgReader>(nullptr, std::move(session));
    checked_ = false;
  }
  return {};
}

Status PostgresFeed::round() {
  STINT_TRY(connect());
  return deliver_new(*reading_, kSize, delivery_, checked_);
}

std::chrono::milliseconds PostgresFeed::period() const {
  if (!well_) return kRetry;
  return database_.notifies() ? kPeriod : kPolled;
}

void PostgresFeed::loop() {
  do {
    Waiting asked;
    {
      const std::lock_guard lock(mutex_);
      asked.swap(waiting_);
    }
    const Status done = round();
    if (!done) {
      if (reading_) (void)reading_->end();
      reading_ = nullptr;
      if (std::exchange(well_, false))
        log::error("the feed does not follow the database",
                   {{"code", done.error().code}, {"why", done.error().reason}});
    } else if (!std::exchange(well_, true)) {
      log::info("the feed follows the database again");
    }
    for (auto& callback : asked) callback(done);
  } while (rest(period()));
}

}  // namespace stint::store
