#include "shared_database.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "schema.h"
#include "simulated_feed.h"
#include "writing_end.h"

namespace stint::sim {

using store::SqliteSession;

namespace {

// In memory where the machine has a file system there: a run makes thousands of commits.
std::filesystem::path memory() {
  std::error_code none;
  const std::filesystem::path shared = "/dev/shm";
  return std::filesystem::is_directory(shared, none) ? shared
                                                     : std::filesystem::temp_directory_path();
}

}  // namespace

// Reads are one step: nobody comes between.
class ReadingEnd final : public store::ReadConnection {
 public:
  ReadingEnd(Link& link, std::unique_ptr<SqliteSession> session)
      : link_(link), reader_(std::move(session)) {}
  Status begin() override {
    if (broken_ || !link_.up() ||
        link_.database.scheduler_.dice().permille(link_.database.weather.break_read)) {
      broken_ = true;
      link_.database.probe("a read connection broke");
      return fail(Errc::kUnavailable, "the connection to the database is lost");
    }
    return reader_.begin();
  }
  Status end() override { return reader_.end(); }
  bool usable() const override { return !broken_; }
  Result<store::Cursor*> start(store::Sql sql, std::span<const store::Param> p) override {
    return reader_.start(sql, p);
  }
  Result<store::Effect> finish(store::Cursor& cursor) override { return reader_.finish(cursor); }

 private:
  Link& link_;
  store::SqliteReader reader_;
  bool broken_ = false;
};

class Connected final : public store::Database {
 public:
  explicit Connected(Link& link) : link_(link) {}
  Result<std::unique_ptr<store::WriteConnection>> open_writer() override {
    STINT_TRY(reach());
    return std::make_unique<WritingEnd>(link_,
                                        STINT_TRY(link_.database.open(SqliteSession::Use::kWrite)));
  }
  Result<std::unique_ptr<store::ReadConnection>> open_reader() override {
    STINT_TRY(reach());
    return std::make_unique<ReadingEnd>(link_,
                                        STINT_TRY(link_.database.open(SqliteSession::Use::kRead)));
  }
  bool shared() const override { return true; }
  std::unique_ptr<store::Feed> make_feed(store::Delivery& delivery) override {
    return std::make_unique<SimulatedFeed>(link_, *this, delivery);
  }

 private:
  Status reach() const {
    if (!link_.up()) return fail(Errc::kUnavailable, "the database cannot be reached");
    return {};
  }
  Link& link_;
};

SharedDatabase::SharedDatabase(Scheduler& scheduler, Probes& probes)
    : scheduler_(scheduler), probes_(probes), folder_(memory()), server_(scheduler) {
  turn_.freed = server_.condition();
  std::ofstream(folder_.path() + "/stint.db");
  auto session = open(SqliteSession::Use::kWrite);
  if (!session) std::abort();
  for (const char* const migration : store::migrations())
    if (!(*session)->exec(migration)) std::abort();
  inspector_ = std::make_unique<store::SqliteReader>(*std::move(session));
}

SharedDatabase::~SharedDatabase() { bury_undead(); }

Result<std::unique_ptr<SqliteSession>> SharedDatabase::open(SqliteSession::Use use) const {
  auto session = STINT_TRY(SqliteSession::open(folder_.path() + "/stint.db", "", use));
  // A machine that loses its power is not what is simulated.
  STINT_TRY(session->exec("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 500"));
  return session;
}

std::unique_ptr<store::Database> SharedDatabase::connect(Link& link) {
  return std::make_unique<Connected>(link);
}

Status SharedDatabase::copy_from(SharedDatabase& other) {
  sqlite3_backup* const copy = sqlite3_backup_init(inspector_->session().db(), "main",
                                                   other.inspector_->session().db(), "main");
  if (copy == nullptr) return fail(Errc::kInternal, "the database is not copied");
  (void)sqlite3_backup_step(copy, -1);
  if (sqlite3_backup_finish(copy) != SQLITE_OK)
    return fail(Errc::kInternal, "the database is not copied");
  return {};
}

void SharedDatabase::link_changed() { turn_.freed->notify_all(); }

void SharedDatabase::announce() {
  for (SimulatedFeed* feed : feeds_)
    if (!scheduler_.dice().permille(weather.lose_notice)) feed->notice();
}

// What a client left at COMMIT when its connection broke: done or not before anybody else's turn.
void SharedDatabase::bury_undead() {
  const auto left = std::exchange(undead_, nullptr);
  if (!left) return;
  if (scheduler_.dice().permille(500)) {
    probe("in doubt: committed after the client was gone");
    if (left->commit() && committed) committed(nullptr);
    announce();
  } else {
    probe("in doubt: given up after the client was gone");
    left->abandon();
  }
}

}  // namespace stint::sim
