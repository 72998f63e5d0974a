#include <algorithm>

#include "impl.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"
#include "stint/resource/diff.h"
#include "stint/vault/vault.h"

namespace stint::authority {
namespace {

using audit::Operation;
using audit::ResourceType;

ResourceType to_audit(resource::Kind kind) {
  switch (kind) {
    case resource::Kind::kIssuer:
      return ResourceType::kIssuer;
    case resource::Kind::kGroup:
      return ResourceType::kGroup;
    case resource::Kind::kHuman:
      return ResourceType::kHuman;
    case resource::Kind::kCredential:
      return ResourceType::kCredential;
    case resource::Kind::kUpstream:
      return ResourceType::kUpstream;
    case resource::Kind::kAgent:
      return ResourceType::kAgent;
    case resource::Kind::kPolicy:
      return ResourceType::kPolicy;
  }
  __builtin_trap();
}

// One apply: what it writes and counts.
struct Applying {
  store::Tx& tx;
  const Actor& actor;
  WallTime at;
  Authority::Applied& applied;

  void event(Operation operation, ResourceType type, const std::string& name, std::int64_t version,
             std::string_view body, std::vector<std::string> changed = {}) {
    append(tx, at,
           audit::ResourceApplied{
               .actor = authority::to_audit(actor),
               .operation = operation,
               .type = type,
               .name = name,
               .version = version,
               .digest = body.empty() ? std::nullopt : std::optional(crypto::sha256(body)),
               .changed = std::move(changed)});
  }

  void write(const resource::PlanEntry& entry, const resource::Resource& value) {
    const std::string body = resource::encode(value);
    const auto version = tx.one<std::int64_t>(
        "INSERT INTO entity (kind, name, version, state, body, updated) "
        "VALUES ($1, $2, 1, 'live', $3, $4) ON CONFLICT (kind, name) DO UPDATE SET "
        "version = entity.version + 1, state = 'live', body = $3, updated = $4 RETURNING version",
        resource::text(entry.kind), entry.name, body, at);
    const bool created = entry.verb == resource::Verb::kCreate;
    ++(created ? applied.created : applied.updated);
    std::vector<std::string> fields;
    for (const auto& change : entry.changes) fields.push_back(change.field);
    event(created ? Operation::kCreate : Operation::kUpdate, to_audit(entry.kind), entry.name,
          version.value_or(1), body, std::move(fields));
  }

