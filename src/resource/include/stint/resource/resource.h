#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "stint/base/error.h"
#include "stint/crypto/sign.h"
#include "stint/domain/action.h"

// What operators declare in files: plain values, no secrets. Names are unique within their kind.
// Threads: as values. Ownership: own their text.
namespace stint::resource {

// A person, known by (issuer, subject). `name` becomes `sub`.
struct Human {
  std::string name;
  std::string issuer;               // name of an Issuer
  std::string subject;              // `sub` of its ID tokens
  std::string email;                // may be empty
  std::vector<std::string> groups;  // names of Groups, sorted, unique
  bool operator==(const Human&) const = default;
};

struct Group {
  std::string name;
  std::string description;
  bool operator==(const Group&) const = default;
};

enum class AgentStatus : std::uint8_t { kActive, kSuspended, kRetired };
std::string_view text(AgentStatus s);
Result<AgentStatus> parse_agent_status(std::string_view text);  // kMalformed

// How instances of an agent prove that they are it. private_key_jwt (RFC 7523): `jwks` is a public
// JWK Set as canonical JSON, read and checked by jose.
struct Trust {
  enum class Kind : std::uint8_t { kPrivateKeyJwt };
  Kind kind = Kind::kPrivateKeyJwt;
  std::string jwks;
  bool operator==(const Trust&) const = default;
};

struct Agent {
  std::string name;
  std::string owner;  // name of a Human or a Group
  std::string description;
  AgentStatus status = AgentStatus::kActive;
  std::string environment;          // default for its tasks; may be empty
  std::vector<std::string> labels;  // sorted, unique
  std::vector<Trust> trust;         // never empty
  // Guards something with tokens of ours: may read which tasks and tokens no longer count, of all
  // agents (GET /v1/feed). None is false.
  std::optional<bool> edge_verifier;
  bool operator==(const Agent&) const = default;
};

// How the gateway puts a credential into a request.
struct Injection {
  enum class As : std::uint8_t { kHeader, kBasic };
  std::string credential;  // name of a Credential
  As as = As::kHeader;
  std::string header = "Authorization";  // kHeader
  std::string format = "{secret}";       // kHeader; has {secret} exactly once
  std::string username;                  // kBasic; the secret is the password
  bool operator==(const Injection&) const = default;
};

struct ActionRule {
  std::string action;
  domain::ActionClass action_class = domain::ActionClass::kUnclassified;
  std::string match;  // http: a route template (http/route.h); git: empty
  bool operator==(const ActionRule&) const = default;
};

enum class UpstreamKind : std::uint8_t { kHttp, kGit };
enum class Unmatched : std::uint8_t { kDeny, kAsk };
std::string_view text(UpstreamKind k);
std::string_view text(Unmatched u);

struct UpstreamLimits {
  std::int64_t request_bytes = 16LL * 1024 * 1024 * 1024;
  std::int64_t response_bytes = 16LL * 1024 * 1024 * 1024;
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds response_timeout{60};  // to the first byte of the answer
  std::chrono::seconds idle_timeout{60};      // between bytes
  std::int64_t concurrent = 256;              // calls under way
  bool operator==(const UpstreamLimits&) const = default;
};

struct Upstream {
  std::string name;
  UpstreamKind kind = UpstreamKind::kHttp;
  std::string url;  // http or https, no query, no fragment, no trailing '/'
  std::string description;
  domain::Sensitivity sensitivity = domain::Sensitivity::kRestricted;
  std::vector<std::string> labels;  // sorted, unique
  std::optional<Injection> inject;
  std::vector<ActionRule> actions;  // as written; see actions_of()
  Unmatched unmatched = Unmatched::kDeny;
  UpstreamLimits limits;
  std::string tls_ca;  // PEM; empty: the system's roots
  // Of the tokens that are for it: kES256, kRS256 or kEdDSA; none: as the service says.
  std::optional<crypto::Alg> token_alg;
  bool operator==(const Upstream&) const = default;
};

// What can be done to an upstream: its own rules, or for git the fixed three (git.fetch read,
// git.push write, git.ref.delete delete).
std::vector<ActionRule> actions_of(const Upstream& upstream);

// Where the value is asked for when it is put into the vault. Never the value.
struct Credential {
  enum class Source : std::uint8_t { kFile, kStdin, kPrompt };
  std::string name;
  std::string description;
  Source source = Source::kPrompt;
  std::string path;  // kFile: as written, relative to the YAML file that names it
  bool operator==(const Credential&) const = default;
};
std::string_view text(Credential::Source s);

// An OpenID provider whose ID tokens are believed about humans.
struct Issuer {
  std::string name;
  std::string url;                     // `iss`, byte for byte
  std::vector<std::string> audiences;  // sorted, unique, never empty: one must be in `aud`
  std::string jwks;                    // canonical JSON; empty: found by discovery
  std::string groups_claim;            // empty: tokens say nothing about groups
  std::string email_claim = "email";
  std::chrono::seconds max_age{300};  // an ID token issued longer ago is refused
  bool operator==(const Issuer&) const = default;
};

// A .cedar file, validated with all others.
struct Policy {
  std::string name;  // the file's path as given
  std::string text;
  bool operator==(const Policy&) const = default;
};

enum class Kind : std::uint8_t { kIssuer, kGroup, kHuman, kCredential, kUpstream, kAgent, kPolicy };
std::string_view text(Kind k);
Result<Kind> parse_kind(std::string_view text);  // kMalformed

using Resource = std::variant<Issuer, Group, Human, Credential, Upstream, Agent, Policy>;
Kind kind_of(const Resource& r);
const std::string& name_of(const Resource& r);

// The whole declared state. Each list is sorted by name.
struct Resources {
  std::vector<Issuer> issuers;
  std::vector<Group> groups;
  std::vector<Human> humans;
  std::vector<Credential> credentials;
  std::vector<Upstream> upstreams;
  std::vector<Agent> agents;
  std::vector<Policy> policies;

  // In an order in which what is named comes before what names it.
  std::vector<Resource> all() const;
  void add(Resource r);                               // keeps the order
  const Issuer* issuer(std::string_view name) const;  // all: nullptr when absent
  const Group* group(std::string_view name) const;
  const Human* human(std::string_view name) const;
  const Credential* credential(std::string_view name) const;
  const Upstream* upstream(std::string_view name) const;
  const Agent* agent(std::string_view name) const;
  bool operator==(const Resources&) const = default;
};

// What the reader of files refuses about values, for resources that came another way: names, texts,
// lists, URLs, what is referred to, headers to inject, roots to trust, limits. Keys, routes and
// policies are looked at where they are compiled. Errors: kMalformed, with what is wrong.
Status check(const Resources& all);

// The stored form: canonical JSON; equal resources give equal bytes. decode() is strict: an
// unknown, missing or ill-typed member is an error, since only encode() writes it; what may be none
// may also be missing, so that an earlier program's are read. Errors: kMalformed, kMissing,
// kUnknownKey, kTooLarge.
std::string encode(const Resource& r);
Result<Resource> decode(Kind kind, std::string_view body);

}  // namespace stint::resource
