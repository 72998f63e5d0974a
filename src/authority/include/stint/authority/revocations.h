#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "stint/base/clock.h"
#include "stint/base/id.h"
#include "stint/rt/event.h"
#include "stint/store/event.h"

namespace stint::authority {

// One event that takes trust away or gives it back. Ids and times only: whoever is told of it may
// have no business with the task.
struct Revocation {
  enum class Kind : std::uint8_t {
    kTaskClosed,
    kTaskPaused,
    kTaskResumed,
    kTokenRevoked,
    kKeyRetired
  };
  store::Seq seq = 0;
  WallTime time;
  Kind kind = Kind::kTaskClosed;
  std::optional<TaskId> task;    // none for a key
  std::optional<TokenId> token;  // kTokenRevoked
  std::string kid;               // kKeyRetired
};

// Of one event; nullopt for those that revoke nothing.
std::optional<Revocation> revocation_of(const store::EventView& event);

// What no longer counts although tokens of it may still be good by their signature and their time:
// closed and paused tasks, revoked tokens, retired keys. Kept by the commits of the store
// (Store::observe), so a change is here before the command that made it is acknowledged, and in the
// log's order.
//
// It answers two questions of those who follow: what must one who knows nothing refuse (standing),
// and what came since (tail). The second is kept for the last `kept` revocations alone.
//
// Threads: any. add() runs on the store's writer thread and never waits for a reader's work.
// Limits:  about 100 bytes for each task closed and token revoked within the longest life of a
//          token, and for each of the `kept`.
class Revocations {
 public:
  explicit Revocations(std::size_t kept = 65'536) : kept_(kept) {}

  // The store's rows, read before there are commits to observe. `longest`: no token that there is
  // or will be lives longer than this after any moment from now on.
  struct Rows {
    store::Seq size = 0;
    std::chrono::milliseconds longest{0};
    struct Until {
      TaskId task;
      std::optional<TokenId> token;  // none: the whole task
      WallTime expires;              // of its last token
    };
    std::vector<Until> ended;
    std::vector<TaskId> paused;
    std::vector<std::pair<std::string, WallTime>> keys;  // retired, and until when it is told
  };
  // A verifier elsewhere may believe a copy of the JWKS that is so old.
  static constexpr std::chrono::minutes kKeysCached{5};

  // `read` runs while add() is held off, so that what is committed meanwhile comes after its rows.
  template <class Read>
  Status load(Read read) {
    const std::lock_guard lock(mutex_);
    Rows rows = STINT_TRY(read());
    take(std::move(rows));
    return {};
  }

  // `now`: by this node's clock, which alone says when something may be forgotten.
  void add(std::span<const store::EventView> events, WallTime now);

  store::Seq head() const;  // of the log, as far as it was seen
  std::chrono::milliseconds longest() const;

  struct Standing {
    store::Seq next = 0;  // all before it is in here
    std::vector<TaskId> closed, paused;
    std::vector<std::pair<TaskId, TokenId>> revoked;
    std::vector<std::string> keys;  // retired ones: no token that they signed counts
  };
  Standing standing(WallTime now) const;

  struct Tail {
    std::vector<Revocation> entries;
    store::Seq next = 0;  // all before it is in `entries`, or was before `from`
  };
  // At most `limit` entries. nullopt: what came at `from` is not kept any more (or not yet).
  std::optional<Tail> tail(store::Seq from, std::size_t limit) const;
  store::Seq begin() const;  // tail() knows all from here on

  // Set at the next revocation after this call. Take it before tail(): one in between is then seen
  // by one of the two.
  rt::SharedEvent changed() const;

  struct Counts {
    std::size_t kept = 0, closed = 0, paused = 0, revoked = 0;
  };
  Counts counts() const;

 private:
  void take(Rows rows);
  void apply(const Revocation& entry, WallTime now);
  void forget(WallTime now);

  const std::size_t kept_;
  mutable std::mutex mutex_;
  store::Seq begin_ = 0, next_ = 0;
  std::chrono::milliseconds longest_{0};
  std::deque<Revocation> tail_;
  std::unordered_map<std::string, WallTime> keys_;
  std::unordered_map<TaskId, WallTime> closed_;  // until when a token of it may live
  struct Token {
    TaskId task;
    WallTime until;
  };
  std::unordered_map<TokenId, Token> revoked_;
  std::unordered_map<TaskId, store::Seq> paused_;
  WallTime swept_;
  rt::SharedEvent changed_;
};

}  // namespace stint::authority
