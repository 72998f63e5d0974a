// What other nodes committed, put into this node's view. Events say what changed; where they do not
// say how, the rows do, which are as new as the event or newer.
#include <set>

#include "impl.h"
#include "load.h"
#include "stint/domain/json.h"
#include "stint/vault/vault.h"

namespace stint::authority {

// One run of foreign events.
class Authority::Impl::Following {
 public:
  explicit Following(Impl& impl) : impl_(impl) {}

  Status take(const store::EventView& e) {
    if (e.kind == audit::TaskOpened::kKind) {
      opened_.insert(*e.task);
    } else if (e.kind == audit::TaskPaused::kKind || e.kind == audit::TaskResumed::kKind ||
               e.kind == audit::TaskNarrowed::kKind) {
      changed_.insert(*e.task);
    } else if (e.kind == audit::HandleUsed::kKind || e.kind == audit::Outcome::kKind ||
               e.kind == audit::Decided::kKind) {
      STINT_TRY(used(e));
    } else if (e.kind == audit::ResourceApplied::kKind) {
      configured_ = true;
    } else if (e.kind.starts_with("key.")) {
      keys_ = true;
    } else if (e.kind == audit::RootRewrapped::kKind) {
      // What this process would seal from now on nobody could open. It follows no further, and so
      // neither decides nor writes.
      return fail(Errc::kWrongKey,
                  "the store is sealed under another root key now: restart this node with it");
    } else if (e.kind == audit::TaskClosed::kKind || e.kind == audit::TokenRevoked::kKind ||
               e.kind == audit::ApprovalAnswered::kKind ||
               e.kind == audit::ApprovalExpired::kKind) {
      const auto entry = STINT_TRY(audit::parse(e.bytes));
      if (const auto* closed = std::get_if<audit::TaskClosed>(&entry.event)) close(*closed, e.time);
      if (const auto* revoked = std::get_if<audit::TokenRevoked>(&entry.event))
        revoked_.push_back({revoked->task, revoked->token, e.time + kTokenLife});
      if (const auto* answered = std::get_if<audit::ApprovalAnswered>(&entry.event))
        impl_.settled(answered->approval);
      if (const auto* expired = std::get_if<audit::ApprovalExpired>(&entry.event))
        impl_.settled(expired->approval);
    }
    return {};
  }

  Status finish() {
    if (keys_) STINT_TRY(impl_.reload_keys());
    if (configured_) STINT_TRY(impl_.reload_directory());
    if (!opened_.empty() || !changed_.empty()) STINT_TRY(read_rows());
    // Once all else is done: the same events may come again, and tasks of this run are there now.
    for (const auto& r : revoked_) impl_.view.revoke(r.task, r.token, r.expires);
    for (const auto& [live, bytes] : spent_) {
      live->count_request();
      live->add_bytes_out(bytes);
    }
    return {};
  }

 private:
  // A token's end is not in the event; none lives longer.
  static constexpr std::chrono::hours kTokenLife{24};

  // At once: who closed it has been told that nothing more happens.
  void close(const audit::TaskClosed& closed, WallTime at) {
    const auto live = impl_.view.known(closed.task);
    if (!live) return;
    domain::Task task = *live->task();
    domain::close(task, closed.how, at);
    impl_.view.put(std::make_shared<const domain::Task>(std::move(task)));
  }

  // Keeps the idle limit from striking here while the task is busy there.
  Status used(const store::EventView& e) {
    const auto live = e.task ? impl_.view.known(*e.task) : nullptr;
    if (!live) return {};
    if (e.kind != audit::Decided::kKind) live->touch(e.time);
    for (auto at = live; at;) {
      const auto task = at->task();
      if (has_budget(*task)) changed_.insert(task->id);
      at = task->parent ? impl_.view.known(*task->parent) : nullptr;
    }
    if (e.kind != audit::Outcome::kKind) return {};
    const auto entry = STINT_TRY(audit::parse(e.bytes));
    if (const auto* outcome = std::get_if<audit::Outcome>(&entry.event))
      spent_.emplace_back(live, outcome->bytes_out);
    return {};
  }

  Status read_rows() {
    return impl_.parts.store.read([&](store::Reader& reader) -> Status {
      for (const TaskId id : opened_) STINT_TRY(read(reader, id, true));
      for (const TaskId id : changed_)
        if (!opened_.contains(id)) STINT_TRY(read(reader, id, false));
      return {};
    });
  }

  Status read(store::Reader& reader, TaskId id, bool opened) {
    auto row = load_task(reader, id);
    if (!row && row.error().code == Errc::kNotFound) return {};
    if (!row) return fail(row.error());
    const auto task = std::make_shared<const domain::Task>(*std::move(row));
    if (opened) impl_.view.add(task);
    impl_.view.put(task);
    return {};
  }

  Impl& impl_;
  std::set<TaskId> opened_, changed_;
  std::vector<Changes::Revoked> revoked_;
  std::vector<std::pair<std::shared_ptr<LiveTask>, std::int64_t>> spent_;  // bytes out of a call
  bool configured_ = false, keys_ = false;
};

Status Authority::Impl::follow(std::span<const store::EventView> events) {
  Following following(*this);
  for (const store::EventView& e : events) STINT_TRY(following.take(e));
  return following.finish();
}

Status Authority::Impl::reload_directory() {
  // Before the configuration that names them.
  STINT_TRY(parts.vault.reload(parts.store));
  const auto loaded = STINT_TRY(parts.store.read(load_directory));
  if (loaded.version <= directory()->version()) return {};
  set_directory(
      STINT_TRY(Directory::compile(loaded.resources, loaded.version, settings.gateway_url)));
  return {};
}

}  // namespace stint::authority
