#include "model.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "log_rows.h"

namespace stint::sim {

namespace {

const std::string kNobody(16, '\0');
constexpr store::Sql kOwed = "SELECT count(*) FROM owed WHERE kind LIKE 'receipt%'";

}  // namespace

Model::Model(SharedDatabase& database, Scheduler& scheduler, Probes& probes, milliseconds max_age)
    : database_(database), scheduler_(scheduler), probes_(probes), max_age_(max_age) {}

void Model::broken(std::string_view rule, std::string text) {
  if (!violation_) violation_ = std::string(rule) + ": " + std::move(text);
}

template <class Id>
void Model::once(std::set<Id>& seen, const Id& id, std::string_view what) {
  if (!seen.insert(id).second) broken("I5", std::string(what) + " stands in the log twice");
}

// --- the log ---

void Model::read_log(const Link* by) {
  store::Reader reader(database_.inspector());
  const store::Seq before = size_;
  bool receipts = false;
  store::read_blocks(reader, before, [&](const store::BlockRow& block) {
    block.each(reader, [&](const store::EventView& e) {
      if (e.seq < size_) return true;
      if (e.seq != size_) broken("I5", "the log has a gap");
      ++size_;
      receipts |= e.kind == audit::ReceiptSigned::kKind;
      take(e);
      return true;
    });
    return true;
  });
  if (reader.error()) broken("I5", "the log cannot be read");
  take_leases(by);
  if (by != nullptr && receipts && !holds(by, "log"))
    broken("I3", "a node signed a receipt whose lease another holds");
}

void Model::take(const store::EventView& event) {
  const auto entry = audit::parse(event.bytes);
  if (!entry) return broken("I5", "an event does not parse");
  const auto& any = entry->event;
  if (const auto* opened = std::get_if<audit::TaskOpened>(&any)) {
    take(*opened);
  } else if (const auto* closed = std::get_if<audit::TaskClosed>(&any)) {
    if (std::exchange(tasks_[closed->task].closed, true)) broken("I5", "a task was closed twice");
  } else if (const auto* minted = std::get_if<audit::TokenMinted>(&any)) {
    once(tokens_, minted->token, "a token");
    happens_in(minted->task, "a token was minted");
  } else if (const auto* resumed = std::get_if<audit::TaskResumed>(&any)) {
    happens_in(resumed->task, "it was resumed");
  } else if (const auto* used = std::get_if<audit::ApprovalConsumed>(&any)) {
    once(consumed_, used->approval, "the use of an approval");
  } else if (const auto* receipt = std::get_if<audit::ReceiptSigned>(&any)) {
    if (std::exchange(tasks_[receipt->task].receipt, true)) broken("I3", "a task has two receipts");
  } else if (const auto* decided = std::get_if<audit::Decided>(&any)) {
    take(*decided);
  }
}

void Model::take(const audit::TaskOpened& e) {
  if (tasks_.contains(e.task)) broken("I5", "a task was opened twice");
  if (e.parent) happens_in(*e.parent, "a child was opened");
  tasks_[e.task] = {.parent = e.parent, .budget = e.budget.requests};
  if (e.purpose.starts_with("once ")) once(once_, e.purpose, "what may be used once");
}

void Model::take(const audit::Decided& e) {
  once(decisions_, e.decision, "a decision");
  if (e.verdict != audit::Verdict::kPermit || !e.task) return;
  // Reads may stand after the close: they went ahead of their record, and of it too.
  if (e.action_class != domain::ActionClass::kRead) happens_in(*e.task, "a call was permitted");
  for (std::optional<TaskId> at = e.task; at; at = tasks_[*at].parent) {
    Task& task = tasks_[*at];
    if (task.budget && ++task.permits > *task.budget) broken("I5", "a budget is overspent");
  }
}

void Model::happens_in(TaskId task, std::string_view what) {
  for (std::optional<TaskId> at = task; at; at = tasks_[*at].parent)
    if (tasks_[*at].closed) return broken("I1", std::string(what) + " after the close, in the log");
}

// What was taken by a commit that came through after its client was gone is known by its name.
bool Model::holds(const Link* by, const std::string& name) const {
  const auto lease = leases_.find(name);
  if (lease == leases_.end() || lease->second.holder == kNobody) return false;
  if (lease->second.owner != nullptr) return lease->second.owner == by;
  const auto known = names_.find(by);
  return known == names_.end() || known->second == lease->second.holder;
}

void Model::take_leases(const Link* by) {
  store::Reader reader(database_.inspector());
  using Row = std::tuple<std::string, std::string, std::uint64_t, std::uint64_t>;
  for (const auto& [name, holder, fence, beat] :
       reader.rows<Row>("SELECT name, holder, fence, beat FROM lease ORDER BY name")) {
    auto& seen = leases_[name];
    if (seen.fence == fence && seen.beat == beat && seen.holder == holder) continue;
    const bool nobody = holder == kNobody;
    if (by != nullptr && !nobody) names_[by] = holder;
    if (fence < seen.fence) broken("I3", "a fence went back");
    if (fence == seen.fence && by != nullptr && seen.owner != nullptr && seen.owner != by)
      broken("I3", "two nodes write under one fence");
    if (fence > seen.fence && seen.fence > 0 && seen.holder != kNobody && seen.owner != by)
      ++probes_["a lease was taken over"];
    seen = {holder, fence, beat,
            nobody                                 ? nullptr
            : fence == seen.fence && by == nullptr ? seen.owner
                                                   : by};
  }
  const auto newest =
      reader.one<std::uint64_t>("SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1");
  if (newest && *newest != checkpoint_) {
    if (*newest < checkpoint_) broken("I3", "a checkpoint went back");
    if (by != nullptr && checkpoint_ > 0 && !holds(by, "log"))
      broken("I3", "a node published whose lease another holds");
    checkpoint_ = *newest;
  }
}

// --- what clients were told ---

std::optional<MonoTime> Model::closed_since(TaskId task) const {
  for (std::optional<TaskId> at = task; at;) {
    const auto found = tasks_.find(*at);
    if (found == tasks_.end()) return std::nullopt;
    if (found->second.acknowledged) return found->second.acknowledged;
    at = found->second.parent;
  }
  return std::nullopt;
}

Model::Asked Model::ask(const Link& link, std::optional<TaskId> task) const {
  return {.link = &link,
          .at = scheduler_.now(),
          .task = task,
          .was_closed = task && closed_since(*task)};
}

// Of what needs no transaction: by the node's view, and never longer than its bound.
void Model::may_go_on(const Asked& asked, TaskId task, milliseconds view_age,
                      std::string_view what) {
  needs_feed(asked, what);
  const auto closed = closed_since(task);
  if (!closed) return;
  ++probes_["a node that did not know yet went on after the close"];
  if (scheduler_.now() - view_age > *closed)
    broken("I1", std::string(what) + " by a view confirmed after the close");
  if (scheduler_.now() - *closed > max_age_)
    broken("I2", std::string(what) + " later than the bound after the close");
}

void Model::needs_feed(const Asked& asked, std::string_view what) {
  const auto cut = cut_.find(asked.link);
  if (cut == cut_.end()) return;
  if (scheduler_.now() - cut->second > max_age_)
    broken("I2", std::string(what) + " by a node that lost the feed");
}

void Model::was_opened(const domain::Task& task) {
  const auto found = tasks_.find(task.id);
  if (found == tasks_.end()) return broken("I5", "a task that was acknowledged is not in the log");
  found->second.opened = scheduler_.now();
}

void Model::was_delegated(const Asked& asked, TaskId, const domain::Task& child) {
  was_opened(child);
  if (asked.was_closed) broken("I1", "delegated after the close was acknowledged");
}

void Model::was_minted(const Asked& asked, TaskId, TokenId token) {
  if (!tokens_.contains(token)) broken("I5", "a token that was given out is not in the log");
  if (asked.was_closed) broken("I1", "minted after the close was acknowledged");
}

void Model::was_closed(TaskId task) {
  for (auto& [id, t] : tasks_) {
    bool below = false;
    for (std::optional<TaskId> at = id; at && !below; at = tasks_.at(*at).parent)
      below = *at == task;
    if (!below) continue;
    if (!t.closed) broken("I1", "a close was acknowledged, and a task below is open");
    if (t.acknowledged) continue;
    t.acknowledged = scheduler_.now();
    ended_.emplace_back(id, scheduler_.now());
  }
}

void Model::was_permitted(const Asked& asked, TaskId task, DecisionId id, bool ahead,
                          milliseconds view_age) {
  if (ahead) {
    may_go_on(asked, task, view_age, "permitted");
    reads_.push_back({asked.link, id});
    return;
  }
  if (!decisions_.contains(id)) broken("I4", "a call was permitted that is not in the log");
  if (asked.was_closed) broken("I1", "permitted after the close was acknowledged");
}

void Model::was_released(const Asked& asked, TaskId task, DecisionId, milliseconds view_age) {
  may_go_on(asked, task, view_age, "a credential was released");
}

void Model::check_view(const authority::Authority& node, milliseconds age) {
  for (const auto& [task, at] : ended_) {
    if (!node.live(task)) continue;
    if (scheduler_.now() - age > at)
      broken("I1", "a node vouches for a task by a view confirmed after its close");
    if (scheduler_.now() - at > max_age_)
      broken("I2", "a node vouches for a task later than the bound after its close");
  }
}

void Model::was_refused_by_rows(const Asked& asked, const Error& error) {
  if (asked.link->dead) return;  // nobody was told
  if (error.code != Errc::kTaskClosed || !asked.task) return;
  for (std::optional<TaskId> at = asked.task; at; at = tasks_[*at].parent)
    if (tasks_[*at].closed) return;
  const auto& opened = tasks_[*asked.task].opened;
  if (asked.heard || (opened && asked.at - *opened > max_age_))
    broken("I5", "an open task was refused as a closed one");
}

void Model::was_refused(const Asked& asked, const Error& error) {
  was_refused_by_rows(asked, error);
  const auto cut = cut_.find(asked.link);
  if (cut == cut_.end() || asked.at - cut->second <= max_age_) return;
  ++probes_["a stale view refused"];
  if (error.reason.text() != "the view of live tasks is stale")
    broken("I2", "a node that lost the feed refuses for another reason");
}

// --- the end ---

bool Model::settled() {
  store::Reader reader(database_.inspector());
  return reader.one<std::int64_t>(kOwed) == 0 && !reader.error();
}

void Model::check_end() {
  for (const auto& [id, task] : tasks_)
    if (task.closed && !task.receipt) broken("I3", "a closed task never had its receipt");
  // What goes ahead of its record is recorded in order: a process that was killed loses the end.
  std::set<const Link*> kept;
  for (auto at = reads_.rbegin(); at != reads_.rend(); ++at) {
    if (decisions_.contains(at->id)) {
      kept.insert(at->link);
    } else if (!at->link->dead) {
      broken("I4", "a permitted read is not in the log of a node that lives");
    } else if (kept.contains(at->link)) {
      broken("I4", "a permitted read was lost before one that was kept");
    } else {
      ++probes_["a read's record died with its process"];
    }
  }
}

std::vector<TaskId> Model::open_tasks() const {
  std::vector<TaskId> out;
  for (const auto& [id, task] : tasks_)
    if (!task.closed) out.push_back(id);
  return out;
}

}  // namespace stint::sim
