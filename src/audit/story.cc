#include "stint/audit/story.h"

#include <algorithm>
#include <chrono>

namespace stint::audit {

// Walks one entry through the rules, and changes the state as the entry says whether it was allowed
// to or not: one wrong entry is then reported once, not by everything that follows from it.
class Story::Check {
 public:
  Check(Story& story, std::uint64_t index, const Entry& entry)
      : story_(story),
        index_(index),
        time_(entry.time),
        kind_(kind(entry.event)),
        task_(task_of(entry.event)) {}

  std::vector<Finding> take() { return std::move(findings_); }

  void operator()(const TaskOpened& e) {
    const auto [at, fresh] = story_.tasks_.try_emplace(e.task);
    if (!fresh) return found("task opened twice");
    Task& task = at->second;
    task.opened = e.opened;
    task.deadline = e.deadline;
    task.parent = e.parent;
    task.grants = e.grants;
    task.depth = e.depth;
    if (e.deadline <= e.opened) found("task's deadline is not after its opening");
    if (e.parent) child(*e.parent, e);
  }
  void operator()(const TaskDelegated& e) {
    const Task* parent = known(e.task);
    if (parent == nullptr) return;
    if (std::ranges::find(parent->children, e.child) == parent->children.end()) {
      found("delegation without the child's opening");
    }
  }
  void operator()(const TaskNarrowed& e) {
    Task* task = known(e.task);
    if (task == nullptr) return;
    if (task->state == domain::State::kClosed) found("task narrowed after its close");
    if (!domain::within(e.grants, task->grants)) found("task's grants widened");
    task->grants = e.grants;
  }
  void operator()(const TaskPaused& e) {
    Task* task = known(e.task);
    if (task == nullptr) return;
    if (task->state != domain::State::kActive) return found("task paused that was not active");
    task->state = domain::State::kPaused;
    task->stopped = time_;
  }
  void operator()(const TaskResumed& e) {
    Task* task = known(e.task);
    if (task == nullptr) return;
    if (task->state != domain::State::kPaused) return found("task resumed that was not paused");
    task->state = domain::State::kActive;
  }
  void operator()(const TaskClosed& e) {
    Task* task = known(e.task);
    if (task == nullptr) return;
    if (task->state == domain::State::kClosed) return found("task closed twice");
    task->state = domain::State::kClosed;
    task->stopped = time_;
    task->closed_at = index_;
  }

  void operator()(const TokenMinted& e) {
    const Task* task = known(e.task);
    if (task == nullptr) return;
    if (const Task* stop = stopped(*task)) {
      found(stop->state == domain::State::kClosed
                ? Reason("token minted after the task's close")
                : Reason("token minted while the task is paused"));
    }
    // Rule 1. JWT times are whole seconds, so `issued` may lie a part of one before `opened`.
    if (e.issued < std::chrono::floor<std::chrono::seconds>(task->opened) ||
        e.expires > task->deadline) {
      found("token's life not inside its task's");
    }
  }
  void operator()(const HandleIssued& e) {
    const Task* task = known(e.task);
    if (task != nullptr && stopped(*task)) found("handle issued to a stopped task");
  }
  void operator()(const HandleUsed& e) {
    const Task* task = known(e.task);
    if (task != nullptr && stopped(*task)) found("handle used of a stopped task");
  }

  void operator()(const Decided& e) {
    if (!e.task) {  // the task was not opened
      if (e.verdict != Verdict::kDeny) found("permit without a task");
      return;
    }
    const Task* task = known(*e.task);
    if (task == nullptr || e.verdict != Verdict::kPermit) return;
    const bool read = e.action_class == domain::ActionClass::kRead;
    if (const Task* stop = stopped(*task);
        stop && !(read && time_ <= stop->stopped + kReadWindow)) {
      found(stop->state == domain::State::kClosed ? Reason("permit after the task's close")
                                                  : Reason("permit while the task is paused"));
    }
    if (!domain::allows(task->grants, e.upstream, e.action, e.resource)) {
      found("permit outside the task's grants");
    }
    if (e.approval) {
      const auto held = story_.approvals_.find(*e.approval);
      if (held == story_.approvals_.end() || held->second.task != e.task ||
          held->second.state != domain::ApprovalState::kGranted) {
        found("permit by an approval that was not given");
      }
    }
    if (!story_.permits_.try_emplace(e.decision, Permit{*e.task, read}).second) {
      found("decision recorded twice");
    }
  }
  void operator()(const CredentialReleased& e) {
    const auto permit = story_.permits_.find(e.decision);
    if (permit == story_.permits_.end() || permit->second.task != e.task) {
      found("credential released without a permit");
    }
  }
  void operator()(const Outcome& e) {
    const auto permit = story_.permits_.find(e.decision);
    if (permit == story_.permits_.end() || permit->second.task != e.task) {
      return found("outcome of no open permit");
    }
    story_.permits_.erase(permit);
  }

