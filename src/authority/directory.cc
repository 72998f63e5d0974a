#include "stint/authority/directory.h"

#include <algorithm>

namespace stint::authority {
namespace {

Result<jose::JwkSet> keys_of(const resource::Agent& agent) {
  std::vector<jose::Jwk> keys;
  for (const auto& trust : agent.trust) {
    const auto set = STINT_TRY(jose::JwkSet::parse(trust.jwks));
    keys.insert(keys.end(), set.keys().begin(), set.keys().end());
  }
  return jose::JwkSet::of(std::move(keys));
}

Result<http::RouteTable> routes_of(const resource::Upstream& upstream) {
  std::vector<std::string> templates;
  if (upstream.kind == resource::UpstreamKind::kHttp)
    for (const auto& action : upstream.actions) templates.push_back(action.match);
  auto table = http::RouteTable::compile(templates);
  if (!table) return fail(table.error().error);
  return *std::move(table);
}

template <class Map>
const typename Map::mapped_type* find_in(const Map& map, std::string_view key) {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : &at->second;
}

}  // namespace

Result<std::shared_ptr<const Directory>> Directory::compile(resource::Resources resources,
                                                            std::uint64_t version,
                                                            const std::string& gateway_url) {
  std::vector<policy::PolicyFile> files;
  for (const auto& p : resources.policies) files.push_back({p.name, p.text});
  auto policies = policy::PolicySet::compile(files);
  if (!policies) return fail(Errc::kMalformed, "a policy does not validate");

  std::shared_ptr<Directory> d(new Directory(*std::move(policies)));
  d->version_ = version;
  d->resources_ = std::move(resources);
  const resource::Resources& r = d->resources_;
  for (const auto& agent : r.agents)
    d->agents_.emplace(agent.name, AgentEntry{agent, STINT_TRY(keys_of(agent))});
  for (const auto& upstream : r.upstreams)
    d->upstreams_.emplace(
        upstream.name, UpstreamEntry{upstream, STINT_TRY(codec::parse_url(upstream.url)),
                                     resource::actions_of(upstream), STINT_TRY(routes_of(upstream)),
                                     gateway_url + "/u/" + upstream.name});
  for (const auto& [name, entry] : d->upstreams_) d->by_audience_.emplace(entry.audience, &entry);
  for (const auto& issuer : r.issuers) {
    std::optional<jose::JwkSet> keys;
    if (!issuer.jwks.empty()) keys = STINT_TRY(jose::JwkSet::parse_of_issuer(issuer.jwks));
    d->issuers_.emplace(issuer.url, IssuerEntry{issuer, std::move(keys)});
  }
  for (const auto& human : r.humans) {
    const auto* issuer = r.issuer(human.issuer);
    if (issuer == nullptr) return fail(Errc::kMalformed, "a human of an unknown issuer");
    d->by_subject_.emplace(std::pair(issuer->url, human.subject), &human);
  }
  return std::shared_ptr<const Directory>(std::move(d));
}

const Directory::AgentEntry* Directory::agent(std::string_view name) const {
  return find_in(agents_, name);
}
const Directory::UpstreamEntry* Directory::upstream(std::string_view name) const {
  return find_in(upstreams_, name);
}
const Directory::UpstreamEntry* Directory::upstream_by_audience(std::string_view audience) const {
  const auto* at = find_in(by_audience_, audience);
  return at != nullptr ? *at : nullptr;
}
const Directory::IssuerEntry* Directory::issuer_by_url(std::string_view url) const {
  return find_in(issuers_, url);
}
const resource::Human* Directory::human(std::string_view name) const {
  return resources_.human(name);
}
const resource::Human* Directory::human_by_subject(std::string_view issuer_url,
                                                   std::string_view subject) const {
  const auto at = by_subject_.find({std::string(issuer_url), std::string(subject)});
  return at == by_subject_.end() ? nullptr : at->second;
}

}  // namespace stint::authority
