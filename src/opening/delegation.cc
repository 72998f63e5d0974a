// Who gives a part of a task away, and who takes it: docs/adr/0010.
#include "opener_impl.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"

namespace stint::opening {
namespace {

bool names(const jose::Confirmation& cnf, const domain::Binding& binding) {
  switch (binding.kind) {
    case domain::Binding::Kind::kDpop:
      return !cnf.jkt.empty() && crypto::equal(cnf.jkt, binding.thumbprint);
    case domain::Binding::Kind::kCertificate:
      return !cnf.x5t_s256.empty() && crypto::equal(cnf.x5t_s256, binding.thumbprint);
  }
  __builtin_trap();
}

Refusal of_subject(Refusal r) {
  if (r.part != Part::kServer) r.part = Part::kSubject;
  return r;
}

}  // namespace

Outcome<Parent> Opener::parent(std::string_view compact, const Client& client,
                               const domain::Binding& presented, WallTime now) const {
  auto token = impl_->authority.verifier()->verify_any_audience(compact, now);
  if (!token) return refuse(token.error(), Part::kSubject);
  // A task's token in other hands. That it is somebody's own other instance makes no difference.
  const auto not_theirs = [&](Reason reason) {
    return std::unexpected(Refusal{.error = {Errc::kWrongKey, reason},
                                   .part = Part::kSubject,
                                   .signal = "key-mismatch",
                                   .task = token->task(),
                                   .token = token->claims().jti});
  };
  if (!names(token->claims().cnf, presented))
    return not_theirs("the subject token is bound to another key");
  if (token->claims().client_id != client.agent())
    return not_theirs("the subject token belongs to another client");
  return Parent(*std::move(token));
}

Outcome<Child> Opener::child(std::string_view actor_token, WallTime now) const {
  if (actor_token.empty())
    return refuse({Errc::kMissing, "actor_token is missing"}, Part::kSubject);
  auto read = asserted(actor_token, "", now);
  if (!read) return std::unexpected(of_subject(read.error()));
  if (!read->key)
    return refuse({Errc::kMissing, "actor_token names no key: it needs cnf"}, Part::kSubject);
  return Child(std::move(read->client), *std::move(read->key), std::move(read->jti), now);
}

rt::Co<Outcome<authority::Opened>> Opener::delegate(Client client, Parent parent, Child child,
                                                    Wanted wanted,
                                                    std::optional<std::string> audience,
                                                    Where where) {
  const auto directory = impl_->authority.directory();
  const auto refused_here = [&](Refusal r) {
    r.task = parent.task();
    r.token = parent.claims().jti;
    refused(policy::Operation::kDelegate, client, r, where);
    return std::unexpected(r);
  };
  if (const Status known = check_known(wanted.grants, *directory); !known)
    co_return refused_here({.error = known.error(), .part = Part::kDetails});
  const auto above = impl_->authority.task(parent.task());
  // A child's environment is its parent's: an agent that an operator put elsewhere takes none.
  if (const auto* agent = directory->agent(child.agent());
      above && agent != nullptr && !agent->agent.environment.empty() &&
      agent->agent.environment != above->environment)
    co_return refused_here({.error = {Errc::kDenied, "the agent works in another environment"},
                            .part = Part::kDetails});
  if (const auto once = counted(child.agent(), child.jti_, child.seen_); !once)
    co_return refused_here(of_subject(once.error()));
  auto order = order_of(Wanted(wanted), child.agent(), domain::Binding(child.binding()));
  order.consent = domain::Consent::kDelegated;
  // What the child does not name it takes over: only asking for more is refused.
  if (above && !wanted.ceiling) order.ceiling = above->ceiling;
  // The token may be narrower than its task, and never wider.
  const auto carried = domain::decode_grants(parent.claims().authorization_details);
  if (!carried) co_return refuse(carried.error(), Part::kSubject);
  auto request = request_of(std::move(order), client, std::move(audience), where);
  request.spend.push_back(child.spend());
  request.request.fresh_proof = false;  // policy judges the child, and it proved nothing here
  auto opened = co_await impl_->authority.delegate({.parent = parent.task(),
                                                    .parent_token = parent.claims().jti,
                                                    .parent_token_kid = parent.token_.kid(),
                                                    .parent_token_expires = parent.claims().exp,
                                                    .parent_token_grants = *carried,
                                                    .child = std::move(request)});
  if (opened) co_return *std::move(opened);
  // "Not within the parent" and "policy says no" are one code below, and two things to a client.
  const bool wider =
      opened.error().code == Errc::kDenied && !domain::within(wanted.grants, *carried);
  co_return refuse(opened.error(), wider ? Part::kDetails : part_of(opened.error().code));
}

}  // namespace stint::opening
