#pragma once

#include <concepts>
#include <type_traits>

#include "stint/audit/event.h"

// The members of each kind, said once: the writer, the reader and the documentation's test all walk
// these lists. A third argument is a limit of its own for a text.
namespace stint::audit {

template <class E, class T>
concept Is = std::same_as<std::remove_const_t<E>, T>;

template <class V>
void fields(V& v, Is<ServerStarted> auto& e) {
  v("version", e.version);
  v("issuer", e.issuer);
  v("origin", e.origin);
}
template <class V>
void fields(V& v, Is<ServerStopped> auto& e) {
  v("reason", e.reason);
}
template <class V>
void fields(V& v, Is<KeyCreated> auto& e) {
  v("kid", e.kid);
  v("alg", e.alg);
  v("use", e.use);
  v("public_key", e.public_key);
}
template <class V>
void fields(V& v, Is<KeyRetired> auto& e) {
  v("kid", e.kid);
  v("actor", e.actor);
}
template <class V>
void fields(V& v, Is<ResourceApplied> auto& e) {
  v("actor", e.actor);
  v("operation", e.operation);
  v("type", e.type);
  v("name", e.name);
  v("version", e.version);
  v("digest", e.digest);
  v("changed", e.changed);
}
template <class V>
void fields(V& v, Is<TaskOpened> auto& e) {
  v("task", e.task);
  v("actor", e.actor);
  v("agent", e.agent);
  v("binding", e.binding);
  v("human", e.human);
  v("consent", e.consent);
  v("acr", e.acr);
  v("auth_time", e.auth_time);
  v("purpose", e.purpose);
  v("reference", e.reference);
  v("grants", e.grants);
  v("environment", e.environment);
  v("ceiling", e.ceiling);
  v("opened", e.opened);
  v("deadline", e.deadline);
  v("idle_limit", e.idle_limit);
  v("attended", e.attended);
  v("presence_limit", e.presence_limit);
  v("budget", e.budget);
  v("parent", e.parent);
  v("depth", e.depth);
}
template <class V>
void fields(V& v, Is<TaskDelegated> auto& e) {
  v("task", e.task);
  v("child", e.child);
  v("agent", e.agent);
}
template <class V>
void fields(V& v, Is<TaskNarrowed> auto& e) {
  v("task", e.task);
  v("actor", e.actor);
  v("grants", e.grants);
}
template <class V, class E>
  requires Is<E, TaskPaused> || Is<E, TaskResumed>
void fields(V& v, E& e) {
  v("task", e.task);
  v("why", e.why);
  v("actor", e.actor);
}
template <class V>
void fields(V& v, Is<TaskClosed> auto& e) {
  v("task", e.task);
  v("how", e.how);
  v("actor", e.actor);
  v("spend", e.spend);
}
template <class V>
void fields(V& v, Is<TokenMinted> auto& e) {
  v("task", e.task);
  v("token", e.token);
  v("agent", e.agent);
  v("audience", e.audience);
  v("alg", e.alg);
  v("kid", e.kid);
  v("thumbprint", e.thumbprint);
  v("issued", e.issued);
  v("expires", e.expires);
  v("by", e.by);
}
template <class V>
void fields(V& v, Is<TokenRevoked> auto& e) {
  v("task", e.task);
  v("token", e.token);
  v("actor", e.actor);
}
template <class V>
void fields(V& v, Is<HandleIssued> auto& e) {
  v("task", e.task);
  v("handle", e.handle);
  v("thumbprint", e.thumbprint);
}
template <class V>
void fields(V& v, Is<HandleUsed> auto& e) {
  v("task", e.task);
  v("handle", e.handle);
  v("token", e.token);
}
template <class V>
void fields(V& v, Is<HandleRevoked> auto& e) {
  v("task", e.task);
  v("handle", e.handle);
  v("actor", e.actor);
}
template <class V>
void fields(V& v, Is<Decided> auto& e) {
  v("decision", e.decision);
  v("task", e.task);
  v("agent", e.agent);
  v("human", e.human);
  v("token", e.token);
  v("verdict", e.verdict);
  v("reason", e.reason);
  v("policies", e.policies);
  v("approvers", e.approvers);
  v("approval", e.approval);
  v("upstream", e.upstream);
  v("action", e.action);
  v("class", e.action_class);
  v("resource", e.resource);
  v("method", e.method);
  v("target", e.target, kMaxTarget);
  v("call", e.call);
  v("facts", e.facts);
  v("source_ip", e.source_ip);
}
template <class V>
void fields(V& v, Is<DecisionsRepeated> auto& e) {
  v("task", e.task);
  v("agent", e.agent);
  v("human", e.human);
  v("action", e.action);
  v("reason", e.reason);
  v("count", e.count);
}
template <class V>
void fields(V& v, Is<Outcome> auto& e) {
  v("decision", e.decision);
  v("task", e.task);
  v("ending", e.ending);
  v("status", e.status);
  v("bytes_in", e.bytes_in);
  v("bytes_out", e.bytes_out);
  v("duration_ms", e.duration_ms);
}
template <class V>
void fields(V& v, Is<CredentialReleased> auto& e) {
  v("decision", e.decision);
  v("task", e.task);
  v("credential", e.credential);
  v("version", e.version);
  v("upstream", e.upstream);
}
template <class V>
void fields(V& v, Is<ApprovalRequested> auto& e) {
  v("approval", e.approval);
  v("task", e.task);
  v("decision", e.decision);
  v("call", e.call);
  v("words", e.words, kMaxWords);
  v("groups", e.groups);
  v("four_eyes", e.four_eyes);
  v("for_task_allowed", e.for_task_allowed);
  v("expires", e.expires);
}
template <class V>
void fields(V& v, Is<ApprovalAnswered> auto& e) {
  v("approval", e.approval);
  v("task", e.task);
  v("answer", e.answer);
  v("actor", e.actor);
}
template <class V>
void fields(V& v, Is<ApprovalConsumed> auto& e) {
  v("approval", e.approval);
  v("task", e.task);
  v("decision", e.decision);
}
template <class V>
void fields(V& v, Is<ApprovalExpired> auto& e) {
  v("approval", e.approval);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<Signal> auto& e) {
  v("name", e.name);
  v("strength", e.strength);
  v("sentence", e.sentence);
  v("task", e.task);
  v("token", e.token);
  v("agent", e.agent);
  v("upstream", e.upstream);
  v("source_ip", e.source_ip);
}
template <class V>
void fields(V& v, Is<ReceiptSigned> auto& e) {
  v("task", e.task);
  v("digest", e.digest);
}

}  // namespace stint::audit