  void operator()(const ApprovalRequested& e) {
    if (!story_.approvals_.try_emplace(e.approval, Held{.task = e.task}).second) {
      found("approval requested twice");
    }
  }
  void operator()(const ApprovalAnswered& e) {
    Held* held = pending(e.approval, e.task);
    if (held == nullptr) return found("answer to no pending approval");
    const bool yes = e.answer == domain::Answer::kOnce || e.answer == domain::Answer::kForTask;
    held->state = yes ? domain::ApprovalState::kGranted : domain::ApprovalState::kRefused;
  }
  void operator()(const ApprovalConsumed& e) {
    const auto held = story_.approvals_.find(e.approval);
    if (held == story_.approvals_.end() || held->second.task != e.task ||
        held->second.state != domain::ApprovalState::kGranted) {
      return found("approval used that was not there to use");
    }
    held->second.state = domain::ApprovalState::kConsumed;
  }
  void operator()(const ApprovalExpired& e) {
    const auto held = story_.approvals_.find(e.approval);
    if (held == story_.approvals_.end()) return found("expiry of an unknown approval");
    held->second.state = domain::ApprovalState::kExpired;
  }

  void operator()(const ReceiptSigned& e) {
    Task* task = known(e.task);
    if (task == nullptr) return;
    if (task->state != domain::State::kClosed) found("receipt of a task that is not closed");
    if (std::exchange(task->receipt, true)) found("receipt signed twice");
  }

  // Kinds without an order of their own.
  void operator()(const ServerStarted&) {}
  void operator()(const ServerStopped&) {}
  void operator()(const KeyCreated&) {}
  void operator()(const KeyActivated&) {}
  void operator()(const KeyRevoked&) {}
  void operator()(const KeyRetired&) {}
  void operator()(const RootRewrapped&) {}
  void operator()(const ServerRestored&) {}
  void operator()(const ResourceApplied&) {}
  void operator()(const TokenRevoked&) {}
  void operator()(const HandleRevoked&) {}
  void operator()(const DecisionsRepeated& e) {
    if (e.task) known(*e.task);
  }
  void operator()(const Signal&) {}

 private:
  void found(Reason rule) { findings_.push_back({index_, kind_, rule, task_}); }

  Task* known(TaskId id) {
    const auto at = story_.tasks_.find(id);
    if (at != story_.tasks_.end()) return &at->second;
    found("event of a task that was never opened");
    return nullptr;
  }

  // The task itself or the nearest task above it that is not active: nothing new may happen then.
  const Task* stopped(const Task& task) const {
    if (task.state != domain::State::kActive) return &task;
    const Task* at = &task;
    for (int up = 0; at->parent && up <= kMaxDepth; ++up) {
      const auto above = story_.tasks_.find(*at->parent);
      if (above == story_.tasks_.end()) return nullptr;
      at = &above->second;
      if (at->state == domain::State::kClosed) return at;
    }
    return nullptr;
  }

  void child(TaskId parent_id, const TaskOpened& e) {
    Task* parent = known(parent_id);
    if (parent == nullptr) return;
    parent->children.push_back(e.task);
    if (stopped(*parent)) found("child opened by a stopped task");
    if (e.deadline > parent->deadline) found("child's deadline after its parent's");
    if (!domain::within(e.grants, parent->grants)) found("child's grants exceed its parent's");
    if (e.depth != parent->depth + 1) found("child's depth is not its parent's and one");
  }

  Held* pending(ApprovalId id, TaskId task) {
    const auto held = story_.approvals_.find(id);
    if (held == story_.approvals_.end() || held->second.task != task ||
        held->second.state != domain::ApprovalState::kPending) {
      return nullptr;
    }
    return &held->second;
  }

  static constexpr int kMaxDepth = 64;  // ends the walk also over a log that lies about parents
  Story& story_;
  std::uint64_t index_;
  WallTime time_;
  std::string_view kind_;
  std::optional<TaskId> task_;
  std::vector<Finding> findings_;
};

std::vector<Story::Finding> Story::add(std::uint64_t index, const Entry& entry) {
  Check check(*this, index, entry);
  std::visit(check, entry.event);
  return check.take();
}

std::vector<Story::Finding> Story::finish() const {
  std::vector<Finding> out;
  for (const auto& [id, task] : tasks_) {
    if (task.state != domain::State::kClosed) continue;
    for (const TaskId child : task.children) {
      if (tasks_.at(child).state != domain::State::kClosed) {
        out.push_back(
            {task.closed_at, TaskClosed::kKind, "task closed without closing its child", child});
      }
    }
  }
  std::ranges::sort(out, {}, [](const Finding& f) { return std::pair(f.index, f.task); });
  return out;
}

}  // namespace stint::audit
