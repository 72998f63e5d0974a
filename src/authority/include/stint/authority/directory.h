#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/codec/url.h"
#include "stint/http/route.h"
#include "stint/jose/jwk.h"
#include "stint/policy/policy_set.h"
#include "stint/resource/resource.h"

namespace stint::authority {

// A snapshot of all that operators configured, compiled for use. Immutable and shared: take one a
// request and keep it, so that every check sees the same configuration.
class Directory {
 public:
  struct AgentEntry {
    resource::Agent agent;
    jose::JwkSet keys;  // of all its private_key_jwt trusts
  };
  struct UpstreamEntry {
    resource::Upstream upstream;
    codec::Url url;  // upstream.url
    std::vector<resource::ActionRule> actions;
    http::RouteTable routes;  // of a kHttp upstream: indexes into `actions`
    std::string audience;     // "<gateway url>/u/<name>": `aud` of its tokens
  };
  struct IssuerEntry {
    resource::Issuer issuer;
    std::optional<jose::JwkSet> keys;  // none: by discovery
  };

  // Compiles a consistent set. Errors: kMalformed, what the resource reader would have refused.
  static Result<std::shared_ptr<const Directory>> compile(resource::Resources resources,
                                                          std::uint64_t version,
                                                          const std::string& gateway_url);

  std::uint64_t version() const { return version_; }
  const resource::Resources& resources() const { return resources_; }
  const policy::PolicySet& policies() const { return policies_; }

  // nullptr: none of that name. Suspended and retired agents are found: the caller looks at their
  // status.
  const AgentEntry* agent(std::string_view name) const;
  const UpstreamEntry* upstream(std::string_view name) const;
  const UpstreamEntry* upstream_by_audience(std::string_view audience) const;
  const IssuerEntry* issuer_by_url(std::string_view url) const;
  const resource::Human* human(std::string_view name) const;
  const resource::Human* human_by_subject(std::string_view issuer_url,
                                          std::string_view subject) const;

 private:
  explicit Directory(policy::PolicySet policies) : policies_(std::move(policies)) {}
  std::uint64_t version_ = 0;
  resource::Resources resources_;
  policy::PolicySet policies_;
  std::map<std::string, AgentEntry, std::less<>> agents_;
  std::map<std::string, UpstreamEntry, std::less<>> upstreams_;
  std::map<std::string, const UpstreamEntry*, std::less<>> by_audience_;
  std::map<std::string, IssuerEntry, std::less<>> issuers_;  // by url
  std::map<std::pair<std::string, std::string>, const resource::Human*> by_subject_;
};

}  // namespace stint::authority
