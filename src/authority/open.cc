#include <algorithm>

#include "impl.h"
#include "stint/audit/receipt.h"
#include "stint/codec/secret_text.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"

namespace stint::authority {
namespace {

constexpr store::Sql kOfReference =
    "SELECT body FROM task WHERE reference = $1 AND state <> 'closed' LIMIT 1000";
constexpr store::Sql kOpenChildren =
    "SELECT count(*) FROM (SELECT 1 FROM task WHERE parent = $1 AND state <> 'closed' LIMIT $2) "
    "AS found";
constexpr store::Sql kChildren =
    "SELECT count(*) FROM (SELECT 1 FROM task WHERE parent = $1 LIMIT $2) AS found";

// Children of one task over its whole life, open or not: each is an event that its receipt lists.
constexpr std::size_t kMostChildren = 1024;
static_assert(kMostChildren <= audit::kMaxLife / 4);

// A reference that some grant holds exclusively is bound to one open task at a time (rule 6).
Status reference_is_free(store::Tx& tx, const domain::Task& task) {
  if (task.reference.empty()) return {};
  const auto exclusive = [](const domain::Task& t) {
    return std::ranges::any_of(t.grants, &domain::Grant::exclusive);
  };
  for (const auto& body : tx.rows<std::string>(kOfReference, task.reference)) {
    const auto other = STINT_TRY(domain::decode_task(body));
    if (task.parent && (other.id == *task.parent))
      continue;  // a child works on its parent's ticket
    if (exclusive(task) || exclusive(other))
      return fail(Errc::kConflict, "the reference is bound to another open task");
  }
  return {};
}

Status permitted(const policy::Decision& decision) {
  if (decision.error) return fail(Errc::kDenied, "the policies could not decide");
  switch (decision.outcome) {
    case policy::Outcome::kPermit:
      return {};
    case policy::Outcome::kDeny:
      return fail(Errc::kDenied, "policy does not permit this task");
    case policy::Outcome::kAsk:
      return fail(Errc::kDenied, "policy asks a person, and opening cannot wait for one");
  }
  __builtin_trap();
}

}  // namespace

Status Authority::Impl::agent_may_work(const Directory& dir, const std::string& agent) const {
  const auto* entry = dir.agent(agent);
  if (entry == nullptr) return fail(Errc::kDenied, "the agent is not registered");
  switch (entry->agent.status) {
    case resource::AgentStatus::kActive:
      return {};
    case resource::AgentStatus::kSuspended:
      return fail(Errc::kDenied, "the agent is suspended");
    case resource::AgentStatus::kRetired:
      return fail(Errc::kDenied, "the agent is retired");
  }
  __builtin_trap();
}

// What came between the judgement and now, on any node, is seen here (rule 3).
Status Authority::Impl::may_have_child(store::Tx& tx, const Above& parent,
                                       const domain::Task& child, WallTime at) const {
  STINT_TRY(keys::still_signs(tx, parent.kid, std::nullopt));
  const auto rows = STINT_TRY(live_rows(tx, parent.task, parent.token, at));
  STINT_TRY(domain::within_parent(child, rows.front()));
  const std::size_t most = settings.limits.max_children;
  const auto open = tx.one<std::size_t>(kOpenChildren, parent.task, most);
  if (tx.error()) return fail(*tx.error());
  if (open.value_or(most) >= most) return fail(Errc::kLimit, "the task has too many open children");
  const auto ever = tx.one<std::size_t>(kChildren, parent.task, kMostChildren);
  if (tx.error()) return fail(*tx.error());
  if (ever.value_or(kMostChildren) >= kMostChildren)
    return fail(Errc::kLimit, "the task has had too many children");
  return {};
}

rt::Co<Result<Opened>> Authority::Impl::open_with(domain::Task task, OpenRequest request,
                                                  std::optional<Above> parent, Refusal* refusal) {
  const WallTime at = now();
  const auto dir = directory();
  STINT_CO_TRY(agent_may_work(*dir, task.agent));
  if (task.human) {
    const auto* human = dir->human(*task.human);
    if (human == nullptr) co_return fail(Errc::kDenied, "the human is not known here");
  }
  for (const auto& grant : task.grants)
    if (dir->upstream(grant.upstream) == nullptr)
      co_return fail(Errc::kDenied, "a grant names an upstream that is not registered");

  policy::Facts facts = task_facts(*dir, task, refusal->what.operation, request.request, at);
  if (facts.human)
    facts.human->groups.insert(facts.human->groups.end(), request.groups.begin(),
                               request.groups.end());
  policy::Decision decision = dir->policies().decide(facts);
  if (const Status may = permitted(decision); !may) {
    refusal->judged.emplace(std::move(facts), std::move(decision));
    co_return fail(may.error());
  }

  std::optional<Draft> draft;
  if (request.audience)
    draft =
        STINT_CO_TRY(draft_token(task, *request.audience, {},
                                 parent ? audit::MintedBy::kDelegation : audit::MintedBy::kOpening,
                                 at, parent ? std::optional(parent->token_expires) : std::nullopt));

  const HandleId handle_id = HandleId::random(parts.entropy);
  std::string handle_text = codec::make_secret_text("handle", parts.entropy);
  const crypto::Digest handle_hash = crypto::sha256(handle_text);
  Secret handle(std::move(handle_text));

  auto done = co_await commit([this, dir, task, parent, draft, handle_id, handle_hash, at,
                               spend = std::move(request.spend), actor = request.actor](
                                  store::Tx& tx, Changes& changes) -> Result<bool> {
    // Agent, human and policies as they were judged: a leaver's removal may be in this very batch.
    if (parent) {
      announce(tx, parent->task, parent->token);
      keys::announce_key(tx, parent->kid);
      tx.announce(kOpenChildren, parent->task, settings.limits.max_children);
      tx.announce(kChildren, parent->task, kMostChildren);
    } else {
      announce_directory(tx);
    }
    if (draft) keys::announce_key(tx, draft->event.kid);
    if (!task.reference.empty()) tx.announce(kOfReference, task.reference);
    STINT_TRY(same_directory(tx, *dir));
    STINT_TRY(spend_once(tx, spend));
    if (parent) STINT_TRY(may_have_child(tx, *parent, task, at));
    STINT_TRY(reference_is_free(tx, task));
    insert_task(tx, task);
    append(tx, at, audit::task_opened(task, to_audit(actor)));
    if (parent)
      append(tx, at,
             audit::TaskDelegated{.task = parent->task, .child = task.id, .agent = task.agent});
    tx.put(
        "INSERT INTO handle (id, hash, task, jkt, state, created) VALUES ($1, $2, $3, $4, 'live', "
        "$5)",
        handle_id, handle_hash, task.id, task.binding.thumbprint, at);
    append(tx, at,
           audit::HandleIssued{
               .task = task.id, .handle = handle_id, .thumbprint = task.binding.thumbprint});
    if (draft) record_token(tx, changes, *draft, at);
    changes.opened.push_back(std::make_shared<const domain::Task>(task));
    return true;
  });
  if (!done) co_return fail(done.error());
  co_return Opened{.task = std::move(task),
                   .handle_id = handle_id,
                   .handle = std::move(handle),
                   .token = draft ? std::optional(std::move(draft->minted)) : std::nullopt};
}

rt::Co<Result<Opened>> Authority::Impl::open_task(OpenRequest request, Refusal* refusal) {
  auto task = domain::open(request.order, settings.limits, TaskId::random(parts.entropy), now());
  if (!task) co_return fail(task.error());
  co_return co_await open_with(*std::move(task), std::move(request), std::nullopt, refusal);
}

rt::Co<Result<Opened>> Authority::Impl::delegate(DelegateRequest request, Refusal* refusal) {
  const WallTime at = now();
  STINT_CO_TRY(co_await learn_of(request.parent, at));
  const auto chain = live_chain(request.parent, request.parent_token, at);
  if (!chain) co_return fail(chain.error());
  const auto& parent = chain->front();
  domain::Task above = *parent->task();
  above.last_used = parent->last_used();
  above.last_present = parent->last_present();
  refusal->what.human = above.human;
  auto task = domain::delegate(above, request.child.order, settings.limits,
                               TaskId::random(parts.entropy), at);
  if (!task) co_return fail(task.error());
  if (!domain::within(task->grants, request.parent_token_grants))
    co_return fail(Errc::kDenied, "grants exceed the parent's token");
  for (const auto& live : *chain) live->touch(at);
  co_return co_await open_with(*std::move(task), std::move(request.child),
                               Above{request.parent, request.parent_token, request.parent_token_kid,
                                     request.parent_token_expires},
                               refusal);
}

}  // namespace stint::authority
