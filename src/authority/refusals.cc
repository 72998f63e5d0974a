// Refusals of opening, delegating and minting are events too (rule 10). They change nothing, and
// nobody waits for their record: it is recorded as that of a denied call is.
#include "facts_json.h"
#include "impl.h"

namespace stint::authority {
void Authority::Impl::refused(const Refusal& refusal, const Error& error) {
  const Refused& r = refusal.what;
  const MonoTime mono = parts.clock.mono();
  const Repeats::Key key{.agent = r.agent,
                         .operation = r.operation,
                         .reason = error.reason.text(),
                         .task = r.task,
                         .human = r.human};
  if (!repeats.first(key, mono)) return;

  const WallTime at = now();
  audit::Decided event{.decision = decision_ids.make(at),
                       .task = r.task,
                       .agent = r.agent,
                       .human = r.human,
                       .token = r.token,
                       .verdict = audit::Verdict::kDeny,
                       .reason = std::string(error.reason.text()),
                       .action = std::string(policy::text(r.operation)),
                       .resource = r.audience,
                       .source_ip = r.ip};
  if (refusal.judged) {
    event.policies = refusal.judged->decision.policies;
    event.approvers = refusal.judged->decision.approvers;
    event.facts = facts_to_json(refusal.judged->facts);
  }
  auto bytes = event_bytes(at, event);
  if (!bytes) {  // too much was asked for to be written down: that it was refused is not
    event.facts = {};
    bytes = event_bytes(at, event);
  }
  if (!bytes) {
    event.human.reset();
    event.resource.clear();
    bytes = event_bytes(at, event);
  }
  const Status kept = bytes ? record(*bytes) : fail(bytes.error());
  if (kept) return;
  repeats.add(key, 1, mono);
  log::error("a refusal was not recorded yet", {{"reason", kept.error().reason}});
}

void Authority::Impl::record_repeats(const std::vector<Repeats::Counted>& told) {
  const MonoTime mono = parts.clock.mono();
  const WallTime at = now();
  for (const auto& [key, count] : told) {
    const auto bytes =
        event_bytes(at, audit::DecisionsRepeated{.task = key.task,
                                                 .agent = key.agent,
                                                 .human = key.human,
                                                 .action = std::string(policy::text(key.operation)),
                                                 .reason = std::string(key.reason),
                                                 .count = count});
    if (!bytes || !record(*bytes)) repeats.add(key, count, mono);
  }
}

void Authority::tell_refusals() { impl_->record_repeats(impl_->repeats.all()); }

void Authority::refused(const Refused& what, const Error& error) {
  impl_->refused({.what = what, .judged = {}}, error);
}

rt::Co<Result<Opened>> Authority::open_task(OpenRequest request) {
  Impl::Refusal refusal{.what = {.operation = policy::Operation::kOpen,
                                 .agent = request.actor.name,
                                 .human = request.order.human,
                                 .ip = request.request.ip},
                        .judged = {}};
  auto opened = co_await impl_->open_task(std::move(request), &refusal);
  if (!opened) impl_->refused(refusal, opened.error());
  co_return opened;
}

rt::Co<Result<Opened>> Authority::delegate(DelegateRequest request) {
  Impl::Refusal refusal{.what = {.operation = policy::Operation::kDelegate,
                                 .agent = request.child.actor.name,
                                 .task = request.parent,
                                 .token = request.parent_token,
                                 .ip = request.child.request.ip},
                        .judged = {}};
  auto opened = co_await impl_->delegate(std::move(request), &refusal);
  if (!opened) impl_->refused(refusal, opened.error());
  co_return opened;
}

rt::Co<Result<MintResult>> Authority::mint(MintRequest request) {
  Impl::Refusal refusal{.what = {.operation = policy::Operation::kMint,
                                 .agent = request.client_id,
                                 .audience = request.audience.value_or(""),
                                 .ip = request.request.ip},
                        .judged = {}};
  auto minted = co_await impl_->mint(std::move(request), &refusal);
  if (!minted) impl_->refused(refusal, minted.error());
  co_return minted;
}

}  // namespace stint::authority
