#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stint/audit/event.h"
#include "stint/keys/key_ring.h"
#include "stint/keys/key_set.h"
#include "stint/store/tx.h"

namespace stint::keys {

// When keys come and go.
struct Schedule {
  std::chrono::seconds rotate_every{std::chrono::days(30)};  // 0: only when asked to
  std::chrono::seconds publish_ahead{600};                   // in the JWKS before it signs
  std::chrono::seconds token_ttl{300};                       // the longest life of a token
};

// Beyond the last token's end, before its key goes: clocks may differ, or be set, by so much.
inline constexpr std::chrono::minutes kClockSkew{5};

// What time asks for, by a snapshot: cheap, to be asked every second. What is really done is
// decided again by the rows.
struct Due {
  bool any = false;
  std::vector<crypto::Alg> make;  // keys to bring along
};
Due due(const KeySet& keys, const Schedule& schedule, WallTime now);

// Changes of keys inside one transaction, each with its event. Takes the lock of all key changes
// first: of two nodes that rotate at once, the second sees what the first did, and finds nothing to
// do. Every decision is by the rows.
//
// Threads: the writer's. Lives no longer than its transaction.
// Errors:  the store's fail the transaction. Others are returned, and nothing was changed by the
//          call.
class KeyChanges {
 public:
  KeyChanges(store::Tx& tx, Schedule schedule, audit::Actor actor, WallTime now);

  // What the schedule asks for: activates next keys that are due, retires former ones whose tokens
  // are dead, publishes a next one for a live one that grows old. `made` has the keys to publish;
  // where one is missing, that algorithm waits for the next round.
  void tend(std::span<const KeyRing::Made> made);

  // Publishes a next key of this algorithm, unless there is one; `at_once`: and makes it live.
  // True: something changed. Errors: kLimit "too many keys are published: wait until former ones
  // retire".
  Result<bool> rotate(const KeyRing::Made& made, bool at_once);

  // The key is believed no more; its algorithm's next key, if any, is retired unused: who has the
  // one has had the other. `made` is live at once when the key was. Returns whether it was.
  // Errors: kNotFound "no such key"; kConflict "the log's key is its identity: it is not revoked",
  // "the key is revoked already", "the key is retired: no token that it signed counts"; kInternal
  // (`made` of another algorithm).
  Result<bool> revoke(std::string_view kid, const KeyRing::Made& made);

  // To be called last: true when rows changed, and then the set has a new version. Else says that
  // the transaction is bookkeeping.
  bool finish();

 private:
  KeyInfo* of(crypto::Alg alg, Stage stage);
  void publish(const KeyRing::Made& made, WallTime activates);
  void activate(KeyInfo& next, std::string replaces);
  void retire(KeyInfo& key);
  void append(const audit::AnyEvent& event);

  store::Tx& tx_;
  const Schedule schedule_;
  const audit::Actor actor_;
  const WallTime now_;
  std::vector<KeyInfo> keys_;  // as the rows say, kept in step
  bool changed_ = false;
};

// Says that still_signs() comes soon (store::Tx::announce).
void announce_key(store::Tx& tx, std::string_view kid);
// Inside the transaction that records a token, or acts on one: whether this key's tokens count, and
// would until `expires`. Errors: kUnavailable "the signing key changed meanwhile".
Status still_signs(store::Reader& reader, std::string_view kid, std::optional<WallTime> expires);

}  // namespace stint::keys
