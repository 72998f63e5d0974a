#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/base/id.h"
#include "stint/crypto/digest.h"
#include "stint/domain/action.h"

namespace stint::domain {

// One exact call, as it is judged, approved and logged.
struct Call {
  TaskId task;
  std::string upstream;
  std::string action;
  ActionClass action_class = ActionClass::kUnclassified;
  std::string resource;  // repository, path; what the grant was matched with
  std::string method;
  std::string target;     // path and query as sent upstream
  std::string arguments;  // canonical JSON of what matters (git commands, tool arguments), or
                          // {"body_sha256": …}
  bool operator==(const Call&) const = default;
};

// SHA-256 over the RFC 8785 form of the call: what an approval is bound to.
crypto::Digest digest(const Call& call);

enum class ApprovalState : std::uint8_t { kPending, kGranted, kRefused, kExpired, kConsumed };
enum class Answer : std::uint8_t { kOnce, kForTask, kNo, kNoAndEnd };
std::string_view text(ApprovalState s);
std::string_view text(Answer a);
Result<ApprovalState> parse_approval_state(std::string_view text);
Result<Answer> parse_answer(std::string_view text);

struct Approval {
  ApprovalId id;
  Call call;
  crypto::Digest call_digest{};
  std::string words;                // the call in words, for the person who judges
  std::vector<std::string> groups;  // any member may answer
  bool four_eyes = false;           // the task's own human may not answer
  bool for_task_allowed = false;    // policy lets the answer hold for the task
  WallTime requested, expires;
  ApprovalState state = ApprovalState::kPending;
  std::optional<Answer> answer;
  std::string answered_by;  // a human's name
  std::optional<WallTime> answered;
  std::uint64_t version = 1;
  bool operator==(const Approval&) const = default;
};

// Settles a pending approval, once. Errors: kConflict (already settled), kExpired, kDenied (not in
// an approver group; four eyes; for-task where policy does not let it).
Status answer(Approval& approval, Answer given, std::string_view human,
              std::span<const std::string> groups, const std::optional<std::string>& task_human,
              WallTime now);

// Spends a granted approval on exactly its call: single use, unless the answer holds for the task
// (same task, upstream and action). Errors: kApprovalRequired (pending), kDenied (refused, or
// another call), kExpired, kReplayed (already spent).
Status consume(Approval& approval, const Call& call, WallTime now);

}  // namespace stint::domain
