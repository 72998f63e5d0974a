#pragma once

#include <signal.h>

#include <chrono>
#include <optional>

#include "stint/base/error.h"

namespace stint::cli {

// No core file, no look into our memory by others of the same user: this process holds secrets.
// Errors: kIo, when the kernel does not do it.
Status keep_memory_private();

// Keeps what is touched out of swap. Errors: kLimit, when RLIMIT_MEMLOCK is too small.
Status lock_memory();

// The same for a server, which grows: below a finite RLIMIT_MEMLOCK the lock could be had at first,
// and memory not be had later. Errors: kLimit, when it is finite, cannot be lifted, and holds for
// us (no CAP_IPC_LOCK).
Status lock_growing_memory();

// Blocks the signals that end a process, in this thread and those that it starts afterwards, until
// they are waited for.
class EndSignals {
 public:
  EndSignals();
  int wait();  // blocks until one comes, and gives its number
  // Blocks for so long, and maybe less; whether one came.
  bool wait_for(std::chrono::milliseconds ttl);
  void default_action();  // from now on they end the process
  const sigset_t& set() const { return set_; }

 private:
  sigset_t set_{};
};

}  // namespace stint::cli
