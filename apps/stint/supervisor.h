#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/error.h"

namespace stint::cli {

// The service manager above `stint serve`, told by sd_notify(3)'s protocol: one datagram a message
// to the unix socket that $NOTIFY_SOCKET names. Without the variable there is nobody to tell.
//
// Threads:   one.
// Blocking:  tell(), while the manager's queue is full.
// Errors:    of tell(): kMalformed, the variable names no socket; kIo, the message was not taken.
class Supervisor {
 public:
  // $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID as they are, and our own process id. A
  // watchdog of another process, or one that cannot be read, is none: then the manager acts, not
  // we.
  Supervisor(std::string socket, std::string_view watchdog_usec, std::string_view watchdog_pid,
             pid_t self);

  Status tell(std::string_view message) const;
  // How often the manager wants to hear "WATCHDOG=1": a third of its patience, so that asking the
  // event loops may take another third. Absent: it keeps no watchdog.
  std::optional<std::chrono::milliseconds> beat() const { return beat_; }

 private:
  std::string socket_;  // empty: nobody
  std::optional<std::chrono::milliseconds> beat_;
};

// "STOPPING=1", and that it may take so long: the manager's own limit on stopping gives way to
// what stint.yaml allows for the drain.
std::string stopping(std::chrono::seconds within);

}  // namespace stint::cli
