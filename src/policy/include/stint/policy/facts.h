#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stint::policy {

// What is being decided. Each is an action of schema/stint.cedarschema.
enum class Operation : std::uint8_t {
  kCall,      // Action::"call":          an action of an upstream, `Facts::action` names it
  kOpen,      // Action::"task.open":     the task as it would be
  kDelegate,  // Action::"task.delegate": the child as it would be
  kMint,      // Action::"token.mint":    a token or handle inside an open task
};
std::string_view text(Operation operation);

// resource, on kCall: Upstream::"<name>". Elsewhere the resource is Task::"<task.id>".
struct UpstreamFacts {
  std::string name;
  std::string kind;                        // http, git, …
  std::string sensitivity = "restricted";  // public, internal, confidential, restricted
  std::vector<std::string> labels;
  bool operator==(const UpstreamFacts&) const = default;
};

struct TaskFacts {
  std::string id;
  std::string purpose;
  std::string reference;               // "": none
  std::string environment;             // "": none
  std::string ceiling = "restricted";  // as sensitivity
  std::int64_t age_seconds = 0;        // since opened
  std::int64_t life_seconds = 0;       // opened to deadline
  std::int64_t depth = 0;              // 0: no parent
  bool attended = false;
  bool autonomous = false;           // no human: the agent's owner answers for it
  bool inherits_human_read = false;  // holds a human's own read access: may only read
  std::optional<std::int64_t> requests_left, bytes_left;  // none: unlimited
  std::vector<std::string> grants;  // "upstream:action"; on kCall those that match the resource
  bool operator==(const TaskFacts&) const = default;
};

struct HumanFacts {
  std::string id;
  std::vector<std::string> groups;
  bool present = false;
  bool operator==(const HumanFacts&) const = default;
};

// principal: Agent::"<name>".
struct AgentFacts {
  std::string name;
  std::string owner;
  std::string status = "active";  // active, suspended, retired
  std::vector<std::string> labels;
  bool operator==(const AgentFacts&) const = default;
};

struct RequestFacts {
  std::string ip;  // "": none (a Unix socket). Text that is no address: error, so deny.
  std::string method, path;
  std::int64_t weekday = 0;           // UTC, 0 Sunday
  std::int64_t hour = 0, minute = 0;  // UTC
  bool fresh_proof =
      false;  // its proof answers a nonce of the last seconds: what a step-up asks for
  std::map<std::string, std::string> arguments;  // tool or command arguments, as text
  bool operator==(const RequestFacts&) const = default;
};

struct RiskFacts {
  std::int64_t score = 0;  // 0-100
  bool operator==(const RiskFacts&) const = default;
};

struct ApprovalFacts {
  bool granted = false;
  std::string by;  // a human's name; "": nobody
  std::int64_t age_seconds = 0;
  bool four_eyes = false;  // `by` is not the task's own human
  bool operator==(const ApprovalFacts&) const = default;
};

// Everything that a policy may read about one request. Plain values: the caller has verified them.
//
// Limits: 64 KiB of text in all; 256 entries in a list. Over: the decision is a deny with `error`.
struct Facts {
  Operation operation = Operation::kCall;
  std::string action;                         // name of the upstream's action; else text(operation)
  std::string action_class = "unclassified";  // read write execute export delete share privilege
                                              // credential unclassified
  bool granted = false;  // the task's grants cover action and resource (domain::allows)
  std::string resource;  // what inside the upstream: a repository, a path
  UpstreamFacts upstream;
  TaskFacts task;
  std::optional<HumanFacts> human;
  AgentFacts agent;
  RequestFacts request;
  RiskFacts risk;
  // Always present at run time. Absent, every policy that reads it fails, and the decision with it:
  // tests use that.
  std::optional<ApprovalFacts> approval = ApprovalFacts{};
  bool operator==(const Facts&) const = default;
};

}  // namespace stint::policy
