#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared_database.h"
#include "stint/audit/event.h"
#include "stint/authority/authority.h"

namespace stint::sim {

// What must hold, slow and obvious: what the log says, event by event, and what clients were told.
//
// I1  nothing new in a subtree whose close was acknowledged
// I2  a node without the feed refuses, in time and for that reason; nobody vouches for a task for
//     longer than that after its close was acknowledged
// I3  who works under a lease is one; what closing owes is done once faults stop
// I4  what was released stands in the log before
// I5  what was acknowledged is kept, once, and no node takes it for gone
class Model {
 public:
  Model(SharedDatabase& database, Scheduler& scheduler, Probes& probes, milliseconds feed_max_age);

  // What a client asked of a node, and when: for what it is told later.
  struct Asked {
    const Link* link;
    MonoTime at;
    std::optional<TaskId> task;
    bool was_closed = false;  // acknowledged so before it was asked
    bool heard = true;        // the node waits for what was committed before, to know of the task
  };
  Asked ask(const Link& link, std::optional<TaskId> task) const;

  // What a client was told.
  void was_opened(const domain::Task& task);
  void was_delegated(const Asked& asked, TaskId parent, const domain::Task& child);
  void was_minted(const Asked& asked, TaskId task, TokenId token);
  void was_closed(TaskId task);
  void was_permitted(const Asked& asked, TaskId task, DecisionId id, bool ahead_of_record,
                     milliseconds view_age);
  void was_released(const Asked& asked, TaskId task, DecisionId id, milliseconds view_age);
  void was_refused(const Asked& asked, const Error& error);
  // The same, of what needs the database to refuse.
  void was_refused_by_rows(const Asked& asked, const Error& error);

  // At any time: what a node that lives would say of tasks that are closed.
  void check_view(const authority::Authority& node, milliseconds age);

  void link_cut(const Link& link) { cut_[&link] = scheduler_.now(); }
  void link_healed(const Link& link) { cut_.erase(&link); }

  // After each commit; null: of a process that is gone.
  void read_log(const Link* by);
  // When faults have stopped and everybody had time.
  bool settled();
  void check_end();

  const std::optional<std::string>& violation() const { return violation_; }
  std::size_t events() const { return size_; }
  std::vector<TaskId> open_tasks() const;

 private:
  struct Task {
    std::optional<TaskId> parent;
    std::optional<std::int64_t> budget;
    std::int64_t permits = 0;
    bool closed = false;  // in the log
    bool receipt = false;
    std::optional<MonoTime> opened, acknowledged;  // who asked for it was told; that it is closed
  };
  struct Read {  // a permit that went ahead of its record
    const Link* link;
    DecisionId id;
  };
  struct LeaseRow {
    std::string holder;
    std::uint64_t fence, beat;
    const Link* owner;
  };

  void broken(std::string_view rule, std::string text);
  void take(const store::EventView& event);
  void take(const audit::TaskOpened& e);
  void take(const audit::Decided& e);
  void take_leases(const Link* by);
  bool holds(const Link* by, const std::string& lease) const;
  void happens_in(TaskId task, std::string_view what);
  std::optional<MonoTime> closed_since(TaskId task) const;
  void may_go_on(const Asked& asked, TaskId task, milliseconds view_age, std::string_view what);
  void needs_feed(const Asked& asked, std::string_view what);
  template <class Id>
  void once(std::set<Id>& seen, const Id& id, std::string_view what);

  SharedDatabase& database_;
  Scheduler& scheduler_;
  Probes& probes_;
  const milliseconds max_age_;
  store::Seq size_ = 0;
  std::map<TaskId, Task> tasks_;
  std::vector<std::pair<TaskId, MonoTime>> ended_;  // closes that were acknowledged
  std::set<DecisionId> decisions_;
  std::set<TokenId> tokens_;
  std::set<ApprovalId> consumed_;
  std::set<std::string> once_;
  std::vector<Read> reads_;
  std::map<std::string, LeaseRow> leases_;
  std::map<const Link*, std::string> names_;  // of those who wrote a lease's row
  std::uint64_t checkpoint_ = 0;
  std::map<const Link*, MonoTime> cut_;
  std::optional<std::string> violation_;
};

}  // namespace stint::sim
