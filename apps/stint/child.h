#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "failure.h"

namespace stint::cli {

// The process that `stint run` runs, and all that descend from it.
//
// Orphans below it become our children (PR_SET_CHILD_SUBREAPER), so the tree stays one tree. When
// this process dies, by whatever, the child gets SIGTERM (PR_SET_PDEATHSIG).
//
// Threads: the main thread alone: the death signal follows the thread that forked.
class Child {
 public:
  // Blocks, in this thread and those started later, the signals that supervise() handles, and notes
  // what files are open: the child gets these and no socket of ours. First of all; once.
  Child();
  // Errors: usage-like, exit 127 not found and 126 not executable are status() then.
  Outcome<void> start(const std::vector<std::string>& argv, const std::vector<std::string>& env);
  pid_t pid() const { return pid_; }

  // Waits until the child has ended, passing SIGTERM, SIGHUP, SIGQUIT and SIGINT on to it, but not
  // those that a terminal sent to the whole group. Calls `tick` about every `every`. Returns the
  // child's status: its exit code, or 128 + the signal that ended it.
  int supervise(std::chrono::milliseconds every, const std::function<void()>& tick);

 private:
  bool reap(int& status) const;
  void close_what_is_ours() const;
  sigset_t handled_{}, before_{};
  std::vector<int> given_;  // descriptors that we were started with: the child has them too
  pid_t pid_ = -1;
};

}  // namespace stint::cli
