#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/domain/action.h"
#include "stint/domain/grant.h"

namespace stint::domain {

enum class State : std::uint8_t { kActive, kPaused, kClosed };
enum class Why : std::uint8_t { kSupervision, kRisk, kApproval, kBudget, kOperator };
enum class How : std::uint8_t {
  kCompleted,
  kExpired,
  kIdle,
  kRevoked,
  kBudget,
  kRisk,
  kLeaked,
  kOffboarded,
  kAgentSuspended,
  kParentClosed,
};
// How the human's part was proven when the task was opened.
enum class Consent : std::uint8_t { kExchange, kDelegated, kAutonomous };

std::string_view text(State s);
std::string_view text(Why w);
std::string_view text(How h);
std::string_view text(Consent c);
Result<State> parse_state(std::string_view text);  // all: kMalformed
Result<Why> parse_why(std::string_view text);
Result<How> parse_how(std::string_view text);
Result<Consent> parse_consent(std::string_view text);

// The key that a task, its tokens and its handle are bound to.
struct Binding {
  enum class Kind : std::uint8_t { kDpop, kCertificate };
  Kind kind = Kind::kDpop;
  std::string thumbprint;  // base64url SHA-256: `jkt` (RFC 9449) or `x5t#S256` (RFC 8705)
  bool operator==(const Binding&) const = default;
};

// Absent: unlimited.
struct Budget {
  std::optional<std::int64_t> requests;
  std::optional<std::int64_t> bytes_out;
  bool operator==(const Budget&) const = default;
};
struct Spend {
  std::int64_t requests = 0;
  std::int64_t bytes_out = 0;
  bool operator==(const Spend&) const = default;
};

// The bounded piece of work. A value; changed only by the functions below and stored whole.
struct Task {
  TaskId id;
  std::string purpose;
  std::string reference;  // ticket, pipeline run, approval; may be empty
  std::string agent;
  Binding binding;
  std::optional<std::string> human;  // none: autonomous, the agent's owner answers for it
  Consent consent = Consent::kExchange;
  std::string acr;  // how the human was authenticated, when they were
  std::optional<WallTime> auth_time;
  std::vector<Grant> grants;
  std::string environment;  // "production", "development", …; may be empty
  Sensitivity ceiling = Sensitivity::kRestricted;
  WallTime opened, deadline;           // opened: whole seconds, so that no token's iat precedes it
  std::chrono::seconds idle_limit{0};  // 0: none
  bool attended = false;               // pauses when the human's presence is gone (rule 8)
  std::chrono::seconds presence_limit{0};
  Budget budget;
  Spend spend;
  int risk = 0;  // 0-100
  std::optional<TaskId> parent;
  int depth = 0;  // 0: no parent
  State state = State::kActive;
  std::optional<Why> why;  // set exactly while paused
  std::optional<How> how;  // set exactly when closed
  std::optional<WallTime> closed;
  WallTime last_used;     // start of the idle limit
  WallTime last_present;  // start of the presence limit
  std::uint64_t version = 1;
  bool operator==(const Task&) const = default;
};

// What the service allows at most. Policy may narrow per task, and widen token_ttl.
struct TaskLimits {
  std::chrono::seconds max_life{std::chrono::hours(24)};
  std::chrono::seconds default_life{std::chrono::hours(1)};
  std::chrono::seconds token_ttl{std::chrono::minutes(5)};
  int max_depth = 4;              // a task of this depth may not delegate (rule 3)
  std::size_t max_children = 32;  // open at once below one task
  std::size_t purpose_bytes = 1024, reference_bytes = 256;
  GrantLimits grants;
};

struct OpenOrder {
  std::string purpose, reference, agent;
  Binding binding;
  std::optional<std::string> human;
  Consent consent = Consent::kExchange;
  std::string acr;
  std::optional<WallTime> auth_time;
  std::vector<Grant> grants;
  std::string environment;
  Sensitivity ceiling = Sensitivity::kRestricted;
  std::optional<std::chrono::seconds> life;  // none: the default
  std::chrono::seconds idle_limit{0};
  bool attended = false;
  std::chrono::seconds presence_limit{0};
  Budget budget;
};

// Opens a task. Errors: kMalformed (purpose missing, bad text, no grant), kTooLarge, kLimit
// (longer than max_life).
Result<Task> open(OpenOrder order, const TaskLimits& limits, TaskId id, WallTime now);

// Opens a child of `parent` for another agent instance. The child takes the parent's human and is
// cut to the parent's deadline; what exceeds the parent is refused, not cut.
// Errors: as open, and kTaskClosed, kTaskPaused, kExpired (parent not live), kLimit (depth),
// kDenied (grants, budget or sensitivity exceed the parent's).
Result<Task> delegate(const Task& parent, OpenOrder order, const TaskLimits& limits, TaskId id,
                      WallTime now);

// Whether a child may be what it is below this parent as it stands now (rule 3): grants,
// sensitivity, budget left. Errors: kDenied.
Status within_parent(const Task& child, const Task& parent);

// Whether the task lets anything new happen at `now`: kTaskClosed, kTaskPaused, kExpired (past its
// deadline or idle limit: dead even before the reaper closed it).
Status live(const Task& task, WallTime now);

// Closes. False when it already was: the first `how` wins (rule 2).
bool close(Task& task, How how, WallTime now);

// Pauses an active task. Pausing a paused task keeps the first cause. Errors: kTaskClosed.
Status pause(Task& task, Why why, WallTime now);

// Resumes when the cause is the one named as gone. Errors: kTaskClosed, kConflict (not paused, or
// paused for another cause), kExpired.
Status resume(Task& task, Why gone, WallTime now);

// The life of a token minted now: [now, min(deadline, now + ttl)], in whole seconds (rule 1); by a
// clock that stands before the opening, from the opening on.
// Errors: as live(); kExpired when less than one second is left.
struct TokenLife {
  WallTime issued, expires;
};
Result<TokenLife> token_life(const Task& task, std::chrono::seconds ttl, WallTime now);

// When the task was last used and its human last seen: kept apart from the task where they change
// with every request. The later of the two records counts.
struct Activity {
  WallTime used, present;
};
Status live(const Task& task, const Activity& activity, WallTime now);

// What time has done to the task, if anything: past the deadline -> expired, idle -> idle, human
// away from an attended task -> pause.
struct Due {
  std::optional<How> close;
  std::optional<Why> pause;
};
Due due(const Task& task, WallTime now);
Due due(const Task& task, const Activity& activity, WallTime now);

// What is left of a budget; absent: unlimited. Never negative.
Budget left(const Budget& budget, const Spend& spend);

}  // namespace stint::domain
