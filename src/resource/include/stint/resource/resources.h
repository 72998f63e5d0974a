#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/domain/action.h"

// What an operator declares in files: the configuration objects of Stint, as values. Written by
// the YAML reader (read.h), stored by `authority`, read by everyone through its Directory.
namespace stint::resource {

// Where a resource was written, for messages. Line and column from 1; 0: not from a file.
struct Origin {
  std::string file;
  int line = 0, column = 0;
};

// A person. `name` becomes `sub`; (issuer, subject) is how an ID token names them.
struct Human {
  std::string name;
  std::string issuer, subject;
  std::string email;                // may be empty
  std::vector<std::string> groups;  // names of Group
  bool active = true;
  bool operator==(const Human&) const = default;
};

struct Group {
  std::string name;
  std::string description;
  bool operator==(const Group&) const = default;
};

enum class AgentStatus : std::uint8_t { kActive, kSuspended, kRetired };
std::string_view text(AgentStatus status);

// One way in which an agent's instances prove themselves.
struct Trust {
  enum class Kind : std::uint8_t { kPrivateKeyJwt };
  Kind kind = Kind::kPrivateKeyJwt;
  std::string jwks;  // canonical JSON of the JWK set: public keys only, parsed and checked
  bool operator==(const Trust&) const = default;
};

struct Agent {
  std::string name;
  std::string owner;  // a Human or a Group
  std::string description;
  AgentStatus status = AgentStatus::kActive;
  std::vector<std::string> labels;
  std::vector<Trust> trust;
  bool operator==(const Agent&) const = default;
};

// How a credential goes into a request.
struct Inject {
  enum class As : std::uint8_t { kHeader, kBasic };
  std::string credential;  // a Credential
  As as = As::kHeader;
  std::string name = "Authorization";  // header name, for kHeader
  std::string format = "{secret}";     // has "{secret}" once, for kHeader
  std::string username;                // for kBasic
  bool operator==(const Inject&) const = default;
};

struct Action {
  std::string name;
  domain::ActionClass action_class = domain::ActionClass::kUnclassified;
  std::string match;  // "GET /tickets/{id}?format=csv", as http::RouteTable takes it
  bool operator==(const Action&) const = default;
};

enum class UpstreamKind : std::uint8_t { kHttp, kGit };
std::string_view text(UpstreamKind kind);
enum class Unmatched : std::uint8_t { kDeny, kAsk };
std::string_view text(Unmatched unmatched);

struct Upstream {
  std::string name;
  UpstreamKind kind = UpstreamKind::kHttp;
  std::string url;  // http or https, no query; requests go below its path
  domain::Sensitivity sensitivity = domain::Sensitivity::kRestricted;
  std::vector<std::string> labels;
  std::optional<Inject> inject;
  std::vector<Action> actions;  // kHttp; a git upstream has git.fetch, git.push, git.ref.delete
  Unmatched unmatched = Unmatched::kDeny;
  std::string ca_pem;  // trust anchors for https; empty: the system's
  std::int64_t max_request_bytes = 64LL * 1024 * 1024;
  std::int64_t max_response_bytes = 0;  // 0: no limit
  std::chrono::seconds timeout{60};     // until the response's head
  bool operator==(const Upstream&) const = default;
};

// The entry only; its value never stands in a file of resources.
struct Credential {
  enum class Source : std::uint8_t { kFile, kStdin, kPrompt };
  std::string name;
  std::string description;
  Source source = Source::kPrompt;
  std::string file;  // for kFile: where `apply` reads the value
  std::string owner; // a Human or a Group; may be empty
  bool operator==(const Credential&) const = default;
};

// A trusted OpenID Connect issuer of ID tokens.
struct Issuer {
  std::string name;
  std::string url;                     // compared byte for byte with `iss`
  std::vector<std::string> audiences;  // an ID token must be for one of these
  std::string jwks;                    // canonical JSON of the JWK set; empty: by discovery
  std::string groups_claim;            // claim that lists group names; empty: only Human.groups
  std::chrono::seconds max_age{3600};  // an ID token older than this opens nothing
  bool operator==(const Issuer&) const = default;
};

struct Policy {
  std::string name;  // file name without directories
  std::string text;
  bool operator==(const Policy&) const = default;
};

// A whole, consistent set: every reference resolves, names are unique within their kind.
struct Resources {
  std::map<std::string, Human> humans;
  std::map<std::string, Group> groups;
  std::map<std::string, Agent> agents;
  std::map<std::string, Upstream> upstreams;
  std::map<std::string, Credential> credentials;
  std::map<std::string, Issuer> issuers;
  std::map<std::string, Policy> policies;
  bool operator==(const Resources&) const = default;
};

// Stored form of each: strict JSON both ways (json.cc). Used by `authority` for its entity rows.
std::string encode(const Human& v);
std::string encode(const Group& v);
std::string encode(const Agent& v);
std::string encode(const Upstream& v);
std::string encode(const Credential& v);
std::string encode(const Issuer& v);
std::string encode(const Policy& v);
template <class T>
Result<T> decode(std::string_view body);  // specialised for each kind above; kMalformed

}  // namespace stint::resource
