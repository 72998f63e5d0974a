#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/rt/co.h"

namespace stint::authority {

// Asks what other nodes did, for whoever shows a token of a key that this node has not heard of.
// Anybody can write such a name, so all share their questions: one is under way at a time, and one
// is begun every kEach at most, whoever comes.
//
// Threads: any. Ownership: a question under way outlives this and who asked; a caller does not
//          outlive this.
class KeyNews {
 public:
  static constexpr std::chrono::milliseconds kEach{100};
  // As Store::sync.
  using Sync = std::function<void(std::function<void(Status)>)>;

  KeyNews(Sync sync, const Clock& clock);

  // Returns once a question that was begun after this call has been answered, well or not, or when
  // the caller is cancelled.
  rt::Co<void> ask();

 private:
  struct State;
  struct Turn;
  Turn next(std::uint64_t mine);
  const Sync sync_;
  const Clock& clock_;
  const std::shared_ptr<State> state_;
};

}  // namespace stint::authority
