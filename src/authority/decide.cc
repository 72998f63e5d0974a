#include <algorithm>

#include "facts_json.h"
#include "impl.h"
#include "stint/domain/json.h"
#include "stint/vault/vault.h"

namespace stint::authority {
namespace {

constexpr store::Sql kAnswers =
    "SELECT body FROM approval WHERE task = $1 AND state IN "
    "('pending', 'granted', 'refused') ORDER BY created DESC LIMIT 1000";

// What one call may take from a budget of bytes before its response is known.
constexpr std::int64_t kByteReserve = 16 * 1024 * 1024;

audit::Verdict to_audit(policy::Outcome outcome) {
  switch (outcome) {
    case policy::Outcome::kPermit:
      return audit::Verdict::kPermit;
    case policy::Outcome::kDeny:
      return audit::Verdict::kDeny;
    case policy::Outcome::kAsk:
      return audit::Verdict::kAsk;
  }
  __builtin_trap();
}

policy::Decision denied(policy::Decision because, std::string_view reason) {
  because.outcome = policy::Outcome::kDeny;
  because.reason = reason;
  return because;
}

// An answer holds for what was asked: the same class, and no group beside those who were asked.
bool lifts(const domain::Approval& a, const domain::Call& call, const policy::Decision& decision) {
  if (!std::ranges::all_of(decision.approvers, [&](const auto& group) {
        return std::ranges::find(a.groups, group) != a.groups.end();
      }))
    return false;
  return a.answer != domain::Answer::kForTask ||
         (decision.for_task && a.call.action_class == call.action_class);
}

}  // namespace

Result<Authority::Impl::Chain> Authority::Impl::live_chain(TaskId task, TokenId token,
                                                           WallTime at) const {
  Chain chain;
  for (std::optional<TaskId> next = task; next;) {
    auto live = STINT_TRY(view.find(*next, parts.clock.mono()));
    STINT_TRY(chain.empty() ? live->live(token, at) : live->live(at));
    next = live->task()->parent;
    chain.push_back(std::move(live));
  }
  return chain;
}

Result<store::EventRun> Authority::Impl::decision_events(const CallRequest& r, const Directory& dir,
                                                         const policy::Facts& facts,
                                                         const policy::Decision& decision,
                                                         DecisionId id,
                                                         std::optional<ApprovalId> approval,
                                                         WallTime at) const {
  store::EventRun out;
  const audit::Canonical facts_text = facts_to_json(facts);
  audit::DecidedView event{.decision = id,
                           .task = r.task,
                           .agent = facts.agent.name,
                           .human = {},
                           .token = r.token,
                           .verdict = to_audit(decision.outcome),
                           .reason = decision.reason,
                           .policies = decision.policies,
                           .approvers = decision.approvers,
                           .approval = approval,
                           .upstream = r.call.upstream,
                           .action = r.call.action,
                           .action_class = r.call.action_class,
                           .resource = r.call.resource,
                           .method = r.call.method,
                           .target = r.call.target,
                           .call = {},
                           .facts = facts_text,
                           .source_ip = r.request.ip};
  if (facts.human) event.human = facts.human->id;
  if (r.call.action_class != domain::ActionClass::kRead) event.call = domain::digest(r.call);
  STINT_TRY(out.add(event.kKind, r.task, at,
                    [&](std::string& text) { return audit::encode_to(text, at, event); }));
  const auto* upstream = dir.upstream(r.call.upstream);
  if (decision.outcome != policy::Outcome::kPermit || upstream == nullptr ||
      !upstream->upstream.inject)
    return out;
  const std::string& name = upstream->upstream.inject->credential;
  const audit::CredentialReleased released{
      .decision = id,
      .task = r.task,
      .credential = name,
      .version = static_cast<std::int64_t>(parts.vault.version(name).value_or(0)),
      .upstream = r.call.upstream};
  STINT_TRY(out.add(released.kKind, r.task, at,
                    [&](std::string& text) { return audit::encode_to(text, at, released); }));
  return out;
}

Permit Authority::Impl::permit_for(const CallRequest& r, std::shared_ptr<const Directory> dir,
                                   DecisionId id) const {
  Permit p;
  p.decision_ = id;
  p.task_ = r.task;
  p.token_ = r.token;
  p.kid_ = r.kid;
  p.upstream_ = r.call.upstream;
  if (const auto* u = dir->upstream(r.call.upstream); u != nullptr && u->upstream.inject)
    p.credential_version_ = parts.vault.version(u->upstream.inject->credential).value_or(0);
  p.directory_ = std::move(dir);
  return p;
}

Result<std::optional<std::int64_t>> Authority::Impl::claim(store::Tx& tx, Changes& changes,
                                                           const CallRequest& r, WallTime at) {
  STINT_TRY(keys::still_signs(tx, r.kid, std::nullopt));
  STINT_TRY(not_revoked(tx, r.token));
  std::vector<domain::Task> rows;
  std::optional<std::int64_t> bytes;
  bool any_budget = false;
  for (std::optional<TaskId> next = r.task; next;) {
    domain::Task row = STINT_TRY(load_active(tx, *next));
    STINT_TRY(domain::live(row, at));
    const auto rest = domain::left(row.budget, row.spend);
    if (rest.requests == 0 || rest.bytes_out == 0)
      return fail(Errc::kLimit, "the budget is used up");
    if (rest.bytes_out) bytes = std::min(bytes.value_or(kByteReserve), *rest.bytes_out);
    any_budget = any_budget || has_budget(row);
    next = row.parent;
    rows.push_back(std::move(row));
  }
  if (!any_budget) return bytes;
  // Taken from the task and from all above it, in their rows: two calls cannot take the same last
  // request, and a crash forgets none.
  for (domain::Task& row : rows) {
    ++row.spend.requests;
    row.spend.bytes_out += bytes.value_or(0);
    ++row.version;
    update_task(tx, row);
    changes.tasks.push_back(std::make_shared<const domain::Task>(std::move(row)));
  }
  return bytes;
}

void Authority::Impl::give_back(store::Tx& tx, Changes& changes, TaskId task, std::int64_t bytes) {
  for (std::optional<TaskId> next = task; next;) {
    auto row = load_task(tx, *next);
    if (!row) return tx.fail(row.error());
    next = row->parent;
    if (row->state == domain::State::kClosed) continue;
    row->spend.bytes_out -= bytes;
    ++row->version;
    update_task(tx, *row);
    changes.tasks.push_back(std::make_shared<const domain::Task>(*std::move(row)));
  }
}

rt::Co<Result<Verdict>> Authority::decide(CallRequest request) {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  const auto chain = impl->live_chain(request.task, request.token, now);
  if (!chain) co_return fail(chain.error());
  STINT_CO_TRY(impl->keys()->verifier.check_key(request.kid));
  const auto task = chain->front()->task();
  const auto dir = impl->directory();
  if (dir->version() != request.directory_version)
    co_return fail(Errc::kUnavailable, "the configuration changed meanwhile");
  STINT_CO_TRY(impl->agent_may_work(*dir, task->agent));
  policy::Facts facts = impl->call_facts(*dir, *task, request, now);
  policy::Decision decision = dir->policies().decide(facts);
  const DecisionId id = impl->decision_ids.make(now);

  if (decision.outcome == policy::Outcome::kAsk && !request.approvable)
    decision = denied(std::move(decision), "the call is too large for a person to be asked about");
  if (decision.outcome == policy::Outcome::kAsk) {
    auto answered = co_await impl->commit([=, r = std::move(request), facts = std::move(facts)](
                                              store::Tx& tx, Changes& changes) -> Result<Verdict> {
      return impl->ask_in(tx, changes, r, dir, facts, decision, id, now);
    });
    if (answered && answered->permit) {
      chain->front()->touch(now);
      chain->front()->count_request();
    }
    co_return answered;
  }

  // Written out before anything is permitted: what cannot be recorded cannot happen.
  auto events =
      STINT_CO_TRY(impl->decision_events(request, *dir, facts, decision, id, std::nullopt, now));
  const bool permit = decision.outcome == policy::Outcome::kPermit;
  const bool budgeted =
      std::ranges::any_of(*chain, [](const auto& live) { return has_budget(*live->task()); });
  Verdict verdict{.id = id, .decision = decision};
  if (permit) verdict.permit = impl->permit_for(request, dir, id);
  if (!permit || (request.call.action_class == domain::ActionClass::kRead &&
                  !impl->settings.strict_audit && !budgeted)) {
    // Its record cannot refuse any more: the call goes ahead of it.
    STINT_CO_TRY(impl->parts.store.record(events));
  } else {
    const auto claimed = co_await impl->commit(
        [impl, r = std::move(request), dir, events = std::move(events), now](
            store::Tx& tx, Changes& changes) -> Result<std::optional<std::int64_t>> {
          impl->announce(tx, r.task, r.token);
          keys::announce_key(tx, r.kid);
          STINT_TRY(Impl::same_directory(tx, *dir));
          const auto bytes = STINT_TRY(impl->claim(tx, changes, r, now));
          tx.append(events);
          return bytes;
        });
    if (!claimed) co_return fail(claimed.error());
    verdict.permit->byte_limit_ = *claimed;
  }
  if (permit) {
    for (const auto& live : *chain) live->touch(now);
    chain->front()->count_request();
  }
  if (decision.close) {
    const auto closed = co_await close(task->id, domain::How::kRisk, Actor::system("policy"));
    if (!closed) co_return fail(closed.error());
  }
  co_return verdict;
}

Result<Verdict> Authority::Impl::ask_in(store::Tx& tx, Changes& changes, const CallRequest& r,
                                        const std::shared_ptr<const Directory>& dir,
                                        const policy::Facts& facts,
                                        const policy::Decision& decision, DecisionId id,
                                        WallTime at) {
  announce(tx, r.task, r.token);
  keys::announce_key(tx, r.kid);
  tx.announce(kAnswers, r.task);
  STINT_TRY(same_directory(tx, *dir));
  STINT_TRY(keys::still_signs(tx, r.kid, std::nullopt));
  const domain::Task task = STINT_TRY(live_rows(tx, r.task, r.token, at)).front();
  const auto record = [&](const policy::Facts& f, const policy::Decision& d,
                          ApprovalId approval) -> Status {
    tx.append(STINT_TRY(decision_events(r, *dir, f, d, id, approval, at)));
    return {};
  };
  const crypto::Digest digest = domain::digest(r.call);
  std::optional<domain::Approval> pending;
  std::size_t open = 0;
  for (const auto& body : tx.rows<std::string>(kAnswers, r.task)) {
    domain::Approval a = STINT_TRY(domain::decode_approval(body));
    const bool same = crypto::equal(crypto::view(a.call_digest), crypto::view(digest));
    const bool current = at < a.expires;
    if (a.state == domain::ApprovalState::kPending && current) {
      ++open;
      if (same && lifts(a, r.call, decision)) pending = std::move(a);
      continue;
    }
    if (a.state == domain::ApprovalState::kRefused) {
      if (!same || !current) continue;
      // A no stands until the question would have expired: asking again is not a way round it.
      const auto no = denied(decision, "an approver refused this call");
      STINT_TRY(record(facts, no, a.id));
      return Verdict{.id = id, .decision = no};
    }
    if (!lifts(a, r.call, decision) || !domain::consume(a, r.call, at)) continue;
    policy::Facts lifted = facts;
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(at - a.answered.value_or(at));
    lifted.approval = policy::ApprovalFacts{.granted = true,
                                            .by = a.answered_by,
                                            .age_seconds = age.count(),
                                            .four_eyes = answerable(*dir, task) != a.answered_by};
    policy::Decision again = dir->policies().decide(lifted);
    if (again.outcome == policy::Outcome::kAsk)
      again = denied(again, "the approval does not lift this denial");
    Verdict verdict{.id = id, .decision = again};
    if (again.outcome == policy::Outcome::kPermit) {
      verdict.permit = permit_for(r, dir, id);
      verdict.permit->byte_limit_ = STINT_TRY(claim(tx, changes, r, at));
    }
    STINT_TRY(record(lifted, again, a.id));
    if (verdict.permit && a.state == domain::ApprovalState::kConsumed) {
      update_approval(tx, a);
      append(tx, at, audit::ApprovalConsumed{.approval = a.id, .task = r.task, .decision = id});
    }
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
  STINT_TRY(record(facts, decision, pending->id));
  return Verdict{.id = id, .decision = decision, .approval = std::move(pending)};
}

}  // namespace stint::authority
