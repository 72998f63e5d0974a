#include "stint/audit/receipt.h"

#include "stint/crypto/digest.h"
#include "stint/merkle/proof.h"

namespace stint::audit {
namespace {

bool of_life(const AnyEvent& event) {
  return std::visit(
      []<class E>(const E&) {
        return std::is_same_v<E, TaskOpened> || std::is_same_v<E, TaskDelegated> ||
               std::is_same_v<E, TaskNarrowed> || std::is_same_v<E, TaskPaused> ||
               std::is_same_v<E, TaskResumed> || std::is_same_v<E, TaskClosed>;
      },
      event);
}

}  // namespace

void ReceiptBuilder::count(const AnyEvent& event) {
  Receipt::Counts& n = receipt_.counts;
  if (const auto* decided = std::get_if<Decided>(&event)) {
    // Others ask in the task's name too, with a handle that is not theirs, and so does who comes
    // late: that is in the log, and none of the task's doing. A permit after the close is a read
    // whose record the close overtook.
    if (decided->agent != receipt_.agent) return;
    if (closed_ && decided->verdict != Verdict::kPermit) return;
    switch (decided->verdict) {
      case Verdict::kPermit:
        ++n.permitted;
        break;
      case Verdict::kDeny:
        ++n.denied;
        break;
      case Verdict::kAsk:
        ++n.asked;
        break;
    }
  } else if (const auto* answered = std::get_if<ApprovalAnswered>(&event)) {
    switch (answered->answer) {
      case domain::Answer::kOnce:
      case domain::Answer::kForTask:
        ++n.approvals_granted;
        break;
      case domain::Answer::kNo:
      case domain::Answer::kNoAndEnd:
        ++n.approvals_refused;
        break;
    }
  } else {
    n.approvals_requested += std::holds_alternative<ApprovalRequested>(event);
    n.tokens += std::holds_alternative<TokenMinted>(event);
    n.credentials_released += std::holds_alternative<CredentialReleased>(event);
    n.signals += std::holds_alternative<Signal>(event);
  }
}

Status ReceiptBuilder::add(std::uint64_t index, const merkle::Hash& leaf, const AnyEvent& event,
                           WallTime time) {
  if (task_of(event) != receipt_.task) return fail(Errc::kMalformed, "event of another task");
  if (const auto* opened = std::get_if<TaskOpened>(&event)) {
    if (opened_) return fail(Errc::kMalformed, "task opened twice");
    opened_ = true;
    receipt_.agent = opened->agent;
    receipt_.human = opened->human;
    receipt_.parent = opened->parent;
    receipt_.purpose = opened->purpose;
    receipt_.reference = opened->reference;
    receipt_.grants = opened->grants;
    receipt_.opened = opened->opened;
    receipt_.first_event = index;
  } else if (!opened_) {
    return fail(Errc::kMalformed, "task's first event is not its opening");
  } else if (index <= receipt_.last_event) {
    return fail(Errc::kMalformed, "task's events out of order");
  }
  receipt_.last_event = index;
  if (const auto* narrowed = std::get_if<TaskNarrowed>(&event)) receipt_.grants = narrowed->grants;
  if (const auto* closed = std::get_if<TaskClosed>(&event)) {
    closed_ = true;
    receipt_.closed = time;
    receipt_.how = closed->how;
    receipt_.spend = closed->spend;
  }
  count(event);
  if (of_life(event)) {
    if (receipt_.life.size() == kMaxLife) return fail(Errc::kTooLarge, "task life too long");
    receipt_.life.push_back({index, leaf});
  }
  return {};
}

Result<Receipt> ReceiptBuilder::finish(const merkle::Checkpoint& covering) const {
  if (!closed_) return fail(Errc::kConflict, "task not closed");
  if (covering.size <= receipt_.last_event) {
    return fail(Errc::kConflict, "checkpoint does not cover the task");
  }
  Receipt out = receipt_;
  out.tree_size = covering.size;
  out.tree_root = covering.root;
  return out;
}

Result<std::string> sign_receipt(const Receipt& receipt, std::string_view origin,
                                 const crypto::PrivateKey& log_key) {
  return merkle::sign_note(STINT_TRY(text(receipt)), origin, log_key);
}

Result<Receipt> verify_receipt(std::string_view note, std::span<const merkle::NoteKey> keys) {
  return parse_receipt(STINT_TRY(merkle::verify_note(note, keys)).text());
}

Status verify_receipt_in_log(const Receipt& receipt, const merkle::Checkpoint& head,
                             const merkle::NodeReader& nodes) {
  if (receipt.tree_size > head.size) return fail(Errc::kConflict, "receipt is newer than the log");
  const merkle::Checkpoint then{head.origin, receipt.tree_size, receipt.tree_root};
  const auto growth = STINT_TRY(merkle::consistency_proof(then.size, head.size, nodes));
  if (!merkle::verify_growth(then, head, growth)) {
    return fail(Errc::kConflict, "receipt's checkpoint is not of this log");
  }
  for (const Receipt::Event& event : receipt.life) {
    if (event.index >= receipt.tree_size) {
      return fail(Errc::kConflict, "receipt names an event that is not in the log");
    }
    const auto proof = STINT_TRY(merkle::inclusion_proof(event.index, receipt.tree_size, nodes));
    if (!merkle::verify_inclusion(event.index, receipt.tree_size, event.leaf, proof,
                                  receipt.tree_root)) {
      return fail(Errc::kConflict, "receipt names an event that is not in the log");
    }
  }
  return {};
}

}  // namespace stint::audit
