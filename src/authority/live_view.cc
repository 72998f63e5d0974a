#include "stint/authority/live_view.h"

namespace stint::authority {
namespace {

std::int64_t ms(WallTime t) { return unix_millis(t); }

void raise_to(std::atomic<std::int64_t>& at_least, std::int64_t value) {
  std::int64_t seen = at_least.load(std::memory_order_relaxed);
  while (seen < value && !at_least.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

// No token lives longer than policy may ever allow; one that ended so long before another's end has
// expired whatever the clock says now.
constexpr std::chrono::hours kKept{24};

}  // namespace

LiveTask::LiveTask(std::shared_ptr<const domain::Task> task)
    : task_(std::move(task)),
      last_used_ms_(ms(task_->last_used)),
      last_present_ms_(ms(task_->last_present)),
      requests_(task_->spend.requests),
      bytes_out_(task_->spend.bytes_out) {}

std::shared_ptr<const domain::Task> LiveTask::task() const {
  const std::lock_guard lock(mutex_);
  return task_;
}

Status LiveTask::live(WallTime now) const {
  return domain::live(*task(), {last_used(), last_present()}, now);
}

Status LiveTask::live(TokenId token, WallTime now) const {
  STINT_TRY(live(now));
  const std::lock_guard lock(mutex_);
  if (revoked_.contains(token)) return fail(Errc::kRevoked, "the token is revoked");
  return {};
}

rt::CancelToken LiveTask::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancel_.token();
}

void LiveTask::touch(WallTime now) { raise_to(last_used_ms_, ms(now)); }
void LiveTask::present(WallTime now) { raise_to(last_present_ms_, ms(now)); }
WallTime LiveTask::last_used() const {
  return from_unix_millis(last_used_ms_.load(std::memory_order_relaxed));
}
WallTime LiveTask::last_present() const {
  return from_unix_millis(last_present_ms_.load(std::memory_order_relaxed));
}

void LiveTask::count_request() { requests_.fetch_add(1, std::memory_order_relaxed); }
void LiveTask::add_bytes_out(std::int64_t n) { bytes_out_.fetch_add(n, std::memory_order_relaxed); }

domain::Spend LiveTask::spend() const {
  return {.requests = requests_.load(std::memory_order_relaxed),
          .bytes_out = bytes_out_.load(std::memory_order_relaxed)};
}

void LiveTask::update(std::shared_ptr<const domain::Task> task) {
  const bool stops = task->state != domain::State::kActive;
  rt::CancelSource fired;
  {
    const std::lock_guard lock(mutex_);
    // A row that was read anew may be later than the commit that is told of: never go back.
    if (task->version < task_->version) return;
    const bool resumes =
        task_->state != domain::State::kActive && task->state == domain::State::kActive;
    raise_to(last_used_ms_, ms(task->last_used));
    raise_to(last_present_ms_, ms(task->last_present));
    if (task->budget.requests || task->budget.bytes_out) {  // counted by the commits themselves
      requests_.store(task->spend.requests, std::memory_order_relaxed);
      bytes_out_.store(task->spend.bytes_out, std::memory_order_relaxed);
    }
    task_ = std::move(task);
    fired = cancel_;
    if (resumes) cancel_ = rt::CancelSource();
  }
  if (stops) fired.cancel();
}

void LiveTask::revoke(TokenId token, WallTime expires) {
  const std::lock_guard lock(mutex_);
  // A token that has expired since needs no memory: its own time refuses it.
  if (revoked_.size() >= 64)
    std::erase_if(revoked_, [&](const auto& r) { return r.second + kKept < expires; });
  revoked_.insert_or_assign(token, expires);
}

LiveView::LiveView(std::chrono::milliseconds max_age) : max_age_(max_age) {}

std::shared_ptr<LiveTask> LiveView::known(TaskId id) const {
  const Shard& s = shard(id);
  const std::shared_lock lock(s.mutex);
  const auto at = s.tasks.find(id);
  return at == s.tasks.end() ? nullptr : at->second;
}

Result<std::shared_ptr<LiveTask>> LiveView::find(TaskId id, MonoTime now) const {
  if (age(now) > max_age_) return fail(Errc::kStale, "the view of live tasks is stale");
  auto live = known(id);
  if (!live) return fail(Errc::kTaskClosed, "the task is closed");
  return live;
}

std::size_t LiveView::size() const { return size_.load(std::memory_order_relaxed); }

std::chrono::milliseconds LiveView::age(MonoTime now) const {
  const MonoTime confirmed{MonoTime::duration(confirmed_.load(std::memory_order_acquire))};
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - confirmed);
}

std::vector<std::shared_ptr<LiveTask>> LiveView::all() const {
  std::vector<std::shared_ptr<LiveTask>> out;
  out.reserve(size());
  for (const Shard& s : shards_) {
    const std::shared_lock lock(s.mutex);
    for (const auto& [id, task] : s.tasks) out.push_back(task);
  }
  return out;
}

void LiveView::add(std::shared_ptr<const domain::Task> task) {
  if (task->state == domain::State::kClosed) return;
  const TaskId id = task->id;  // a call's arguments are made in any order: `task` moves in one
  Shard& s = shard(id);
  auto live = std::make_shared<LiveTask>(std::move(task));
  const std::unique_lock lock(s.mutex);
  if (s.tasks.emplace(id, std::move(live)).second) size_.fetch_add(1, std::memory_order_relaxed);
}

// Never brings a task back: what is not here may have been closed by what came after this.
void LiveView::put(std::shared_ptr<const domain::Task> task) {
  Shard& s = shard(task->id);
  std::shared_ptr<LiveTask> live;
  {
    const std::unique_lock lock(s.mutex);
    const auto at = s.tasks.find(task->id);
    if (at == s.tasks.end()) return;
    live = at->second;
    if (task->state == domain::State::kClosed) {
      s.tasks.erase(at);
      size_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  // Outside the shard's lock: it wakes those who wait on the task.
  live->update(std::move(task));
}

void LiveView::revoke(TaskId task, TokenId token, WallTime expires) {
  Shard& s = shard(task);
  const std::shared_lock lock(s.mutex);
  if (const auto at = s.tasks.find(task); at != s.tasks.end()) at->second->revoke(token, expires);
}

void LiveView::confirm(MonoTime asked) {
  // Answers may come in another order than the questions.
  MonoTime::rep seen = confirmed_.load(std::memory_order_relaxed);
  const MonoTime::rep then = asked.time_since_epoch().count();
  while (seen < then && !confirmed_.compare_exchange_weak(seen, then, std::memory_order_release)) {
  }
}

}  // namespace stint::authority
