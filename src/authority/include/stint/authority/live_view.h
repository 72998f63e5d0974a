#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/id.h"
#include "stint/domain/task.h"
#include "stint/rt/cancel.h"

namespace stint::authority {

// An open task as this node sees it. Shared by the view and by the calls in progress.
// Threads: any.
class LiveTask {
 public:
  explicit LiveTask(std::shared_ptr<const domain::Task> task);

  std::shared_ptr<const domain::Task> task() const;
  // Whether anything new may happen: closed, paused, past its end, or this token revoked.
  // Errors: kTaskClosed, kTaskPaused, kExpired, kRevoked.
  Status live(TokenId token, WallTime now) const;
  Status live(WallTime now) const;

  // Cancelled when the task closes or pauses; a resumed task has a new one. Take it before live():
  // a close in between is then seen by one of the two.
  rt::CancelToken cancelled() const;

  // Activity and presence, for the idle and presence limits. Monotonic; cheap.
  void touch(WallTime now);
  void present(WallTime now);
  WallTime last_used() const;
  WallTime last_present() const;

  // What a task without a budget has used, for its receipt. With a budget the commits count: a
  // budget must not be forgotten by a crash.
  void count_request();
  void add_bytes_out(std::int64_t n);
  domain::Spend spend() const;

 private:
  friend class LiveView;
  void update(std::shared_ptr<const domain::Task> task);
  void revoke(TokenId token, WallTime expires);

  mutable std::mutex mutex_;
  std::shared_ptr<const domain::Task> task_;
  rt::CancelSource cancel_;
  std::unordered_map<TokenId, WallTime> revoked_;  // until they expire by themselves
  std::atomic<std::int64_t> last_used_ms_, last_present_ms_, requests_, bytes_out_;
};

// Every open task, kept current by the commits of the store: a change is here before the command
// that made it is acknowledged. So what this node acknowledged, this node refuses (rule 5).
//
// Threads: any. Limits: about 1 KB an open task (bench/).
// Closed:  a task that is not here is closed, or was never opened: kTaskClosed. A view that has not
//          been confirmed within `max_age` answers kStale to everything.
class LiveView {
 public:
  explicit LiveView(std::chrono::milliseconds max_age);

  Result<std::shared_ptr<LiveTask>> find(TaskId id, MonoTime now) const;
  // The same whatever the view's age, for what keeps it current; null: not here.
  std::shared_ptr<LiveTask> known(TaskId id) const;
  std::size_t size() const;
  std::chrono::milliseconds age(MonoTime now) const;

  // Every open task, for sweeps and lists. Linear.
  std::vector<std::shared_ptr<LiveTask>> all() const;

  // --- for what was committed, here or elsewhere, in the order of the log ---
  void add(std::shared_ptr<const domain::Task> task);  // opened; nothing when it is closed or known
  void put(std::shared_ptr<const domain::Task> task);  // changed or closed; nothing when not here
  void revoke(TaskId task, TokenId token, WallTime expires);
  // Everything that was committed anywhere before `asked` is here.
  void confirm(MonoTime asked);

 private:
  static constexpr std::size_t kShards = 64;
  struct Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<TaskId, std::shared_ptr<LiveTask>> tasks;
  };
  Shard& shard(TaskId id) { return shards_[id.bytes()[15] % kShards]; }
  const Shard& shard(TaskId id) const { return shards_[id.bytes()[15] % kShards]; }

  std::array<Shard, kShards> shards_;
  std::atomic<std::size_t> size_{0};
  const std::chrono::milliseconds max_age_;
  std::atomic<MonoTime::rep> confirmed_{0};
};

}  // namespace stint::authority
