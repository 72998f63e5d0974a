#include "simulated_feed.h"

#include <utility>

namespace stint::sim {
namespace {

constexpr store::Sql kSize = "SELECT first + count FROM event ORDER BY first DESC LIMIT 1";
constexpr milliseconds kPeriod{250}, kRetry{200};
constexpr Error kStopping{Errc::kUnavailable, "store is stopping"};

}  // namespace

SimulatedFeed::SimulatedFeed(Link& link, store::Database& database, store::Delivery& delivery)
    : link_(link), database_(database), delivery_(delivery), wake_(link.process.condition()) {
  link_.database.feeds_.push_back(this);
  link_.delivery = &delivery_;
}

SimulatedFeed::~SimulatedFeed() {
  SimulatedFeed::stop();
  link_.delivery = nullptr;
  std::erase(link_.database.feeds_, this);
}

void SimulatedFeed::start() {
  if (!thread_) thread_ = link_.process.start([this] { loop(); });
}

void SimulatedFeed::notice() {
  noticed_ = true;
  wake_->notify_all();
}

void SimulatedFeed::sync(std::function<void(Status)> done) {
  if (stopping_) return done(fail(kStopping));
  if (link_.database.planted == Planted::kAnswersUnread) return done({});
  waiting_.push_back(std::move(done));
  wake_->notify_all();
}

void SimulatedFeed::stop() {
  stopping_ = true;
  wake_->notify_all();
  if (const auto thread = std::move(thread_)) thread->join();
  for (auto& done : std::exchange(waiting_, {})) done(fail(kStopping));
}

Status SimulatedFeed::round() {
  if (!reading_ || !reading_->usable()) {
    reading_ = STINT_TRY(database_.open_reader());
    checked_ = false;
  }
  const store::Seq before = delivery_.size();
  const Status done = store::deliver_new(*reading_, kSize, delivery_, checked_);
  if (link_.committing && delivery_.size() > before)
    link_.database.probe("a feed delivered a commit before its writer did");
  return done;
}

void SimulatedFeed::loop() {
  while (!stopping_) {
    noticed_ = false;
    Waiting asked = std::exchange(waiting_, {});
    link_.database.scheduler_.yield();
    const Status done = round();
    if (!done) {
      if (reading_) (void)reading_->end();
      reading_ = nullptr;
    }
    // The answer comes later than the snapshot: what was asked meanwhile waits for the next round.
    link_.database.scheduler_.yield();
    for (auto& callback : asked) callback(done);
    well_ = done.has_value();
    std::unique_lock lock(mutex_);
    (void)wake_->wait_for(lock, well_ ? kPeriod : kRetry,
                          [this] { return stopping_ || !waiting_.empty() || (noticed_ && well_); });
  }
}

}  // namespace stint::sim
