#include <algorithm>

#include "impl.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"
#include "stint/vault/vault.h"

namespace stint::authority {
namespace {

using audit::Operation;
using audit::ResourceType;

template <class T>
struct Kind;
template <>
struct Kind<resource::Human> {
  static constexpr std::string_view kName = "human";
  static constexpr ResourceType kType = ResourceType::kHuman;
};
template <>
struct Kind<resource::Group> {
  static constexpr std::string_view kName = "group";
  static constexpr ResourceType kType = ResourceType::kGroup;
};
template <>
struct Kind<resource::Agent> {
  static constexpr std::string_view kName = "agent";
  static constexpr ResourceType kType = ResourceType::kAgent;
};
template <>
struct Kind<resource::Upstream> {
  static constexpr std::string_view kName = "upstream";
  static constexpr ResourceType kType = ResourceType::kUpstream;
};
template <>
struct Kind<resource::Credential> {
  static constexpr std::string_view kName = "credential";
  static constexpr ResourceType kType = ResourceType::kCredential;
};
template <>
struct Kind<resource::Issuer> {
  static constexpr std::string_view kName = "issuer";
  static constexpr ResourceType kType = ResourceType::kIssuer;
};
template <>
struct Kind<resource::Policy> {
  static constexpr std::string_view kName = "policy";
  static constexpr ResourceType kType = ResourceType::kPolicy;
};

// One apply: what it writes and counts.
struct Applying {
  store::Tx& tx;
  const Actor& actor;
  WallTime at;
  Authority::Applied& applied;

  void event(Operation operation, ResourceType type, const std::string& name, std::int64_t version,
             std::string_view body) {
    append(tx, at,
           audit::ResourceApplied{.actor = to_audit(actor),
                                  .operation = operation,
                                  .type = type,
                                  .name = name,
                                  .version = version,
                                  .digest = crypto::sha256(body)});
  }

  template <class T>
  void kind(const std::map<std::string, T>& before, const std::map<std::string, T>& after) {
    for (const auto& [name, value] : after) {
      const auto old = before.find(name);
      if (old != before.end() && old->second == value) continue;
      const std::string body = resource::encode(value);
      const auto version = tx.one<std::int64_t>(
          "INSERT INTO entity (kind, name, version, state, body, updated) "
          "VALUES ($1, $2, 1, 'live', $3, $4) ON CONFLICT (kind, name) DO UPDATE SET "
          "version = version + 1, state = 'live', body = $3, updated = $4 RETURNING version",
          Kind<T>::kName, name, body, at);
      const bool created = old == before.end();
      ++(created ? applied.created : applied.updated);
      event(created ? Operation::kCreate : Operation::kUpdate, Kind<T>::kType, name,
            version.value_or(1), body);
    }
    for (const auto& [name, value] : before) {
      if (after.contains(name)) continue;
      const auto version = tx.one<std::int64_t>(
          "UPDATE entity SET state = 'retired', version = version + 1, updated = $3 "
          "WHERE kind = $1 AND name = $2 RETURNING version",
          Kind<T>::kName, name, at);
      ++applied.retired;
      event(Operation::kRetire, Kind<T>::kType, name, version.value_or(1), "");
    }
  }
};

// Who may no longer work: their open tasks end with this transaction.
struct Leaver {
  std::string column_agent, column_human;
  domain::How how;
};

std::vector<std::pair<std::string, domain::How>> stopped_agents(const resource::Resources& after,
                                                                const resource::Resources& before) {
  std::vector<std::pair<std::string, domain::How>> out;
  for (const auto& [name, agent] : before.agents) {
    const auto now = after.agents.find(name);
    if (now == after.agents.end() || now->second.status != resource::AgentStatus::kActive)
      out.emplace_back(name, domain::How::kAgentSuspended);
  }
  return out;
}

std::vector<std::string> gone_humans(const resource::Resources& after,
                                     const resource::Resources& before) {
  std::vector<std::string> out;
  for (const auto& [name, human] : before.humans) {
    const auto now = after.humans.find(name);
    if (now == after.humans.end() || !now->second.active) out.push_back(name);
  }
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
  std::vector<vault::Vault::Sealed> sealed;
  for (const auto& [name, value] : values) {
    if (!desired.credentials.contains(name))
      co_return fail(Errc::kNotFound, "a value was given for a credential that is not declared");
    sealed.push_back(STINT_CO_TRY(impl->parts.vault.seal(name, value)));
  }
  for (const auto& [name, upstream] : desired.upstreams) {
    if (!upstream.inject) continue;
    const auto& wanted = upstream.inject->credential;
    if (!values.contains(wanted) && !has_value(wanted))
      co_return fail(Errc::kMissing, "an upstream injects a credential that has no value yet");
  }
  const auto before = impl->directory();
  auto compiled =
      Directory::compile(desired, before->version() + 1, impl->settings.gateway_url);
  if (!compiled) co_return fail(compiled.error());

  auto applied = co_await impl->commit(
      [impl, before, sealed, expected_version, actor = std::move(actor), next = *compiled](
          store::Tx& tx, Changes& changes) -> Result<Applied> {
        const WallTime at = impl->now();
        // Another apply may have come between: its result must not be undone unseen.
        if (impl->directory() != before ||
            (expected_version && *expected_version != before->version()))
          return fail(Errc::kPreconditionFailed, "the configuration has changed meanwhile");
        Applied out{.version = before->version()};
        Applying work{tx, actor, at, out};
        const auto& was = before->resources();
        const auto& is = next->resources();
        work.kind(was.groups, is.groups);
        work.kind(was.humans, is.humans);
        work.kind(was.issuers, is.issuers);
        work.kind(was.agents, is.agents);
        work.kind(was.credentials, is.credentials);
        work.kind(was.upstreams, is.upstreams);
        work.kind(was.policies, is.policies);
        for (const auto& s : sealed) {
          impl->parts.vault.put(tx, s, at);
          work.event(Operation::kUpdate, ResourceType::kCredential, s.name,
                     static_cast<std::int64_t>(s.version), "");
          ++out.sealed;
        }
        for (const auto& [name, credential] : was.credentials)
          if (!is.credentials.contains(name)) impl->parts.vault.retire(tx, name);

        const auto end = [&](const std::vector<TaskId>& ids, domain::How how) -> Status {
          for (const TaskId id : ids)
            STINT_TRY(impl->close_subtree(tx, changes, id, how, actor, at));
          return {};
        };
        for (const auto& [agent, how] : stopped_agents(is, was))
          STINT_TRY(end(tx.rows<TaskId>("SELECT id FROM task WHERE agent = $1 AND state <> 'closed'",
                                        agent),
                        how));
        for (const auto& human : gone_humans(is, was))
          STINT_TRY(end(tx.rows<TaskId>("SELECT id FROM task WHERE human = $1 AND state <> 'closed'",
                                        human),
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
  if (applied)
    for (const auto& s : sealed) impl->parts.vault.installed(s);
  co_return applied;
}

}  // namespace stint::authority
