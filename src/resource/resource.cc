#include "stint/resource/resource.h"

#include <algorithm>

namespace stint::resource {
namespace {

template <class T>
void put(std::vector<T>& list, T value) {
  const auto at = std::ranges::lower_bound(list, value.name, {}, &T::name);
  list.insert(at, std::move(value));
}

template <class T>
const T* get(const std::vector<T>& list, std::string_view name) {
  const auto at = std::ranges::lower_bound(list, name, {}, &T::name);
  return at != list.end() && at->name == name ? &*at : nullptr;
}

}  // namespace

std::string_view text(AgentStatus s) {
  switch (s) {
    case AgentStatus::kActive:
      return "active";
    case AgentStatus::kSuspended:
      return "suspended";
    case AgentStatus::kRetired:
      return "retired";
  }
  __builtin_trap();
}

Result<AgentStatus> parse_agent_status(std::string_view word) {
  for (const auto s : {AgentStatus::kActive, AgentStatus::kSuspended, AgentStatus::kRetired})
    if (text(s) == word) return s;
  return fail(Errc::kMalformed, "agent status");
}

std::string_view text(UpstreamKind k) {
  switch (k) {
    case UpstreamKind::kHttp:
      return "http";
    case UpstreamKind::kGit:
      return "git";
  }
  __builtin_trap();
}

std::string_view text(Unmatched u) {
  switch (u) {
    case Unmatched::kDeny:
      return "deny";
    case Unmatched::kAsk:
      return "ask";
  }
  __builtin_trap();
}

std::string_view text(Credential::Source s) {
  switch (s) {
    case Credential::Source::kFile:
      return "file";
    case Credential::Source::kStdin:
      return "stdin";
    case Credential::Source::kPrompt:
      return "prompt";
  }
  __builtin_trap();
}

std::string_view text(Kind k) {
  switch (k) {
    case Kind::kIssuer:
      return "issuer";
    case Kind::kGroup:
      return "group";
    case Kind::kHuman:
      return "human";
    case Kind::kCredential:
      return "credential";
    case Kind::kUpstream:
      return "upstream";
    case Kind::kAgent:
      return "agent";
    case Kind::kPolicy:
      return "policy";
  }
  __builtin_trap();
}

Result<Kind> parse_kind(std::string_view word) {
  for (const auto k : {Kind::kIssuer, Kind::kGroup, Kind::kHuman, Kind::kCredential,
                       Kind::kUpstream, Kind::kAgent, Kind::kPolicy})
    if (text(k) == word) return k;
  return fail(Errc::kMalformed, "resource kind");
}

// The alternatives stand in the order of Kind.
Kind kind_of(const Resource& r) { return static_cast<Kind>(r.index()); }

const std::string& name_of(const Resource& r) {
  return std::visit([](const auto& v) -> const std::string& { return v.name; }, r);
}

std::vector<ActionRule> actions_of(const Upstream& upstream) {
  switch (upstream.kind) {
    case UpstreamKind::kHttp:
      return upstream.actions;
    case UpstreamKind::kGit:
      return {{"git.fetch", domain::ActionClass::kRead, ""},
              {"git.push", domain::ActionClass::kWrite, ""},
              {"git.ref.delete", domain::ActionClass::kDelete, ""}};
  }
  __builtin_trap();
}

std::vector<Resource> Resources::all() const {
  std::vector<Resource> out;
  out.insert(out.end(), issuers.begin(), issuers.end());
  out.insert(out.end(), groups.begin(), groups.end());
  out.insert(out.end(), humans.begin(), humans.end());
  out.insert(out.end(), credentials.begin(), credentials.end());
  out.insert(out.end(), upstreams.begin(), upstreams.end());
  out.insert(out.end(), agents.begin(), agents.end());
  out.insert(out.end(), policies.begin(), policies.end());
  return out;
}

void Resources::add(Resource r) {
  struct Add {
    Resources& to;
    void operator()(Issuer v) { put(to.issuers, std::move(v)); }
    void operator()(Group v) { put(to.groups, std::move(v)); }
    void operator()(Human v) { put(to.humans, std::move(v)); }
    void operator()(Credential v) { put(to.credentials, std::move(v)); }
    void operator()(Upstream v) { put(to.upstreams, std::move(v)); }
    void operator()(Agent v) { put(to.agents, std::move(v)); }
    void operator()(Policy v) { put(to.policies, std::move(v)); }
  };
  std::visit(Add{*this}, std::move(r));
}

const Issuer* Resources::issuer(std::string_view name) const { return get(issuers, name); }
const Group* Resources::group(std::string_view name) const { return get(groups, name); }
const Human* Resources::human(std::string_view name) const { return get(humans, name); }
const Credential* Resources::credential(std::string_view name) const {
  return get(credentials, name);
}
const Upstream* Resources::upstream(std::string_view name) const { return get(upstreams, name); }
const Agent* Resources::agent(std::string_view name) const { return get(agents, name); }

}  // namespace stint::resource
