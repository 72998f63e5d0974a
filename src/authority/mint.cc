#include <algorithm>

#include "impl.h"
#include "stint/codec/json.h"
#include "stint/codec/secret_text.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"
#include "stint/keys/key_ring.h"

namespace stint::authority {
namespace {

struct HandleRow {
  HandleId id;
  TaskId task;
  std::string state;
  WallTime created;
  static HandleRow from_row(store::Row& row) {
    // Braced lists are read left to right.
    return HandleRow{row.get<HandleId>(), row.get<TaskId>(), row.get<std::string>(),
                     row.get<WallTime>()};
  }
};

Result<HandleRow> find_handle(store::Store& store, std::string_view text) {
  if (!codec::is_secret_text("handle", text)) return fail(Errc::kNotFound, "not a handle");
  const crypto::Digest hash = crypto::sha256(text);
  auto row = store.read([&](store::Reader& reader) {
    return reader.one<HandleRow>("SELECT id, task, state, created FROM handle WHERE hash = $1",
                                 hash);
  });
  if (!row) return fail(row.error());
  if (!*row) return fail(Errc::kNotFound, "unknown handle");
  return **std::move(row);
}

std::string subject(const domain::Task& task) {
  return task.human ? *task.human : "agent:" + task.agent;
}

std::vector<domain::Grant> for_upstream(const std::vector<domain::Grant>& grants,
                                        std::string_view upstream) {
  std::vector<domain::Grant> out;
  std::ranges::copy_if(grants, std::back_inserter(out),
                       [&](const auto& g) { return g.upstream == upstream; });
  return out;
}

// What a token of the task for this audience carries. An upstream sees its own grants alone. Our
// own API needs none: a token for it carries what was asked for by name, to be delegated.
Result<std::vector<domain::Grant>> carried_by(const Directory& dir, const std::string& issuer,
                                              const domain::Task& task, const std::string& audience,
                                              const std::vector<domain::Grant>& narrow) {
  auto wanted = STINT_TRY(domain::normalise(narrow));
  if (audience == issuer) {
    if (!domain::within(wanted, task.grants))
      return fail(Errc::kDenied, "more than the task was granted");
    return wanted;
  }
  const auto* upstream = dir.upstream_by_audience(audience);
  if (upstream == nullptr) return fail(Errc::kNotFound, "unknown audience");
  auto granted = for_upstream(task.grants, upstream->upstream.name);
  if (granted.empty()) return fail(Errc::kDenied, "the task has no grant for this audience");
  if (narrow.empty()) return granted;
  wanted = for_upstream(wanted, upstream->upstream.name);
  if (!domain::within(wanted, granted))
    return fail(Errc::kDenied, "more than the task was granted");
  if (wanted.empty()) return fail(Errc::kDenied, "nothing was asked for this audience");
  return wanted;
}

// What the token is for. Never an audience for everything: without a choice there must be only one.
Result<std::string> wanted_audience(const MintRequest& request, const domain::Task& task,
                                    const std::string& gateway_url) {
  if (request.audience) return *request.audience;
  const auto& first = task.grants.front().upstream;
  if (std::ranges::any_of(task.grants, [&](const auto& g) { return g.upstream != first; }))
    return fail(Errc::kWrongAudience, "several upstreams are granted: name one as resource");
  return gateway_url + "/u/" + first;
}

}  // namespace

std::vector<std::string> Authority::Impl::actors(const domain::Task& task) const {
  std::vector<std::string> out{"agent:" + task.agent};
  auto parent = task.parent;
  while (parent) {
    const auto live = view.find(*parent, parts.clock.mono());
    if (!live) break;  // its own check refuses what needs the parent
    const auto above = (*live)->task();
    out.push_back("agent:" + above->agent);
    parent = above->parent;
  }
  return out;
}

Result<Authority::Impl::Draft> Authority::Impl::draft_token(
    const domain::Task& task, const std::string& audience, const std::vector<domain::Grant>& narrow,
    audit::MintedBy by, WallTime at, std::optional<WallTime> ends) {
  const auto dir = directory();
  const auto granted = STINT_TRY(carried_by(*dir, settings.issuer, task, audience, narrow));
  auto life = STINT_TRY(domain::token_life(task, settings.limits.token_ttl, at));
  if (ends) life.expires = std::min(life.expires, *ends);
  if (life.expires <= life.issued) return fail(Errc::kExpired, "the parent's token has expired");
  const auto* upstream = dir->upstream_by_audience(audience);
  const crypto::Alg alg = upstream != nullptr
                              ? upstream->upstream.token_alg.value_or(settings.token_alg)
                              : settings.token_alg;
  const auto of_now = keys();
  const auto key = STINT_TRY(of_now->set->signing_key(alg));

  jose::AccessToken token{.iss = settings.issuer,
                          .sub = subject(task),
                          .aud = {audience},
                          .exp = life.expires,
                          .iat = life.issued,
                          .jti = TokenId::random(parts.entropy),
                          .client_id = task.agent,
                          .act = actors(task),
                          .task = {.id = task.id,
                                   .opened = task.opened,
                                   .deadline = task.deadline,
                                   .reference = task.reference,
                                   .parent = task.parent},
                          .acr = task.acr,
                          .auth_time = task.auth_time};
  StatusIndex status = status_indexes.take(at);
  token.status = {.idx = status.idx, .uri = status_uri(status.list->number)};
  switch (task.binding.kind) {
    case domain::Binding::Kind::kDpop:
      token.cnf.jkt = task.binding.thumbprint;
      break;
    case domain::Binding::Kind::kCertificate:
      token.cnf.x5t_s256 = task.binding.thumbprint;
      break;
  }
  if (!granted.empty())
    token.authorization_details = json::canonical(domain::to_json(std::span(granted)));

  std::string text = STINT_TRY(jose::sign_access_token(token, key.kid, key.key));
  // As a stranger would: what does not verify never leaves.
  const auto checked = of_now->verifier.verify_any_audience(text, at);
  if (!checked || checked->claims().jti != token.jti)
    return fail(Errc::kInternal, "our own token does not verify");
  return Draft{.minted = {.token = std::move(text),
                          .id = token.jti,
                          .audience = audience,
                          .issued = life.issued,
                          .expires = life.expires,
                          .grants = granted},
               .event = {.task = task.id,
                         .token = token.jti,
                         .agent = task.agent,
                         .audience = audience,
                         .alg = alg,
                         .kid = key.kid,
                         .thumbprint = task.binding.thumbprint,
                         .issued = life.issued,
                         .expires = life.expires,
                         .by = by},
               .status = std::move(status)};
}

void Authority::Impl::record_token(store::Tx& tx, Changes& changes, const Draft& draft,
                                   WallTime at) {
  // Drafted before: its key may have been revoked since, or be about to go before the token does.
  if (const Status good = keys::still_signs(tx, draft.event.kid, draft.minted.expires); !good)
    return tx.fail(good.error());
  const OpenStatusList& list = *draft.status.list;
  tx.put(
      "INSERT INTO token (jti, task, audience, exp, kid, list, idx) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      draft.minted.id, draft.event.task, draft.minted.audience, draft.minted.expires,
      draft.event.kid, list.number, draft.status.idx);
  if (!list.announced.load(std::memory_order_relaxed)) {
    tx.put("INSERT INTO status_list (n, ends) VALUES ($1, $2) ON CONFLICT (n) DO NOTHING",
           list.number, list.opened + kStatusRotation + revocations->longest());
    changes.announced.push_back(draft.status.list);
  }
  append(tx, at, draft.event);
}

rt::Co<Result<MintResult>> Authority::Impl::mint(MintRequest request, Refusal* refusal) {
  const WallTime at = now();
  const auto handle = find_handle(parts.store, request.handle_text);
  if (!handle) co_return fail(handle.error());
  refusal->what.task = handle->task;
  STINT_CO_TRY(co_await learn_of(handle->task, handle->created));
  const auto live = view.find(handle->task, parts.clock.mono());
  if (!live) co_return fail(live.error());
  // With what the view knows of its activity: the row's is as old as the last change.
  const auto task = std::make_shared<domain::Task>(*(*live)->task());
  task->last_used = (*live)->last_used();
  task->last_present = (*live)->last_present();
  const auto audience = wanted_audience(request, *task, settings.gateway_url);
  refusal->what.human = task->human;
  if (audience) refusal->what.audience = *audience;
  // Whose handle it is comes before how the task stands: a thief learns nothing but "not yours".
  if (task->binding != request.presented)
    co_return fail(Errc::kWrongKey, "the handle is bound to another key");
  if (task->agent != request.client_id)
    co_return fail(Errc::kWrongKey, "the handle belongs to another client");
  STINT_CO_TRY((*live)->live(at));
  if (handle->state != "live") co_return fail(Errc::kRevoked, "the handle is revoked");
  const auto dir = directory();
  STINT_CO_TRY(agent_may_work(*dir, task->agent));
  policy::Facts facts = task_facts(*dir, *task, refusal->what.operation, request.request, at);
  policy::Decision decision = dir->policies().decide(facts);
  if (decision.outcome != policy::Outcome::kPermit) {
    refusal->judged.emplace(std::move(facts), std::move(decision));
    co_return fail(Errc::kDenied, "policy does not permit a token now");
  }

  if (!audience) co_return fail(audience.error());
  auto draft = draft_token(*task, *audience, request.narrow, audit::MintedBy::kHandle, at);
  if (!draft) co_return fail(draft.error());
  auto committed = co_await commit([this, dir, handle = *handle, draft = *draft, at,
                                    spend = std::move(request.spend)](
                                       store::Tx& tx, Changes& changes) -> Result<domain::Task> {
    announce(tx, handle.task, std::nullopt);
    keys::announce_key(tx, draft.event.kid);
    STINT_TRY(spend_once(tx, spend));
    STINT_TRY(same_directory(tx, *dir));
    domain::Task row = STINT_TRY(live_rows(tx, handle.task, std::nullopt, at)).front();
    row.last_used = std::max(row.last_used, at);
    record_token(tx, changes, draft, at);
    append(tx, at,
           audit::HandleUsed{.task = handle.task, .handle = handle.id, .token = draft.minted.id});
    update_task(tx, row);
    changes.tasks.push_back(std::make_shared<const domain::Task>(row));
    return row;
  });
  if (!committed) co_return fail(committed.error());
  (*live)->touch(at);
  co_return MintResult{.task = *std::move(committed), .token = std::move(draft->minted)};
}

Result<domain::Task> Authority::task_of_handle(std::string_view handle_text) {
  const auto handle = find_handle(impl_->parts.store, handle_text);
  if (!handle) return fail(handle.error());
  return task(handle->task);
}

rt::Co<Result<bool>> Authority::revoke(std::string token_text, std::string client_id) {
  Impl* impl = impl_.get();
  const WallTime now = impl->now();
  if (codec::is_secret_text("handle", token_text)) {
    const auto handle = find_handle(impl->parts.store, token_text);
    if (!handle) {
      if (handle.error().code == Errc::kNotFound) co_return false;
      co_return fail(handle.error());
    }
    const auto owner = task(handle->task);
    if (!owner) co_return fail(owner.error());
    if (owner->agent != client_id) co_return false;
    auto closed = co_await impl->commit([impl, handle = *handle, client_id, now](
                                            store::Tx& tx, Changes& changes) -> Result<bool> {
      const auto c = STINT_TRY(impl->close_subtree(tx, changes, handle.task, domain::How::kRevoked,
                                                   Actor::agent(client_id), now));
      if (c.count > 0)
        append(
            tx, now,
            audit::HandleRevoked{
                .task = handle.task, .handle = handle.id, .actor = audit::Actor::agent(client_id)});
      return true;
    });
    co_return closed;
  }
  auto token = impl->keys()->verifier.verify_any_audience(token_text, now);
  if (!token && co_await learn_of_key(token_text))
    token = impl->keys()->verifier.verify_any_audience(token_text, now);
  if (!token || token->claims().client_id != client_id) co_return false;
  const TaskId task_id = token->task();
  const TokenId jti = token->claims().jti;
  const WallTime expires = token->claims().exp;
  co_return co_await impl->commit([=](store::Tx& tx, Changes& changes) -> Result<bool> {
    const auto changed =
        tx.run("UPDATE token SET revoked = $2 WHERE jti = $1 AND revoked IS NULL", jti, now);
    if (changed == 0) {
      tx.no_event();
      return true;
    }
    append(tx, now,
           audit::TokenRevoked{
               .task = task_id, .token = jti, .actor = audit::Actor::agent(client_id)});
    changes.revoked.push_back({task_id, jti, expires});
    return true;
  });
}

std::optional<Introspection> Authority::introspect(std::string_view token_text,
                                                   std::string_view client_id, WallTime now) {
  const MonoTime mono = impl_->parts.clock.mono();
  if (codec::is_secret_text("handle", token_text)) {
    const auto handle = find_handle(impl_->parts.store, token_text);
    if (!handle || handle->state != "live") return std::nullopt;
    const auto live = impl_->view.find(handle->task, mono);
    if (!live || !(*live)->live(now)) return std::nullopt;
    const auto task = (*live)->task();
    if (task->agent != client_id) return std::nullopt;
    return Introspection{.task = *task,
                         .handle = handle->id,
                         .client_id = task->agent,
                         .subject = subject(*task),
                         .audience = impl_->settings.issuer,
                         .act = impl_->actors(*task),
                         .grants = task->grants,
                         .issued = task->opened,
                         .expires = task->deadline};
  }
  const auto token = impl_->keys()->verifier.verify_any_audience(token_text, now);
  if (!token) return std::nullopt;
  const auto& claims = token->claims();
  if (claims.client_id != client_id) return std::nullopt;
  const auto live = impl_->view.find(token->task(), mono);
  if (!live || !(*live)->live(claims.jti, now)) return std::nullopt;
  const auto task = (*live)->task();
  auto grants = domain::decode_grants(claims.authorization_details);
  if (!grants) return std::nullopt;
  return Introspection{.task = *task,
                       .token = claims.jti,
                       .client_id = claims.client_id,
                       .subject = claims.sub,
                       .audience = claims.aud.front(),
                       .act = claims.act,
                       .grants = *std::move(grants),
                       .issued = claims.iat,
                       .expires = claims.exp};
}

}  // namespace stint::authority
