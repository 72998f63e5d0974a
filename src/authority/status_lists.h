#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "stint/authority/revocations.h"
#include "stint/authority/types.h"
#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/jose/status_list.h"
#include "stint/store/store.h"

namespace stint::keys {
struct SigningKey;
}

// Token status lists (draft-ietf-oauth-status-list-21): an index for each token that is minted, and
// the lists as they are served. docs/adr/0015.
namespace stint::authority {

inline constexpr std::size_t kStatusEntries = 128 * 1024;  // 32 KiB of 2 bits each
inline constexpr unsigned kStatusBits = 2;
inline constexpr std::chrono::minutes kStatusRotation{10};  // a list takes new tokens so long
inline constexpr std::chrono::seconds kStatusTtl{10}, kStatusLife{30};
inline constexpr std::chrono::seconds kStatusFresh{5};  // then it is signed anew

inline constexpr unsigned kUnknownLists = 32;  // that are looked for within a second

// A list that takes new tokens. Its number is random, of 53 bits, so no two nodes ever share one,
// and whoever sees it learns nothing of how many there are; its indexes are this process's alone.
struct OpenStatusList {
  std::int64_t number = 0;
  WallTime opened;
  // Its row says that it exists. Each token's transaction writes it until one has been kept.
  std::atomic<bool> announced = false;
};

struct StatusIndex {
  std::shared_ptr<OpenStatusList> list;
  std::uint32_t idx = 0;
};

// Hands out indexes: each once, at random (section 12.1 of the draft: order would tell which tokens
// are of one time). Threads: any. Cost: under 100 ns; 512 KiB for the present list.
class StatusIndexes {
 public:
  explicit StatusIndexes(Entropy& entropy) : entropy_(entropy) {}
  StatusIndex take(WallTime now);

 private:
  std::uint64_t random();
  void open(WallTime now);

  Entropy& entropy_;
  std::mutex mutex_;
  std::shared_ptr<OpenStatusList> list_;
  std::vector<std::uint32_t> free_;
  std::array<std::uint64_t, 512> random_{};
  std::size_t left_ = 0;  // of random_
};

// The lists as they stand, of every node: from the rows, brought up to date by what was revoked
// since. Built when somebody asks: once in kStatusFresh, or when a status in it changed.
//
// Threads: any; one at a time builds. Blocking: on reads of the store, a few for each task that
// was closed, paused or resumed since the last time.
// Limits:  one entry for each living token that does not count, and a signed list for each number.
class StatusLists {
 public:
  StatusLists(store::Store& store, const Revocations& revocations)
      : store_(store), revocations_(revocations) {}

  using Sign = std::function<Result<std::string>(const jose::StatusListToken&)>;
  // Errors: kNotFound "no such status list" (never was, or all its tokens have expired); kLimit
  // "too many unknown status lists are asked for"; the store's and those of `sign`.
  Result<StatusDocument> document(std::int64_t number, const std::string& uri, WallTime now,
                                  const Sign& sign);
  // Of those that are served, as of a second ago at most.
  Result<std::vector<std::int64_t>> numbers(WallTime now);

 private:
  struct Entry {
    jose::TokenStatus status;
    WallTime expires;
  };
  using Listed = std::tuple<std::int64_t, WallTime>;  // a list's number, and when it ends
  struct List {
    WallTime ends;       // no token of it lives then; at least of those in `entries`
    bool known = false;  // by its row
    std::unordered_map<std::uint64_t, Entry> entries;  // those that are not valid
    bool changed = true;
    StatusDocument served;
  };
  Status catch_up(WallTime now);
  Status begin(WallTime now);
  Status read_task(TaskId task, WallTime now);
  Status without_key(WallTime now);
  void put(std::int64_t number, std::int64_t idx, WallTime expires, jose::TokenStatus status);
  Status known(std::int64_t number, WallTime now);
  Status keep(std::int64_t number, WallTime ends, WallTime now);
  Result<std::span<const Listed>> all(WallTime now);  // as of a second ago at most
  Status build(List& list, const std::string& uri, WallTime now, const Sign& sign);

  store::Store& store_;
  const Revocations& revocations_;
  std::mutex mutex_;
  std::optional<WallTime> listed_;  // when all_ was read
  std::vector<Listed> all_;
  WallTime counted_;  // since then
  unsigned looked_for_ = 0;
  std::optional<store::Seq> next_;  // of what came after is not in entries_ yet
  std::unordered_map<std::int64_t, List> lists_;
};

}  // namespace stint::authority
