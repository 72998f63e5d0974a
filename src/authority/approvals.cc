#include <algorithm>

#include "impl.h"
#include "stint/domain/json.h"

namespace stint::authority {
namespace {

Result<domain::Approval> load(store::Reader& reader, ApprovalId id) {
  const auto body = reader.one<std::string>("SELECT body FROM approval WHERE id = $1", id);
  if (reader.error()) return fail(*reader.error());
  if (!body) return fail(Errc::kNotFound, "no such approval");
  return domain::decode_approval(*body);
}

}  // namespace

// Whose own call it is, for four eyes: the task's human or, where there is none, the agent's owner.
std::optional<std::string> Authority::Impl::answerable(const Directory& dir,
                                                       const domain::Task& task) const {
  if (task.human) return task.human;
  const auto* agent = dir.agent(task.agent);
  return agent == nullptr ? std::nullopt : std::optional(agent->agent.owner);
}

void Authority::Impl::apply(const Changes& changes) {
  if (changes.directory) set_directory(changes.directory);
  for (const auto& task : changes.opened) view.add(task);
  if (changes.keys) set_keys(changes.keys);
  for (const auto& task : changes.tasks) view.put(task);
  for (const auto& r : changes.revoked) view.revoke(r.task, r.token, r.expires);
  for (const auto& list : changes.announced) list->announced.store(true, std::memory_order_relaxed);
  for (const ApprovalId id : changes.settled) settled(id);
}

void Authority::Impl::settled(ApprovalId id) {
  std::shared_ptr<rt::SharedEvent> event;
  {
    const std::lock_guard lock(answers_mutex_);
    const auto at = answers_.find(id);
    if (at == answers_.end()) return;
    event = at->second.lock();
    answers_.erase(at);
  }
  if (event) event->set();
}

std::shared_ptr<rt::SharedEvent> Authority::Impl::answer_event(ApprovalId id) {
  const std::lock_guard lock(answers_mutex_);
  if (answers_.size() > 4096)  // waiters that went away leave an expired pointer behind
    std::erase_if(answers_, [](const auto& entry) { return entry.second.expired(); });
  auto& slot = answers_[id];
  auto event = slot.lock();
  if (!event) slot = event = std::make_shared<rt::SharedEvent>();
  return event;
}

Result<domain::Approval> Authority::approval(ApprovalId id) {
  return impl_->parts.store.read([&](store::Reader& reader) { return load(reader, id); });
}

Result<std::vector<domain::Approval>> Authority::approvals(const ApprovalQuery& q) {
  const auto state = q.state ? std::optional(domain::text(*q.state)) : std::nullopt;
  const auto bodies = impl_->parts.store.read([&](store::Reader& reader) {
    return reader.rows<std::string>(
        "SELECT body FROM approval WHERE (task = $1 OR $1 IS NULL) AND (state = $2 OR $2 IS NULL) "
        "AND ((created, id) < (SELECT created, id FROM approval WHERE id = $3) OR $3 IS NULL) "
        "ORDER BY created DESC, id DESC LIMIT $4",
        q.task, state, q.after, std::min<std::size_t>(q.limit, 1000));
  });
  if (!bodies) return fail(bodies.error());
  std::vector<domain::Approval> out;
  for (const auto& body : *bodies) out.push_back(STINT_TRY(domain::decode_approval(body)));
  return out;
}

rt::Co<Result<domain::Approval>> Authority::answer(ApprovalId id, domain::Answer given,
                                                   std::string human,
                                                   std::vector<std::string> groups) {
  Impl* impl = impl_.get();
  co_return co_await impl->commit([=, human = std::move(human), groups = std::move(groups)](
                                      store::Tx& tx, Changes& changes) -> Result<domain::Approval> {
    const WallTime now = impl->now();
    domain::Approval a = STINT_TRY(load(tx, id));
    const domain::Task task = STINT_TRY(Impl::load_task(tx, a.call.task));
    if (task.state == domain::State::kClosed) return fail(Errc::kTaskClosed, "the task is closed");
    STINT_TRY(
        domain::answer(a, given, human, groups, impl->answerable(*impl->directory(), task), now));
    Impl::update_approval(tx, a);
    append(
        tx, now,
        audit::ApprovalAnswered{
            .approval = id, .task = task.id, .answer = given, .actor = audit::Actor::human(human)});
    changes.settled.push_back(id);
    if (given == domain::Answer::kNoAndEnd)
      STINT_TRY(impl->close_subtree(tx, changes, task.id, domain::How::kRevoked,
                                    Actor::human(human), now));
    return a;
  });
}

rt::Co<bool> Authority::await_answer(ApprovalId id, rt::Deadline deadline, rt::CancelToken cancel) {
  const auto event = impl_->answer_event(id);
  // Registered first: an answer between this look and the wait sets the event.
  const auto now = approval(id);
  if (now && now->state != domain::ApprovalState::kPending) co_return true;
  std::vector<rt::SharedEvent> events{*event};
  if (cancel.event()) events.push_back(*cancel.event());
  const auto which = co_await rt::wait_any(std::move(events), deadline);
  co_return which && *which == 0;
}

}  // namespace stint::authority
