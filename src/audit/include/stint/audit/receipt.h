#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/audit/event.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/note.h"
#include "stint/merkle/tree.h"

namespace stint::audit {

// The signed summary of a closed task. It names the events of the task's life by index and leaf
// hash, and a checkpoint that covers them: whoever holds receipt, log and the log's verifier key
// can check every line of it without the server.
struct Receipt {
  struct Event {
    std::uint64_t index = 0;
    merkle::Hash leaf{};
    bool operator==(const Event&) const = default;
  };
  struct Counts {  // decisions: on what the task's own agent asked before the close
    std::int64_t permitted = 0, denied = 0, asked = 0;
    std::int64_t approvals_requested = 0, approvals_granted = 0, approvals_refused = 0;
    std::int64_t tokens = 0, credentials_released = 0, signals = 0;
    bool operator==(const Counts&) const = default;
  };

  TaskId task = unset;
  std::string agent;
  std::optional<std::string> human;
  std::optional<TaskId> parent;
  std::string purpose, reference;
  std::vector<domain::Grant> grants;  // when it closed
  WallTime opened, closed;
  domain::How how = domain::How::kCompleted;
  domain::Spend spend;
  Counts counts;
  std::uint64_t first_event = 0, last_event = 0;  // of all the task's events
  std::vector<Event> life;      // opened, delegated, narrowed, paused, resumed, closed; ascending
  std::uint64_t tree_size = 0;  // of a checkpoint that covers them
  merkle::Hash tree_root{};
  bool operator==(const Receipt&) const = default;
};

// Gathers a receipt from a task's events. Feed every event of the task, ascending; nothing else.
class ReceiptBuilder {
 public:
  explicit ReceiptBuilder(TaskId task) : receipt_{.task = task} {}
  // Errors: kMalformed: an event of another task, out of order, or the first not task.opened.
  Status add(std::uint64_t index, const merkle::Hash& leaf, const AnyEvent& event, WallTime time);
  // Errors: kConflict "task not closed", "checkpoint does not cover the task".
  Result<Receipt> finish(const merkle::Checkpoint& covering) const;

 private:
  void count(const AnyEvent& event);
  Receipt receipt_;
  bool opened_ = false, closed_ = false;
};

// "stint receipt v1", lines for people, one line of canonical JSON. The lines follow from the JSON:
// parse refuses a text whose lines say something else (kMalformed "receipt lines differ from its
// data"). Limits: kMaxLife events. Errors: kMalformed, kTooLarge, …
inline constexpr std::size_t kMaxLife = 4096;
Result<std::string> text(const Receipt& receipt);
Result<Receipt> parse_receipt(std::string_view note_text);

Result<std::string> sign_receipt(const Receipt& receipt, std::string_view origin,
                                 const crypto::PrivateKey& log_key);
// Signature and form; nothing of the log is checked yet. Errors: merkle::verify_note's, parse's.
Result<Receipt> verify_receipt(std::string_view note, std::span<const merkle::NoteKey> keys);

// Shows that the receipt speaks of this log: its checkpoint is a state of the log, and each event
// of the task's life is in it. `nodes` are of a tree whose root is `head`'s. Errors: kConflict
// "receipt is newer than the log", "receipt's checkpoint is not of this log", "receipt names an
// event that is not in the log".
Status verify_receipt_in_log(const Receipt& receipt, const merkle::Checkpoint& head,
                             const merkle::NodeReader& nodes);

}  // namespace stint::audit
