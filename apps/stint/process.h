#pragma once

#include <signal.h>

#include <optional>

#include "stint/base/error.h"

namespace stint::cli {

// No core file, no look into our memory by others of the same user: this process holds secrets.
// Errors: kIo, when the kernel does not do it.
Status keep_memory_private();

// Keeps what is touched out of swap. Errors: kLimit, when RLIMIT_MEMLOCK is too small.
Status lock_memory();

// Blocks the signals that end a process, in this thread and those that it starts afterwards, until
// they are waited for.
class EndSignals {
 public:
  EndSignals();
  int wait();             // blocks until one comes, and gives its number
  void default_action();  // from now on they end the process
  const sigset_t& set() const { return set_; }

 private:
  sigset_t set_{};
};

}  // namespace stint::cli
