#include <algorithm>

#include "facts_json.h"
#include "impl.h"
#include "stint/domain/json.h"
#include "stint/vault/vault.h"

namespace stint::authority {
namespace {

audit::Verdict to_audit(policy::Outcome outcome) {
  switch (outcome) {
    case policy::Outcome::kPermit: return audit::Verdict::kPermit;
    case policy::Outcome::kDeny: return audit::Verdict::kDeny;
    case policy::Outcome::kAsk: return audit::Verdict::kAsk;
  }
  __builtin_trap();
}

policy::Decision denied(policy::Decision because, std::string_view reason) {
  because.outcome = policy::Outcome::kDeny;
  because.reason = reason;
  return because;
}

}  // namespace

bool Authority::Impl::budgeted(const domain::Task& task) const {
  if (task.budget.requests || task.budget.bytes_out) return true;
  for (auto parent = task.parent; parent;) {
    const auto live = view.find(*parent, parts.clock.mono());
    if (!live) return true;  // cannot tell: take the way that looks at the rows
    const auto above = (*live)->task();
    if (above->budget.requests || above->budget.bytes_out) return true;
    parent = above->parent;
  }
  return false;
}

Status Authority::Impl::record(store::Tx& tx, Changes& changes, const CallRequest& r,
                               const Directory& dir, const policy::Facts& facts,
                               const policy::Decision& decision, DecisionId id,
                               std::optional<ApprovalId> approval, WallTime at) {
  const bool permit = decision.outcome == policy::Outcome::kPermit;
  if (permit && budgeted(*STINT_TRY(view.find(r.task, parts.clock.mono()))->task())) {
    // Reserved before the call, from the task and from all above it, in the rows: two calls cannot
    // take the same last request, and a crash forgets none.
    for (std::optional<TaskId> next = r.task; next;) {
      domain::Task row = STINT_TRY(load_task(tx, *next));
      STINT_TRY(domain::live(row, {at, at}, at));
      const auto rest = domain::left(row.budget, row.spend);
      if (rest.requests == 0 || rest.bytes_out == 0)
        return fail(Errc::kLimit, "the budget is used up");
      ++row.spend.requests;
      ++row.version;
      update_task(tx, row);
      next = row.parent;
      changes.tasks.push_back(std::make_shared<const domain::Task>(std::move(row)));
    }
  }
  audit::Decided event{.decision = id,
                       .task = r.task,
                       .agent = facts.agent.name,
                       .human = facts.human ? std::optional(facts.human->id) : std::nullopt,
                       .token = r.token,
                       .verdict = to_audit(decision.outcome),
                       .reason = std::string(decision.reason),
                       .policies = decision.policies,
                       .approvers = decision.approvers,
                       .approval = approval,
                       .upstream = r.call.upstream,
                       .action = r.call.action,
                       .action_class = r.call.action_class,
                       .resource = r.call.resource,
                       .method = r.call.method,
                       .target = r.call.target,
                       .facts = facts_to_json(facts),
                       .source_ip = r.request.ip};
  if (r.call.action_class != domain::ActionClass::kRead) event.call = domain::digest(r.call);
  append(tx, at, event);
  if (!permit) return {};
  const auto* upstream = dir.upstream(r.call.upstream);
  if (upstream != nullptr && upstream->upstream.inject) {
    const std::string& name = upstream->upstream.inject->credential;
    append(tx, at,
           audit::CredentialReleased{
               .decision = id,
               .task = r.task,
               .credential = name,
               .version = static_cast<std::int64_t>(parts.vault.version(name).value_or(0)),
               .upstream = r.call.upstream});
  }
  return {};
}

rt::Co<Result<Verdict>> Authority::decide(CallRequest request) {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  const auto live = impl->view.find(request.task, impl->parts.clock.mono());
  if (!live) co_return fail(live.error());
  STINT_CO_TRY((*live)->live(request.token, now));
  const auto task = (*live)->task();
  const auto dir = impl->directory();
  STINT_CO_TRY(impl->agent_may_work(*dir, task->agent));
  policy::Facts facts = impl->call_facts(*dir, *task, request, now);
  policy::Decision decision = dir->policies().decide(facts);
  const DecisionId id = make_decision_id(now, impl->parts.entropy);

  if (decision.outcome == policy::Outcome::kAsk && !request.approvable)
    decision = denied(std::move(decision), "the call is too large for a person to be asked about");
  if (decision.outcome == policy::Outcome::kAsk)
    co_return co_await impl->ask(std::move(request), dir, std::move(facts), std::move(decision), id,
                                 now);

  const bool permit = decision.outcome == policy::Outcome::kPermit;
  if (permit) {
    (*live)->touch(now);
    (*live)->count_request();
  }
  const bool may_follow =
      !permit || (request.call.action_class == domain::ActionClass::kRead &&
                  !impl->settings.strict_audit && !impl->budgeted(*task));
  Verdict verdict{.id = id, .decision = decision};
  if (permit) verdict.permit = Permit(id, request.task, request.call.upstream);
  const bool close_task = decision.close;
  const TaskId task_id = request.task;
  if (may_follow) {
    STINT_CO_TRY(impl->parts.store.deferred(
        [impl, r = std::move(request), dir, facts = std::move(facts),
         decision = std::move(decision), id, now](store::Tx& tx) -> Result<bool> {
          Changes none;
          STINT_TRY(impl->record(tx, none, r, *dir, facts, decision, id, std::nullopt, now));
          return true;
        }));
  } else {
    const auto recorded = co_await impl->commit(
        [impl, r = std::move(request), dir, facts = std::move(facts),
         decision = std::move(decision), id, now](store::Tx& tx, Changes& changes) -> Result<bool> {
          STINT_TRY(impl->record(tx, changes, r, *dir, facts, decision, id, std::nullopt, now));
          return true;
        });
    if (!recorded) co_return fail(recorded.error());
  }
  if (close_task) {
    const auto closed = co_await close(task_id, domain::How::kRisk, Actor::system("policy"));
    if (!closed) co_return fail(closed.error());
  }
  co_return verdict;
}

rt::Co<Result<Verdict>> Authority::Impl::ask(CallRequest r, std::shared_ptr<const Directory> dir,
                                             policy::Facts facts, policy::Decision decision,
                                             DecisionId id, WallTime at) {
  co_return co_await commit([this, r = std::move(r), dir = std::move(dir),
                             facts = std::move(facts), decision = std::move(decision), id,
                             at](store::Tx& tx, Changes& changes) -> Result<Verdict> {
    return ask_in(tx, changes, r, *dir, facts, decision, id, at);
  });
}

Result<Verdict> Authority::Impl::ask_in(store::Tx& tx, Changes& changes, const CallRequest& r,
                                        const Directory& dir, const policy::Facts& facts,
                                        const policy::Decision& decision, DecisionId id,
                                        WallTime at) {
  const domain::Task task = STINT_TRY(load_task(tx, r.task));
  STINT_TRY(domain::live(task, {at, at}, at));
  const crypto::Digest digest = domain::digest(r.call);

  std::optional<domain::Approval> pending;
  std::size_t open = 0;
  for (const auto& body :
       tx.rows<std::string>("SELECT body FROM approval WHERE task = $1 AND state IN "
                            "('pending', 'granted', 'refused') ORDER BY created DESC LIMIT 1000",
                            r.task)) {
    domain::Approval a = STINT_TRY(domain::decode_approval(body));
    const bool same = crypto::equal(crypto::view(a.call_digest), crypto::view(digest));
    const bool current = at < a.expires;
    if (a.state == domain::ApprovalState::kPending && current) {
      ++open;
      if (same) pending = std::move(a);
      continue;
    }
    if (a.state == domain::ApprovalState::kRefused) {
      if (!same || !current) continue;
      // A no stands until the question would have expired: asking again is not a way round it.
      const auto no = denied(decision, "an approver refused this call");
      STINT_TRY(record(tx, changes, r, dir, facts, no, id, a.id, at));
      return Verdict{.id = id, .decision = no};
    }
    if (!domain::consume(a, r.call, at)) continue;
    policy::Facts lifted = facts;
    lifted.approval = policy::ApprovalFacts{
        .granted = true,
        .by = a.answered_by,
        .age_seconds =
            std::chrono::duration_cast<std::chrono::seconds>(at - a.answered.value_or(at)).count(),
        .four_eyes = task.human != a.answered_by};
    policy::Decision again = dir.policies().decide(lifted);
    if (again.outcome == policy::Outcome::kAsk)
      again = denied(again, "the approval does not lift this denial");
    STINT_TRY(record(tx, changes, r, dir, lifted, again, id, a.id, at));
    Verdict verdict{.id = id, .decision = again};
    if (again.outcome != policy::Outcome::kPermit) return verdict;
    if (a.state == domain::ApprovalState::kConsumed) {
      update_approval(tx, a);
      append(tx, at, audit::ApprovalConsumed{.approval = a.id, .task = r.task, .decision = id});
    }
    verdict.permit = Permit(id, r.task, r.call.upstream);
    return verdict;
  }
  if (tx.error()) return fail(*tx.error());

  if (!pending) {
    if (open >= settings.pending_approvals_per_task)
      return fail(Errc::kLimit, "too many approvals are pending for this task");
    pending = domain::Approval{.id = ApprovalId::random(parts.entropy),
                               .call = r.call,
                               .call_digest = digest,
                               .words = r.words,
                               .groups = decision.approvers,
                               .four_eyes = decision.four_eyes,
                               .for_task_allowed = decision.for_task,
                               .requested = at,
                               .expires = at + settings.approval_ttl};
    insert_approval(tx, *pending);
    append(tx, at,
           audit::ApprovalRequested{.approval = pending->id,
                                    .task = r.task,
                                    .decision = id,
                                    .call = digest,
                                    .words = pending->words,
                                    .groups = pending->groups,
                                    .four_eyes = pending->four_eyes,
                                    .for_task_allowed = pending->for_task_allowed,
                                    .expires = pending->expires});
  }
  STINT_TRY(record(tx, changes, r, dir, facts, decision, id, pending->id, at));
  return Verdict{.id = id, .decision = decision, .approval = std::move(pending)};
}

Result<std::optional<Released>> Authority::release(const Permit& permit, WallTime now) {
  const auto live = impl_->view.find(permit.task(), impl_->parts.clock.mono());
  if (!live) return fail(live.error());
  STINT_TRY((*live)->live(now));
  const auto dir = impl_->directory();
  const auto* upstream = dir->upstream(permit.upstream());
  if (upstream == nullptr) return fail(Errc::kNotFound, "the upstream is gone");
  if (!upstream->upstream.inject) return std::optional<Released>();
  const std::string& name = upstream->upstream.inject->credential;
  auto opened = impl_->parts.vault.release(name);
  if (!opened) return fail(opened.error());
  return std::optional(
      Released{.credential = name, .version = opened->version, .value = std::move(opened->secret)});
}

Status Authority::outcome(const Permit& permit, const CallOutcome& outcome) {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  if (const auto live = impl->view.find(permit.task(), impl->parts.clock.mono()))
    (*live)->add_bytes_out(outcome.bytes_out);
  return impl->parts.store.deferred([impl, now, outcome, decision = permit.decision(),
                                     task = permit.task()](store::Tx& tx) -> Result<bool> {
    append(tx, now,
           audit::Outcome{.decision = decision,
                          .task = task,
                          .ending = outcome.ending,
                          .status = static_cast<int>(outcome.status),
                          .bytes_in = outcome.bytes_in,
                          .bytes_out = outcome.bytes_out,
                          .duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                             outcome.duration)
                                             .count()});
    const auto live = impl->view.find(task, impl->parts.clock.mono());
    if (live && (*live)->task()->budget.bytes_out) {
      domain::Task row = STINT_TRY(Impl::load_task(tx, task));
      row.spend.bytes_out += outcome.bytes_out;
      Impl::update_task(tx, row);
    }
    return true;
  });
}

}  // namespace stint::authority
