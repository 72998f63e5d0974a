#pragma once

#include <concepts>
#include <type_traits>

#include "stint/audit/event.h"

// The members of each kind, said once: the writer, the reader and the documentation's test all walk
// these lists. In the order of their keys, in which the writer puts them (asserted). A third
// argument is a limit of its own for a text.
namespace stint::audit {

template <class E, class T>
concept Is = std::same_as<std::remove_const_t<E>, T>;

template <class V>
void fields(V& v, Is<ServerStarted> auto& e) {
  v("issuer", e.issuer);
  v("origin", e.origin);
  v("version", e.version);
}
template <class V>
void fields(V& v, Is<ServerStopped> auto& e) {
  v("reason", e.reason);
}
template <class V>
void fields(V& v, Is<KeyCreated> auto& e) {
  v("alg", e.alg);
  v("kid", e.kid);
  v("public_key", e.public_key);
  v("use", e.use);
}
template <class V>
void fields(V& v, Is<KeyActivated> auto& e) {
  v("actor", e.actor);
  v("kid", e.kid);
  v("replaces", e.replaces);
}
template <class V>
void fields(V& v, Is<KeyRevoked> auto& e) {
  v("actor", e.actor);
  v("kid", e.kid);
  v("replaced_by", e.replaced_by);
}
template <class V>
void fields(V& v, Is<RootRewrapped> auto& e) {
  v("actor", e.actor);
  v("from", e.from);
  v("sealed", e.sealed);
  v("to", e.to);
}
template <class V>
void fields(V& v, Is<ServerRestored> auto& e) {
  v("actor", e.actor);
  v("root", e.root);
  v("size", e.size);
  v("taken", e.taken);
  v("version", e.version);
}
template <class V>
void fields(V& v, Is<KeyRetired> auto& e) {
  v("actor", e.actor);
  v("kid", e.kid);
}
template <class V>
void fields(V& v, Is<ResourceApplied> auto& e) {
  v("actor", e.actor);
  v("changed", e.changed);
  v("digest", e.digest);
  v("name", e.name);
  v("operation", e.operation);
  v("type", e.type);
  v("version", e.version);
}
template <class V>
void fields(V& v, Is<TaskOpened> auto& e) {
  v("acr", e.acr);
  v("actor", e.actor);
  v("agent", e.agent);
  v("attended", e.attended);
  v("auth_time", e.auth_time);
  v("binding", e.binding);
  v("budget", e.budget);
  v("ceiling", e.ceiling);
  v("consent", e.consent);
  v("deadline", e.deadline);
  v("depth", e.depth);
  v("environment", e.environment);
  v("grants", e.grants);
  v("human", e.human);
  v("idle_limit", e.idle_limit);
  v("opened", e.opened);
  v("parent", e.parent);
  v("presence_limit", e.presence_limit);
  v("purpose", e.purpose);
  v("reference", e.reference);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<TaskDelegated> auto& e) {
  v("agent", e.agent);
  v("child", e.child);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<TaskNarrowed> auto& e) {
  v("actor", e.actor);
  v("grants", e.grants);
  v("task", e.task);
}
template <class V, class E>
  requires Is<E, TaskPaused> || Is<E, TaskResumed>
void fields(V& v, E& e) {
  v("actor", e.actor);
  v("task", e.task);
  v("why", e.why);
}
template <class V>
void fields(V& v, Is<TaskClosed> auto& e) {
  v("actor", e.actor);
  v("how", e.how);
  v("spend", e.spend);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<TokenMinted> auto& e) {
  v("agent", e.agent);
  v("alg", e.alg);
  v("audience", e.audience);
  v("by", e.by);
  v("expires", e.expires);
  v("issued", e.issued);
  v("kid", e.kid);
  v("task", e.task);
  v("thumbprint", e.thumbprint);
  v("token", e.token);
}
template <class V>
void fields(V& v, Is<TokenRevoked> auto& e) {
  v("actor", e.actor);
  v("task", e.task);
  v("token", e.token);
}
template <class V>
void fields(V& v, Is<HandleIssued> auto& e) {
  v("handle", e.handle);
  v("task", e.task);
  v("thumbprint", e.thumbprint);
}
template <class V>
void fields(V& v, Is<HandleUsed> auto& e) {
  v("handle", e.handle);
  v("task", e.task);
  v("token", e.token);
}
template <class V>
void fields(V& v, Is<HandleRevoked> auto& e) {
  v("actor", e.actor);
  v("handle", e.handle);
  v("task", e.task);
}
template <class V, class E>
  requires Is<E, Decided> || Is<E, DecidedView>
void fields(V& v, E& e) {
  v("action", e.action);
  v("agent", e.agent);
  v("approval", e.approval);
  v("approvers", e.approvers);
  v("call", e.call);
  v("class", e.action_class);
  v("decision", e.decision);
  v("facts", e.facts);
  v("human", e.human);
  v("method", e.method);
  v("policies", e.policies);
  v("reason", e.reason);
  v("resource", e.resource);
  v("source_ip", e.source_ip);
  v("target", e.target, kMaxTarget);
  v("task", e.task);
  v("token", e.token);
  v("upstream", e.upstream);
  v("verdict", e.verdict);
}
template <class V>
void fields(V& v, Is<DecisionsRepeated> auto& e) {
  v("action", e.action);
  v("agent", e.agent);
  v("count", e.count);
  v("human", e.human);
  v("reason", e.reason);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<Outcome> auto& e) {
  v("bytes_in", e.bytes_in);
  v("bytes_out", e.bytes_out);
  v("decision", e.decision);
  v("duration_ms", e.duration_ms);
  v("ending", e.ending);
  v("status", e.status);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<CredentialReleased> auto& e) {
  v("credential", e.credential);
  v("decision", e.decision);
  v("task", e.task);
  v("upstream", e.upstream);
  v("version", e.version);
}
template <class V>
void fields(V& v, Is<ApprovalRequested> auto& e) {
  v("approval", e.approval);
  v("call", e.call);
  v("decision", e.decision);
  v("expires", e.expires);
  v("for_task_allowed", e.for_task_allowed);
  v("four_eyes", e.four_eyes);
  v("groups", e.groups);
  v("task", e.task);
  v("words", e.words, kMaxWords);
}
template <class V>
void fields(V& v, Is<ApprovalAnswered> auto& e) {
  v("actor", e.actor);
  v("answer", e.answer);
  v("approval", e.approval);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<ApprovalConsumed> auto& e) {
  v("approval", e.approval);
  v("decision", e.decision);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<ApprovalExpired> auto& e) {
  v("approval", e.approval);
  v("task", e.task);
}
template <class V>
void fields(V& v, Is<Signal> auto& e) {
  v("agent", e.agent);
  v("name", e.name);
  v("sentence", e.sentence);
  v("source_ip", e.source_ip);
  v("strength", e.strength);
  v("task", e.task);
  v("token", e.token);
  v("upstream", e.upstream);
}
template <class V>
void fields(V& v, Is<ReceiptSigned> auto& e) {
  v("digest", e.digest);
  v("task", e.task);
}

}  // namespace stint::audit