  void retire(const resource::PlanEntry& entry) {
    const auto version = tx.one<std::int64_t>(
        "UPDATE entity SET state = 'retired', version = version + 1, updated = $3 "
        "WHERE kind = $1 AND name = $2 RETURNING version",
        resource::text(entry.kind), entry.name, at);
    ++applied.retired;
    event(Operation::kRetire, to_audit(entry.kind), entry.name, version.value_or(1), "");
  }
};

const resource::Resource* find(const std::vector<resource::Resource>& all, resource::Kind kind,
                               const std::string& name) {
  const auto at = std::ranges::find_if(all, [&](const auto& r) {
    return resource::kind_of(r) == kind && resource::name_of(r) == name;
  });
  return at == all.end() ? nullptr : &*at;
}

// Agents and humans that may no longer work: their open tasks end with this transaction.
std::vector<std::string> stopped_agents(const resource::Resources& is,
                                        const resource::Resources& was) {
  std::vector<std::string> out;
  for (const auto& agent : was.agents) {
    const auto* now = is.agent(agent.name);
    if (now == nullptr || now->status != resource::AgentStatus::kActive) out.push_back(agent.name);
  }
  return out;
}

std::vector<std::string> gone_humans(const resource::Resources& is,
                                     const resource::Resources& was) {
  std::vector<std::string> out;
  for (const auto& human : was.humans)
    if (is.human(human.name) == nullptr) out.push_back(human.name);
  return out;
}

}  // namespace

bool Authority::has_value(std::string_view credential) const {
  return impl_->parts.vault.version(credential).has_value();
}

rt::Co<Result<Authority::Applied>> Authority::apply(resource::Resources desired,
                                                    std::map<std::string, Secret> values,
                                                    std::optional<std::uint64_t> expected_version,
                                                    Actor actor) {
  Impl* impl = impl_.get();
  STINT_CO_TRY(resource::check(desired));
  std::vector<vault::Vault::Sealed> sealed;
  for (const auto& [name, value] : values) {
    if (desired.credential(name) == nullptr)
      co_return fail(Errc::kNotFound, "a value was given for a credential that is not declared");
    // The same value again is no new version: apply is idempotent.
    if (auto blob = STINT_CO_TRY(impl->parts.vault.seal(name, value));
        !impl->parts.vault.holds(blob))
      sealed.push_back(std::move(blob));
  }
  for (const auto& upstream : desired.upstreams) {
    if (!upstream.inject) continue;
    const auto& wanted = upstream.inject->credential;
    if (!values.contains(wanted) && !has_value(wanted))
      co_return fail(Errc::kMissing, "an upstream injects a credential that has no value yet");
  }
  const auto before = impl->directory();
  auto compiled = Directory::compile(desired, before->version() + 1, impl->settings.gateway_url);
  if (!compiled) co_return fail(compiled.error());

  auto applied =
      co_await impl->commit([impl, before, sealed, expected_version, actor = std::move(actor),
                             next = *compiled](store::Tx& tx, Changes& changes) -> Result<Applied> {
        const WallTime at = impl->now();
        // Another apply may have come between, also in this batch: it must not be undone unseen.
        if (!Impl::same_directory(tx, *before) ||
            (expected_version && *expected_version != before->version()))
          return fail(Errc::kPreconditionFailed, "the configuration has changed meanwhile");
        Applied out{.version = before->version()};
        Applying work{tx, actor, at, out};
        const auto& was = before->resources();
        const auto& is = next->resources();
        const auto all = is.all();
        for (const auto& entry : resource::diff(was, is)) {
          switch (entry.verb) {
            case resource::Verb::kCreate:
            case resource::Verb::kUpdate: {
              const auto* value = find(all, entry.kind, entry.name);
              if (value == nullptr) return fail(Errc::kInternal, "a plan names what is not there");
              work.write(entry, *value);
              break;
            }
            case resource::Verb::kRetire:
              work.retire(entry);
              if (entry.kind == resource::Kind::kCredential)
                impl->parts.vault.retire(tx, entry.name);
              break;
            case resource::Verb::kUnchanged:
              break;
          }
        }
        for (const auto& s : sealed) {
          impl->parts.vault.put(tx, s, at);
          work.event(Operation::kUpdate, ResourceType::kCredential, s.name,
                     static_cast<std::int64_t>(s.version), "", {"value"});
          ++out.sealed;
        }
        const auto end = [&](const std::vector<TaskId>& ids, domain::How how) -> Status {
          for (const TaskId id : ids)
            STINT_TRY(impl->close_subtree(tx, changes, id, how, actor, at));
          return {};
        };
        for (const auto& agent : stopped_agents(is, was))
          STINT_TRY(end(
              tx.rows<TaskId>("SELECT id FROM task WHERE agent = $1 AND state <> 'closed'", agent),
              domain::How::kAgentSuspended));
        for (const auto& human : gone_humans(is, was))
          STINT_TRY(end(
              tx.rows<TaskId>("SELECT id FROM task WHERE human = $1 AND state <> 'closed'", human),
              domain::How::kOffboarded));
        if (out.created + out.updated + out.retired + out.sealed == 0) {
          tx.no_event();
          return out;
        }
        out.version = next->version();
        tx.run(
            "INSERT INTO meta (key, value) VALUES ('directory_version', $1) "
            "ON CONFLICT (key) DO UPDATE SET value = $1",
            store::Blob{std::to_string(out.version)});
        changes.directory = next;
        return out;
      });
  if (applied) {
    for (const auto& s : sealed) impl->parts.vault.installed(s);
    for (const auto& credential : before->resources().credentials)
      if ((*compiled)->resources().credential(credential.name) == nullptr)
        impl->parts.vault.removed(credential.name);
  }
  co_return applied;
}

}  // namespace stint::authority
