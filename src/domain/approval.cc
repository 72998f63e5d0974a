#include "stint/domain/approval.h"

#include <algorithm>
#include <boost/json/object.hpp>

#include "stint/codec/json.h"
#include "stint/crypto/digest.h"
#include "stint/domain/json.h"
#include "texts.h"

namespace stint::domain {
namespace {

constexpr Texts<ApprovalState, 5> kStates{{{ApprovalState::kPending, "pending"},
                                           {ApprovalState::kGranted, "granted"},
                                           {ApprovalState::kRefused, "refused"},
                                           {ApprovalState::kExpired, "expired"},
                                           {ApprovalState::kConsumed, "consumed"}}};
constexpr Texts<Answer, 4> kAnswers{{{Answer::kOnce, "once"},
                                     {Answer::kForTask, "for-task"},
                                     {Answer::kNo, "no"},
                                     {Answer::kNoAndEnd, "no-and-end"}}};

bool any_in(std::span<const std::string> mine, std::span<const std::string> wanted) {
  return std::ranges::any_of(
      mine, [&](const auto& g) { return std::ranges::find(wanted, g) != wanted.end(); });
}

bool grants(Answer a) { return a == Answer::kOnce || a == Answer::kForTask; }

}  // namespace

std::string_view text(ApprovalState s) { return text_of(kStates, s); }
std::string_view text(Answer a) { return text_of(kAnswers, a); }
Result<ApprovalState> parse_approval_state(std::string_view t) {
  return value_of(kStates, t, "unknown approval state");
}
Result<Answer> parse_answer(std::string_view t) { return value_of(kAnswers, t, "unknown answer"); }

crypto::Digest digest(const Call& call) { return crypto::sha256(json::canonical(to_json(call))); }

Status answer(Approval& approval, Answer given, std::string_view human,
              std::span<const std::string> groups, const std::optional<std::string>& task_human,
              WallTime now) {
  if (approval.state != ApprovalState::kPending)
    return fail(Errc::kConflict, "the approval is settled");
  if (now >= approval.expires) return fail(Errc::kExpired, "the approval has expired");
  if (!any_in(groups, approval.groups)) return fail(Errc::kDenied, "not in an approver group");
  // Saying no is open to every approver; only a yes needs the second pair of eyes.
  if (grants(given) && approval.four_eyes && task_human == human)
    return fail(Errc::kDenied, "four eyes: the task's own human may not approve");
  if (given == Answer::kForTask && !approval.for_task_allowed)
    return fail(Errc::kDenied, "policy allows this call once only");
  approval.state = grants(given) ? ApprovalState::kGranted : ApprovalState::kRefused;
  approval.answer = given;
  approval.answered_by = human;
  approval.answered = now;
  ++approval.version;
  return {};
}

Status consume(Approval& approval, const Call& call, WallTime now) {
  switch (approval.state) {
    case ApprovalState::kPending:
      return fail(Errc::kApprovalRequired, "the approval is pending");
    case ApprovalState::kRefused:
      return fail(Errc::kDenied, "the approval was refused");
    case ApprovalState::kExpired:
      return fail(Errc::kExpired, "the approval has expired");
    case ApprovalState::kConsumed:
      return fail(Errc::kReplayed, "the approval is spent");
    case ApprovalState::kGranted:
      break;
  }
  if (approval.answer == Answer::kForTask) {
    const Call& c = approval.call;
    if (c.task != call.task || c.upstream != call.upstream || c.action != call.action)
      return fail(Errc::kDenied, "the approval is for another call");
    return {};  // holds until the task ends
  }
  if (now >= approval.expires) return fail(Errc::kExpired, "the approval has expired");
  const crypto::Digest wanted = digest(call);
  if (!crypto::equal(crypto::view(approval.call_digest), crypto::view(wanted)))
    return fail(Errc::kDenied, "the approval is for another call");
  approval.state = ApprovalState::kConsumed;
  ++approval.version;
  return {};
}

}  // namespace stint::domain
