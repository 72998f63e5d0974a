#include "process.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace stint::cli {

Status keep_memory_private() {
  const rlimit none{0, 0};
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || ::setrlimit(RLIMIT_CORE, &none) != 0)
    return fail(Errc::kIo, "process memory cannot be made private");
  return {};
}

Status lock_memory() {
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
    return fail(Errc::kLimit, "RLIMIT_MEMLOCK is too small to keep memory out of swap");
  return {};
}

EndSignals::EndSignals() {
  ::sigemptyset(&set_);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set_, s);
  ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int EndSignals::wait() {
  int which = 0;
  while (::sigwait(&set_, &which) != 0) {
  }
  return which;
}

void EndSignals::default_action() { ::pthread_sigmask(SIG_UNBLOCK, &set_, nullptr); }

}  // namespace stint::cli
