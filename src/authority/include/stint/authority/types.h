#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/audit/event.h"
#include "stint/base/clock.h"
#include "stint/base/id.h"
#include "stint/base/secret.h"
#include "stint/crypto/digest.h"
#include "stint/domain/approval.h"
#include "stint/domain/task.h"
#include "stint/policy/decision.h"
#include "stint/policy/facts.h"

// What goes into the commands of Authority, and what comes out. Values; the caller has verified
// everything that they say (signatures, proofs, peers): a command checks state, rules and policy.
namespace stint::authority {

class Directory;

// Who does it, for the log.
struct Actor {
  enum class Kind : std::uint8_t { kHuman, kAgent, kOperator, kSystem };
  Kind kind = Kind::kSystem;
  std::string name;  // human, agent, "uid:0", "reaper"
  static Actor human(std::string name) { return {Kind::kHuman, std::move(name)}; }
  static Actor agent(std::string name) { return {Kind::kAgent, std::move(name)}; }
  static Actor local_operator(std::uint32_t uid) {
    return {Kind::kOperator, "uid:" + std::to_string(uid)};
  }
  static Actor system(std::string name) { return {Kind::kSystem, std::move(name)}; }
};

// Something that may be used once: the jti of a client assertion. Spent in the command's own
// transaction; a second use is kReplayed.
struct SingleUse {
  std::string scope;  // "client-assertion"
  std::string key;    // client id, NUL, jti: hashed before it is stored
  WallTime expires;   // kept until then
  WallTime since{};   // not accepted before: a use before that cannot have been forgotten
};

// The Idempotency-Key of one request.
struct IdempotencyKey {
  std::string principal;     // who sent it
  crypto::Digest key{};      // of the key's text
  crypto::Digest request{};  // of what was asked
};

// What the request itself looked like, for policies and the log.
struct RequestContext {
  std::string ip;  // "" on a unix socket
  bool fresh_proof = false;
};

// What an agent that proved who it is asked for in vain.
struct Refused {
  policy::Operation operation = policy::Operation::kOpen;
  std::string agent;                 // who asked
  std::optional<std::string> human;  // for whom
  std::optional<TaskId> task;        // the parent's, or the handle's
  std::optional<TokenId> token;      // the parent's
  std::string audience;              // of the token that was wanted
  std::string ip;
};

struct OpenRequest {
  domain::OpenOrder order;              // human, agent and binding as verified
  std::vector<std::string> groups;      // what the ID token says, added to the human's own
  std::optional<std::string> audience;  // mint the first token for it
  std::vector<SingleUse> spend;
  RequestContext request;
  Actor actor;
};

// A status list as it is served.
struct StatusDocument {
  std::string jwt;
  std::string etag;  // with its quotes
  WallTime built;
  std::chrono::seconds fresh{0};  // after `built`: then there is a newer one
};

struct DelegateRequest {
  TaskId parent;
  // The parent's token must still count. The child may do no more than that token, which may be
  // narrower than the task, and its first token ends no later (RFC 8693).
  TokenId parent_token;
  std::string parent_token_kid;   // of the key that signed it
  WallTime parent_token_expires;  // whole seconds, as in the token
  std::vector<domain::Grant> parent_token_grants;
  OpenRequest child;
};

struct Minted {
  std::string token;  // compact JWS; goes to the caller and nowhere else
  TokenId id;
  std::string audience;
  WallTime issued, expires;
  std::vector<domain::Grant> grants;  // those that this token carries
};

struct Opened {
  domain::Task task;
  HandleId handle_id;
  Secret handle;
  std::optional<Minted> token;
};

struct MintRequest {
  std::string handle_text;    // as presented; hashed at once
  domain::Binding presented;  // of the proof or certificate that came with it
  std::string client_id;      // authenticated; must be the task's agent
  std::optional<std::string> audience;
  std::vector<domain::Grant> narrow;  // empty: all that the task has for the audience
  std::vector<SingleUse> spend;
  RequestContext request;
};

struct MintResult {
  domain::Task task;
  Minted token;
};

struct Closed {
  TaskId task;
  domain::How how = domain::How::kCompleted;  // the one that won, perhaps earlier
  std::size_t count = 0;                      // tasks that this call closed, descendants included
  WallTime acknowledged;
};

// One action of a task at an upstream, to be decided.
struct CallRequest {
  TaskId task;
  TokenId token;
  std::string kid;  // of the key that signed the token: it must not be revoked meanwhile
  // What the token itself carries: it may be narrower than the task. Shared with the token's cache.
  std::shared_ptr<const std::vector<domain::Grant>> token_grants;
  domain::Call call;
  std::map<std::string, std::string> arguments;  // for policies
  std::string words;                             // for the approver
  bool approvable = true;  // `call` says all that the call does; else an ask is a deny
  RequestContext request;
  std::string path;  // upstream path, for policies
  // Of the directory by which the call was named: it is decided and released by the same one.
  std::uint64_t directory_version = 0;
};

// Leave to do one call, made by Authority::decide alone. It releases the upstream's credential, the
// one that its decision's event names and no other.
class Permit {
 public:
  DecisionId decision() const { return decision_; }
  TaskId task() const { return task_; }
  // What the response may carry, where a budget of bytes was reserved for it.
  std::optional<std::int64_t> byte_limit() const { return byte_limit_; }

