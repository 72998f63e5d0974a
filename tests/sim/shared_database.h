#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "database.h"
#include "delivery.h"
#include "scheduler.h"
#include "sqlite_connection.h"
#include "stint/testkit/temp_dir.h"

// The one database of a simulated fleet: SQLite in memory or nearly so, with the manners of a
// server elsewhere (docs/adr/0012). Connections break at any statement; a commit's answer is lost
// after the commit, before it, or with the transaction still under way; a writer's turn ends when
// its process stands still for a second; a notification does not come.
namespace stint::sim {

// How often what ran: each rare branch proves that it did.
using Probes = std::map<std::string, std::uint64_t, std::less<>>;

// Chances of what goes wrong, in 1000.
struct Weather {
  std::size_t break_statement = 0, break_read = 0;
  std::size_t lose_commit = 0;  // the connection breaks at COMMIT, in one of three ways
  std::size_t conflict = 0;     // the server gives up one of two transactions
  std::size_t lose_notice = 0;
};

// Bugs that a test plants, to see that they are found.
enum class Planted : std::uint8_t {
  kNone,
  kLosesTheClose,       // a close is acknowledged and not kept
  kTrustsForLong,       // a node does not bound the age of its view
  kClockStops,          // a frozen node's monotonic clock stands still
  kOneNodeId,           // two nodes take themselves for the same one
  kNeverPublishes,      // the reaper makes no checkpoint
  kLosesTheIntent,      // a commit does not keep the decisions of its batch
  kSaysNo,              // a commit in doubt is taken for one that failed
  kSaysYes,             // a commit that was lost is taken for one that was kept
  kAnswersUnread,       // the feed says that it is up to date without having read
  kTakesSilenceForEnd,  // a task that a node cannot ask about is taken for closed
  kFollowsNobody,       // the view does not follow what others commit
};

class SharedDatabase;
class WritingEnd;

// What one process sees of the database.
struct Link {
  SharedDatabase& database;
  Scheduler::Process& process;
  std::size_t node = 0;
  bool cut = false;                           // by the network; heals
  const store::Delivery* delivery = nullptr;  // of its store, while that lives
  bool committing = false;                    // it has committed, and does not know yet
  bool dead = false;  // the process was killed: nothing of it arrives any more
  bool up() const { return !cut && !dead; }
};

class SharedDatabase {
 public:
  SharedDatabase(Scheduler& scheduler, Probes& probes);
  ~SharedDatabase();
  SharedDatabase(const SharedDatabase&) = delete;

  // For a Store. Borrows the link, which outlives it.
  std::unique_ptr<store::Database> connect(Link& link);

  // Makes it the copy of another.
  Status copy_from(SharedDatabase& other);
  store::SqliteReader& inspector() { return *inspector_; }

  // Called after each commit, with who made it (null: a transaction whose process is not asked).
  std::function<void(const Link*)> committed;
  // Wakes what waits for a link that was cut or killed.
  void link_changed();

  Weather weather;
  Planted planted = Planted::kNone;

 private:
  friend class WritingEnd;
  friend class ReadingEnd;
  friend class SimulatedFeed;
  friend class Connected;

  Result<std::unique_ptr<store::SqliteSession>> open(store::SqliteSession::Use use) const;
  void probe(std::string_view name) { ++probes_[std::string(name)]; }
  void announce();
  void bury_undead();

  Scheduler& scheduler_;
  Probes& probes_;
  const testkit::TempDir folder_;
  std::unique_ptr<store::SqliteReader> inspector_;

  struct Turn {
    std::unique_ptr<rt::Threads::Condition> freed;
    WritingEnd* holder = nullptr;
  };
  Scheduler::Process server_;
  std::mutex mutex_;  // for the condition alone: one loop runs at a time
  Turn turn_;
  std::unique_ptr<store::SqliteWriter> undead_;  // its client is gone, the server does not know yet
  std::unique_ptr<store::FairMutex> undead_gate_;
  std::vector<class SimulatedFeed*> feeds_;
};

}  // namespace stint::sim
