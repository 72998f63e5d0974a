#pragma once

#include <map>
#include <string>
#include <vector>

#include "stint/audit/event.h"
#include "stint/audit/receipt.h"
#include "stint/merkle/checkpoint.h"
#include "stint/merkle/tile.h"

namespace stint::audit {

inline const WallTime kStart = from_unix_millis(1'767'323'000'000);

template <class I>
I test_id(int n) {
  std::array<std::uint8_t, 16> b{};
  b[0] = static_cast<std::uint8_t>(n >> 8);
  b[15] = static_cast<std::uint8_t>(n);
  b[7] = 1;
  return I(b);
}

// A log as a server would keep it, in memory.
class TestLog {
 public:
  explicit TestLog(char test_seed = 1)
      : key_(
            crypto::PrivateKey::from_raw(std::string(32, test_seed), crypto::Alg::kEdDSA).value()) {
  }

  std::uint64_t append(const AnyEvent& event, WallTime time) {
    return append_bytes(encode(time, event).value());
  }
  std::uint64_t append_bytes(std::string bytes) {
    const merkle::Hash leaf = merkle::leaf_hash(bytes);
    for (auto& t : builder_.append({&leaf, 1})) tiles_[t.id] = std::move(t.bytes);
    entries_.push_back(std::move(bytes));
    return entries_.size() - 1;
  }
  const std::vector<std::string>& entries() const { return entries_; }
  merkle::Checkpoint head() const {
    return {std::string(kOrigin), builder_.size(), builder_.root()};
  }
  std::string checkpoint() const {
    return merkle::sign_note(merkle::text(head()), kOrigin, key_).value();
  }
  merkle::NoteKey key() const {
    return merkle::NoteKey::make(std::string(kOrigin), key_.public_key()).value();
  }
  const crypto::PrivateKey& signing_key() const { return key_; }

  merkle::TileNodes nodes() const {
    auto tiles = tiles_;
    for (auto& t : builder_.partials()) tiles[t.id] = std::move(t.bytes);
    return {builder_.size(),
            [tiles = std::move(tiles)](const merkle::TileId& id) -> Result<std::string> {
              const auto it = tiles.find(id);
              if (it == tiles.end()) return fail(Errc::kNotFound, "tile absent");
              return it->second;
            }};
  }
  // Path -> bytes, exactly what tlog-tiles serves.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    out["checkpoint"] = checkpoint();
    for (const auto& [id, bytes] : tiles_) out[merkle::path(id)] = bytes;
    for (const auto& t : builder_.partials()) out[merkle::path(t.id)] = t.bytes;
    for (const merkle::TileId& id : merkle::tiles_of(entries_.size())) {
      if (id.kind != merkle::TileKind::kEntries) continue;
      std::string& bundle = out[merkle::path(id)];
      for (std::size_t i = 0; i < id.width; ++i) {
        (void)merkle::append_entry(bundle, entries_[id.index * merkle::kTileWidth + i]);
      }
    }
    return out;
  }
  Result<Receipt> receipt(TaskId task) const {
    ReceiptBuilder builder(task);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry entry = parse(entries_[i]).value();
      if (task_of(entry.event) != task || std::holds_alternative<ReceiptSigned>(entry.event))
        continue;
      STINT_TRY(builder.add(i, merkle::leaf_hash(entries_[i]), entry.event, entry.time));
    }
    return builder.finish(head());
  }

  static constexpr std::string_view kOrigin = "stint.test/log";

 private:
  crypto::PrivateKey key_;
  std::vector<std::string> entries_;
  std::map<merkle::TileId, std::string> tiles_;
  merkle::TileBuilder builder_;
};

// Events of an honest task, to be changed by the test that needs them wrong.
struct Honest {
  TaskId task = test_id<TaskId>(1);
  WallTime now = kStart;