 private:
  friend class Authority;
  Permit() = default;
  DecisionId decision_{{}};
  TaskId task_{{}};
  TokenId token_{{}};
  std::string kid_;
  std::string upstream_;
  std::shared_ptr<const Directory> directory_;
  std::uint64_t credential_version_ = 0;
  std::optional<std::int64_t> byte_limit_;
};

struct Verdict {
  DecisionId id;
  policy::Decision decision;
  std::optional<Permit> permit;              // exactly when the outcome is kPermit
  std::optional<domain::Approval> approval;  // exactly when the outcome is kAsk
};

// What became of a permitted call.
struct CallOutcome {
  unsigned status = 0;  // the upstream's; 0: no answer
  audit::Ending ending = audit::Ending::kCompleted;
  std::int64_t bytes_in = 0, bytes_out = 0;
  std::chrono::microseconds duration{0};
};

// A sealed secret, opened for one call.
struct Released {
  std::string credential;  // its name
  std::uint64_t version = 0;
  Secret value;
};

// One observation that speaks against the session being the one that was opened.
struct Signal {
  std::string_view name;  // literal: "proof-missing", "key-mismatch", "proof-replayed", …
  bool hard = true;
  std::optional<TaskId> task;
  std::optional<TokenId> token;
  std::string agent;  // registered name, when known
  std::string ip;
  std::string_view where;  // literal: "gateway", "token-endpoint", "api"
};

// One of the service's own keys. Words are literals.
struct KeyView {
  std::string kid;
  std::string_view use;    // "token", "log"
  std::string_view state;  // "next", "live", "former", "retired", "revoked"
  crypto::Alg alg = crypto::Alg::kES256;
  WallTime created;
  std::optional<WallTime> activates, activated, retires, retired, revoked;
};

// What rotating did, of each algorithm that was asked for.
struct Rotation {
  std::vector<KeyView> next;  // published; live when `activates`
  std::vector<KeyView> live;  // signs now
  bool changed = false;       // false: there was a next key of each already
};

// What revoking a key does to tokens of open tasks that have not expired.
struct KeyRevocation {
  KeyView key;
  std::size_t tokens = 0;
  std::size_t tasks = 0;    // whose next call must renew
  std::size_t unknown = 0;  // of `tokens`: minted by a release that did not record their key
  std::vector<std::pair<std::string, std::size_t>> audiences;  // tokens by audience, at most 200
  std::string replaced_by;  // kid; "": not known yet, or the key did not sign any more
};

struct Introspection {
  domain::Task task;
  std::optional<TokenId> token;    // an access token
  std::optional<HandleId> handle;  // or a handle
  std::string client_id, subject, audience;
  std::vector<std::string> act;
  std::vector<domain::Grant> grants;
  WallTime issued, expires;
};

}  // namespace stint::authority
