#include <algorithm>

#include "impl.h"
#include "stint/domain/json.h"

namespace stint::authority {
namespace {

// Every descendant, whatever the state of the ones between: an expired or closed middle must not
// hide a live grandchild. UNION, not UNION ALL: a cycle, which cannot be, would still end.
constexpr store::Sql kSubtree = R"sql(
  WITH RECURSIVE subtree(id) AS (
    SELECT id FROM task WHERE id = $1
    UNION SELECT t.id FROM task t JOIN subtree s ON t.parent = s.id)
  SELECT body FROM task WHERE id IN (SELECT id FROM subtree) AND state <> 'closed'
  ORDER BY depth, id)sql";
constexpr store::Sql kPending =
    "SELECT body FROM approval WHERE task = $1 AND state = 'pending' LIMIT 1000";

}  // namespace

Result<Closed> Authority::Impl::close_subtree(store::Tx& tx, Changes& changes, TaskId root,
                                              domain::How how, const Actor& actor, WallTime at) {
  announce_task(tx, root);
  tx.announce(kSubtree, root);
  tx.announce(kPending, root);
  const auto root_task = load_task(tx, root);
  if (!root_task) return fail(root_task.error());
  Closed closed{.task = root, .how = root_task->how.value_or(how)};
  std::vector<domain::Task> open;
  for (const std::string& body : tx.rows<std::string>(kSubtree, root)) {
    open.push_back(STINT_TRY(domain::decode_task(body)));
    if (open.back().id != root) tx.announce(kPending, open.back().id);
  }
  for (domain::Task& task : open) {
    if (!task.budget.requests && !task.budget.bytes_out)
      if (const auto live = view.find(task.id, parts.clock.mono())) task.spend = (*live)->spend();
    domain::close(task, task.id == root ? how : domain::How::kParentClosed, at);
    update_task(tx, task);
    tx.put("UPDATE handle SET state = 'revoked' WHERE task = $1 AND state = 'live'", task.id);
    tx.put("INSERT INTO owed (kind, task, since, next, body) VALUES ('receipt', $1, $2, $2, '{}')",
           task.id, at);
    STINT_TRY(settle_approvals(tx, changes, task.id, at));
    append(tx, at,
           audit::TaskClosed{
               .task = task.id, .how = *task.how, .actor = to_audit(actor), .spend = task.spend});
    changes.tasks.push_back(std::make_shared<const domain::Task>(std::move(task)));
    ++closed.count;
  }
  if (tx.error()) return fail(*tx.error());
  // Closing a closed task changes nothing, and says so.
  if (closed.count == 0) tx.no_event();
  closed.acknowledged = at;
  return closed;
}

// Nobody is asked any more, and whoever waits for an answer hears so at once.
Status Authority::Impl::settle_approvals(store::Tx& tx, Changes& changes, TaskId task,
                                         WallTime at) {
  for (const auto& body : tx.rows<std::string>(kPending, task)) {
    domain::Approval a = STINT_TRY(domain::decode_approval(body));
    a.state = domain::ApprovalState::kExpired;
    ++a.version;
    update_approval(tx, a);
    append(tx, at, audit::ApprovalExpired{.approval = a.id, .task = task});
    changes.settled.push_back(a.id);
  }
  return {};
}

rt::Co<Result<Closed>> Authority::close(TaskId task, domain::How how, Actor actor) {
  Impl* impl = impl_.get();
  auto closed = co_await impl->commit(
      [=, actor = std::move(actor)](store::Tx& tx, Changes& changes) -> Result<Closed> {
        return impl->close_subtree(tx, changes, task, how, actor, impl->now());
      });
  if (closed) closed->acknowledged = impl->now();
  co_return closed;
}

rt::Co<Result<domain::Task>> Authority::pause(TaskId id, domain::Why why, Actor actor) {
  Impl* impl = impl_.get();
  co_return co_await impl->commit(
      [=, actor = std::move(actor)](store::Tx& tx, Changes& changes) -> Result<domain::Task> {
        const WallTime now = impl->now();
        domain::Task task = STINT_TRY(impl->load_active(tx, id));
        if (task.state == domain::State::kPaused) {
          tx.no_event();
          return task;
        }
        STINT_TRY(domain::pause(task, why, now));
        Impl::update_task(tx, task);
        append(tx, now, audit::TaskPaused{.task = id, .why = why, .actor = to_audit(actor)});
        changes.tasks.push_back(std::make_shared<const domain::Task>(task));
        return task;
      });
}

rt::Co<Result<domain::Task>> Authority::resume(TaskId id, domain::Why gone, Actor actor) {
  Impl* impl = impl_.get();
  co_return co_await impl->commit(
      [=, actor = std::move(actor)](store::Tx& tx, Changes& changes) -> Result<domain::Task> {
        const WallTime now = impl->now();
        domain::Task task = STINT_TRY(Impl::load_task(tx, id));
        STINT_TRY(domain::resume(task, gone, now));
        Impl::update_task(tx, task);
        append(tx, now, audit::TaskResumed{.task = id, .why = gone, .actor = to_audit(actor)});
        changes.tasks.push_back(std::make_shared<const domain::Task>(task));
        return task;
      });
}

}  // namespace stint::authority