  TaskOpened opened(TaskId id, std::optional<TaskId> parent = {}, int depth = 0) const {
    TaskOpened e;
    e.task = id;
    e.actor = Actor::agent("coder");
    e.agent = "coder";
    e.binding.thumbprint = "test-thumbprint";
    e.human = "alice@example.com";
    e.purpose = "fix the typo in README";
    e.reference = "T-17";
    e.grants = {{.upstream = "git", .actions = {"git.fetch", "git.push", "git.ref.delete"}}};
    e.opened = now;
    e.deadline = kStart + std::chrono::hours(1);
    e.parent = parent;
    e.depth = depth;
    return e;
  }
  Decided permit(int n, domain::ActionClass c = domain::ActionClass::kWrite) const {
    Decided e;
    e.decision = test_id<DecisionId>(n);
    e.task = task;
    e.agent = "coder";
    e.verdict = Verdict::kPermit;
    e.upstream = "git";
    e.action = c == domain::ActionClass::kRead ? "git.fetch" : "git.push";
    e.action_class = c;
    e.resource = "team/app.git";
    return e;
  }
  Outcome outcome(int n) const {
    return {.decision = test_id<DecisionId>(n), .task = task, .status = 200};
  }
  TokenMinted token(int n) const {
    TokenMinted e;
    e.task = task;
    e.token = test_id<TokenId>(n);
    e.agent = "coder";
    e.audience = "https://stint.test/u/git";
    e.kid = "k1";
    e.thumbprint = "test-thumbprint";
    e.issued = std::chrono::floor<std::chrono::seconds>(now);
    e.expires = e.issued + std::chrono::minutes(5);
    return e;
  }
  TaskClosed closed(TaskId id, domain::How how = domain::How::kCompleted) const {
    return {.task = id, .how = how, .actor = Actor::agent("coder")};
  }
};

// One task with a child, an ask and its answer, all as the rules want it.
inline void tell_honest_story(TestLog& log) {
  Honest h;
  const TaskId child = test_id<TaskId>(2);
  const ApprovalId approval = test_id<ApprovalId>(1);
  const auto at = [&](int ms) { return kStart + std::chrono::milliseconds(ms); };
  log.append(ServerStarted{.version = "0.1.0",
                           .issuer = "https://stint.test",
                           .origin = std::string(TestLog::kOrigin)},
             at(0));
  log.append(h.opened(h.task), at(1));
  log.append(HandleIssued{.task = h.task, .handle = test_id<HandleId>(1), .thumbprint = "t"},
             at(1));
  log.append(h.token(1), at(1));
  log.append(h.permit(1), at(10));
  log.append(CredentialReleased{.decision = test_id<DecisionId>(1),
                                .task = h.task,
                                .credential = "git-bot",
                                .version = 1,
                                .upstream = "git"},
             at(10));
  log.append(h.outcome(1), at(20));
  log.append(h.opened(child, h.task, 1), at(30));
  log.append(TaskDelegated{.task = h.task, .child = child, .agent = "coder"}, at(30));
  Decided ask = h.permit(2, domain::ActionClass::kDelete);
  ask.verdict = Verdict::kAsk;
  ask.action = "git.ref.delete";
  ask.approval = approval;
  log.append(ApprovalRequested{.approval = approval,
                               .task = h.task,
                               .decision = ask.decision,
                               .words = "delete the branch old",
                               .groups = {"approvers"},
                               .expires = at(600'000)},
             at(40));
  log.append(ask, at(40));
  log.append(ApprovalAnswered{.approval = approval,
                              .task = h.task,
                              .answer = domain::Answer::kOnce,
                              .actor = Actor::human("bob@example.com")},
             at(50));
  Decided lifted = ask;
  lifted.decision = test_id<DecisionId>(3);
  lifted.verdict = Verdict::kPermit;
  log.append(lifted, at(60));
  log.append(ApprovalConsumed{.approval = approval, .task = h.task, .decision = lifted.decision},
             at(60));
  log.append(h.outcome(3), at(70));
  log.append(
      TaskPaused{.task = h.task, .why = domain::Why::kOperator, .actor = Actor::an_operator("ops")},
      at(80));
  log.append(
      TaskResumed{
          .task = h.task, .why = domain::Why::kOperator, .actor = Actor::an_operator("ops")},
      at(90));
  log.append(Signal{.name = "proof-replayed",
                    .strength = Strength::kHard,
                    .sentence = "proof-replayed",
                    .task = h.task,
                    .source_ip = "127.0.0.1"},
             at(95));
  log.append(h.closed(h.task), at(100));
  log.append(h.closed(child, domain::How::kParentClosed), at(100));
  log.append(h.permit(4, domain::ActionClass::kRead), at(99));  // a read, recorded with its batch
  log.append(h.outcome(4), at(110));
}

}  // namespace stint::audit
