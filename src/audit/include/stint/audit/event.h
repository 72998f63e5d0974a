#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "stint/audit/canonical.h"
#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/sign.h"
#include "stint/domain/action.h"
#include "stint/domain/approval.h"
#include "stint/domain/grant.h"
#include "stint/domain/task.h"

// The event schema: one struct per kind, one encoding per value. docs/events.md says it for people
// and is checked against the code.
//
// No struct has a place for a secret: credentials are named, keys shown by thumbprint, tokens and
// handles by id, arguments by digest.
namespace stint::audit {

// What an id member holds until it is set. encode() refuses it.
inline constexpr struct Unset {
  template <class Tag>
  constexpr operator Id<Tag>() const {
    return Id<Tag>(std::array<std::uint8_t, 16>{});
  }
} unset;

// Who caused an event. Written "human:NAME", "agent:NAME", "operator:NAME" or "server".
struct Actor {
  enum class Kind : std::uint8_t { kHuman, kAgent, kOperator, kServer };
  Kind kind = Kind::kServer;
  std::string name;  // empty for the server, else not
  bool operator==(const Actor&) const = default;

  static Actor server() { return {}; }
  static Actor human(std::string name) { return {Kind::kHuman, std::move(name)}; }
  static Actor agent(std::string name) { return {Kind::kAgent, std::move(name)}; }
  static Actor an_operator(std::string name) { return {Kind::kOperator, std::move(name)}; }
};

// --- the service -------------------------------------------------------------------------------

struct ServerStarted {
  static constexpr std::string_view kKind = "server.started";
  std::string version, issuer, origin;  // origin: of the log
  bool operator==(const ServerStarted&) const = default;
};

struct ServerStopped {
  static constexpr std::string_view kKind = "server.stopped";
  std::string reason;  // "signal", "command", …
  bool operator==(const ServerStopped&) const = default;
};

enum class KeyUse : std::uint8_t { kToken, kLog };
struct KeyCreated {
  static constexpr std::string_view kKind = "key.created";
  std::string kid;
  crypto::Alg alg = crypto::Alg::kES256;
  KeyUse use = KeyUse::kToken;
  std::string public_key;  // JWK thumbprint (RFC 7638) or, for the log, its verifier key
  bool operator==(const KeyCreated&) const = default;
};

// It signs from now on.
struct KeyActivated {
  static constexpr std::string_view kKind = "key.activated";
  std::string kid;
  std::string replaces;  // kid; empty: none
  Actor actor;
  bool operator==(const KeyActivated&) const = default;
};

// No token that it signed counts from now on.
struct KeyRevoked {
  static constexpr std::string_view kKind = "key.revoked";
  std::string kid;
  std::string replaced_by;  // kid; empty: it was not the one that signs
  Actor actor;
  bool operator==(const KeyRevoked&) const = default;
};

// It is published no more, and its private half is wiped.
struct KeyRetired {
  static constexpr std::string_view kKind = "key.retired";
  std::string kid;
  Actor actor;
  bool operator==(const KeyRetired&) const = default;
};

// The store was made of a backup: what was committed after the backup is not in this log. Another
// log of this name may go on from the same size.
struct ServerRestored {
  static constexpr std::string_view kKind = "server.restored";
  std::string version;    // of Stint
  WallTime taken;         // when the backup began
  std::int64_t size = 0;  // of the log in it: the index of this event
  crypto::Digest root{};  // of all of it
  Actor actor;
  bool operator==(const ServerRestored&) const = default;
};

// Everything sealed was sealed anew under another root key.
struct RootRewrapped {
  static constexpr std::string_view kKind = "root.rewrapped";
  std::string from, to;     // public names of the root keys, 8 hex digits
  std::int64_t sealed = 0;  // how many values
  Actor actor;
  bool operator==(const RootRewrapped&) const = default;
};

enum class ResourceType : std::uint8_t {
  kHuman,
  kGroup,
  kAgent,
  kUpstream,
  kCredential,
  kIssuer,
  kPolicy,
};
enum class Operation : std::uint8_t { kCreate, kUpdate, kRetire };
struct ResourceApplied {
  static constexpr std::string_view kKind = "resource.applied";
  Actor actor;
  Operation operation = Operation::kCreate;
  ResourceType type = ResourceType::kAgent;
  std::string name;
  std::int64_t version = 1;
  std::optional<crypto::Digest> digest;  // of the resource's canonical form, secret values left out
  std::vector<std::string> changed;      // names of members, never values
  bool operator==(const ResourceApplied&) const = default;
};

// --- tasks -------------------------------------------------------------------------------------

struct TaskOpened {
  static constexpr std::string_view kKind = "task.opened";
  TaskId task = unset;
  Actor actor;
  std::string agent;
  domain::Binding binding;
  std::optional<std::string> human;
  domain::Consent consent = domain::Consent::kExchange;
  std::string acr;
  std::optional<WallTime> auth_time;
  std::string purpose, reference;
  std::vector<domain::Grant> grants;
  std::string environment;
  domain::Sensitivity ceiling = domain::Sensitivity::kRestricted;
  WallTime opened, deadline;
  std::int64_t idle_limit = 0;  // seconds; 0: none
  bool attended = false;
  std::int64_t presence_limit = 0;  // seconds
  domain::Budget budget;
  std::optional<TaskId> parent;
  int depth = 0;
  bool operator==(const TaskOpened&) const = default;
};
// All of it from the task itself.
TaskOpened task_opened(const domain::Task& task, Actor actor);

// Beside the child's task.opened, in the same transaction, for the parent's story.
struct TaskDelegated {
  static constexpr std::string_view kKind = "task.delegated";
  TaskId task = unset;  // the parent
  TaskId child = unset;
  std::string agent;  // the child's
  bool operator==(const TaskDelegated&) const = default;
};

struct TaskNarrowed {
  static constexpr std::string_view kKind = "task.narrowed";
  TaskId task = unset;
  Actor actor;
  std::vector<domain::Grant> grants;  // what is left
  bool operator==(const TaskNarrowed&) const = default;
};

struct TaskPaused {
  static constexpr std::string_view kKind = "task.paused";
  TaskId task = unset;
  domain::Why why = domain::Why::kOperator;
  Actor actor;
  bool operator==(const TaskPaused&) const = default;
};

struct TaskResumed {
  static constexpr std::string_view kKind = "task.resumed";
  TaskId task = unset;
  domain::Why why = domain::Why::kOperator;  // the cause that is gone
  Actor actor;
  bool operator==(const TaskResumed&) const = default;
};

struct TaskClosed {
  static constexpr std::string_view kKind = "task.closed";
  TaskId task = unset;
  domain::How how = domain::How::kCompleted;
  Actor actor;
  domain::Spend spend;
  bool operator==(const TaskClosed&) const = default;
};

// --- tokens and handles ------------------------------------------------------------------------

enum class MintedBy : std::uint8_t { kOpening, kHandle, kDelegation };
struct TokenMinted {
  static constexpr std::string_view kKind = "token.minted";
  TaskId task = unset;
  TokenId token = unset;
  std::string agent, audience;
  crypto::Alg alg = crypto::Alg::kES256;
  std::string kid;
  std::string thumbprint;  // of the key that the token is bound to
  WallTime issued, expires;
  MintedBy by = MintedBy::kOpening;
  bool operator==(const TokenMinted&) const = default;
};

struct TokenRevoked {
  static constexpr std::string_view kKind = "token.revoked";
  TaskId task = unset;
  TokenId token = unset;
  Actor actor;
  bool operator==(const TokenRevoked&) const = default;
};

struct HandleIssued {
  static constexpr std::string_view kKind = "handle.issued";
  TaskId task = unset;
  HandleId handle = unset;
  std::string thumbprint;
  bool operator==(const HandleIssued&) const = default;
};

struct HandleUsed {
  static constexpr std::string_view kKind = "handle.used";
  TaskId task = unset;
  HandleId handle = unset;
  TokenId token = unset;  // what it minted
  bool operator==(const HandleUsed&) const = default;
};

struct HandleRevoked {
  static constexpr std::string_view kKind = "handle.revoked";
  TaskId task = unset;
  HandleId handle = unset;
  Actor actor;
  bool operator==(const HandleRevoked&) const = default;
};

// --- decisions ---------------------------------------------------------------------------------

enum class Verdict : std::uint8_t { kPermit, kDeny, kAsk };

// The intent: written before the action (reads: within the stated window). Also what was refused of
// opening, delegating and minting: `action` is then task.open, task.delegate or token.mint, and
// there is no class. What was permitted of these is told by their own events.
template <class Text, class Texts, class Facts>
struct BasicDecided {
  static constexpr std::string_view kKind = "decision";
  DecisionId decision = unset;
  std::optional<TaskId> task;  // absent: the one that was not opened
  Text agent;
  std::optional<Text> human;
  std::optional<TokenId> token;
  Verdict verdict = Verdict::kDeny;
  Text reason;                         // a literal of ours: "no policy permits", "task paused", …
  Texts policies;                      // ids of those that determined it
  Texts approvers;                     // groups, for an ask
  std::optional<ApprovalId> approval;  // the one asked for, or the one that lifted the deny
  Text upstream, action;
  std::optional<domain::ActionClass> action_class;
  Text resource, method, target;
  std::optional<crypto::Digest> call;  // domain::digest of the exact call, arguments included
  Facts facts;                         // what policies saw beyond the above; for `stint why`
  Text source_ip;
  bool operator==(const BasicDecided&) const = default;
};
using Decided = BasicDecided<std::string, std::vector<std::string>, Canonical>;
// Borrows: for the record of each call, of which every text lies somewhere already.
using DecidedView = BasicDecided<std::string_view, std::span<const std::string>, CanonicalView>;

// Refusals that were not written one by one: the same agent asked for the same again and was
// refused for the same reason. Who asks of too many tasks or humans has them told in one.
struct DecisionsRepeated {
  static constexpr std::string_view kKind = "decision.repeated";
  std::optional<TaskId> task;
  std::string agent;
  std::optional<std::string> human;
  std::string action, reason;
  std::int64_t count = 0;
  bool operator==(const DecisionsRepeated&) const = default;
};

enum class Ending : std::uint8_t {
  kCompleted,       // the response went through whole
  kUpstreamFailed,  // no usable response
  kCut,             // the task ended, its streams were cut
  kClientGone,
  kTimedOut,
  kRefused,  // by us after the permit: credential not released, limit reached
};
struct Outcome {
  static constexpr std::string_view kKind = "outcome";
  DecisionId decision = unset;
  TaskId task = unset;
  Ending ending = Ending::kCompleted;
  int status = 0;                            // of the response given; 0: none
  std::int64_t bytes_in = 0, bytes_out = 0;  // bodies: from and to the agent
  std::int64_t duration_ms = 0;
  bool operator==(const Outcome&) const = default;
};

struct CredentialReleased {
  static constexpr std::string_view kKind = "credential.released";
  DecisionId decision = unset;
  TaskId task = unset;
  std::string credential;  // its name
  std::int64_t version = 0;
  std::string upstream;
  bool operator==(const CredentialReleased&) const = default;
};

// --- approvals ---------------------------------------------------------------------------------

struct ApprovalRequested {
  static constexpr std::string_view kKind = "approval.requested";
  ApprovalId approval = unset;
  TaskId task = unset;
  DecisionId decision = unset;
  crypto::Digest call{};
  std::string words;
  std::vector<std::string> groups;
  bool four_eyes = false, for_task_allowed = false;
  WallTime expires;
  bool operator==(const ApprovalRequested&) const = default;
};

struct ApprovalAnswered {
  static constexpr std::string_view kKind = "approval.answered";
  ApprovalId approval = unset;
  TaskId task = unset;
  domain::Answer answer = domain::Answer::kNo;
  Actor actor;
  bool operator==(const ApprovalAnswered&) const = default;
};

struct ApprovalConsumed {
  static constexpr std::string_view kKind = "approval.consumed";
  ApprovalId approval = unset;
  TaskId task = unset;
  DecisionId decision = unset;  // that it lifted
  bool operator==(const ApprovalConsumed&) const = default;
};

struct ApprovalExpired {
  static constexpr std::string_view kKind = "approval.expired";
  ApprovalId approval = unset;
  TaskId task = unset;
  bool operator==(const ApprovalExpired&) const = default;
};

// --- signals and receipts ----------------------------------------------------------------------

enum class Strength : std::uint8_t { kSoft, kHard };
struct Signal {
  static constexpr std::string_view kKind = "signal";
  std::string name;  // "borrowed-session", "proof-replayed", …
  Strength strength = Strength::kSoft;
  std::string sentence;  // key of the sentence for people
  std::optional<TaskId> task;
  std::optional<TokenId> token;
  std::string agent, upstream, source_ip;
  bool operator==(const Signal&) const = default;
};

struct ReceiptSigned {
  static constexpr std::string_view kKind = "receipt.signed";
  TaskId task = unset;
  crypto::Digest digest{};  // SHA-256 of the receipt's whole note
  bool operator==(const ReceiptSigned&) const = default;
};

// -----------------------------------------------------------------------------------------------

using AnyEvent =
    std::variant<ServerStarted, ServerStopped, KeyCreated, KeyActivated, KeyRevoked, KeyRetired,
                 RootRewrapped, ServerRestored, ResourceApplied, TaskOpened, TaskDelegated,
                 TaskNarrowed, TaskPaused, TaskResumed, TaskClosed, TokenMinted, TokenRevoked,
                 HandleIssued, HandleUsed, HandleRevoked, Decided, DecisionsRepeated, Outcome,
                 CredentialReleased, ApprovalRequested, ApprovalAnswered, ApprovalConsumed,
                 ApprovalExpired, Signal, ReceiptSigned>;

// One entry of the log. Its index is its place, not part of it.
struct Entry {
  WallTime time;
  AnyEvent event;
  bool operator==(const Entry&) const = default;
};

std::string_view kind(const AnyEvent& event);
std::optional<TaskId> task_of(const AnyEvent& event);

inline constexpr int kSchemaVersion = 1;
inline constexpr std::size_t kMaxEventBytes = 65'535;  // an entry of a tile (C2SP tlog-tiles)
inline constexpr std::size_t kMaxText = 1024;          // of one text member, unless stated:
inline constexpr std::size_t kMaxTarget = 8 * 1024;    // Decided::target
inline constexpr std::size_t kMaxWords = 8 * 1024;     // ApprovalRequested::words
inline constexpr std::size_t kMaxFacts = 16 * 1024;    // Decided::facts

// The canonical bytes: {"v":1,"time":…,"kind":…,members…} as RFC 8785. Absent, empty text and empty
// lists are left out.
// Errors: kTooLarge "event over 65535 bytes", "event text too long", "event list too long",
// "event facts too long"; kMalformed "event text not utf-8", "event number range".
Result<std::string> encode(WallTime time, const AnyEvent& event);
// The same, appended to `out`, which an error leaves as it was: for the kinds of every call.
Status encode_to(std::string& out, WallTime time, const DecidedView& event);
Status encode_to(std::string& out, WallTime time, const CredentialReleased& event);
Status encode_to(std::string& out, WallTime time, const Outcome& event);

// The strict inverse: parse(b) succeeds only for bytes that encode() gives.
// Errors: kTooLarge, kMalformed, kMissing, kUnknownKey, kUnsupported "event kind" or "event
// version".
Result<Entry> parse(std::string_view bytes);

// The kind alone, of bytes that may be damaged: nothing when it cannot be read. For messages.
std::optional<std::string> kind_of_bytes(std::string_view bytes);

// Cuts text to at most `limit` bytes at a code point's edge, for what is quoted and not meant
// whole.
std::string_view cut(std::string_view text, std::size_t limit);

}  // namespace stint::audit
