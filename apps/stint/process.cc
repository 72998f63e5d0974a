#include "process.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace stint::cli {
namespace {

bool may_lock_without_limit() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, sets) != 0) return false;
  return (sets[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

}  // namespace

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

Status lock_growing_memory() {
  const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0 && !may_lock_without_limit())
    return fail(Errc::kLimit, "RLIMIT_MEMLOCK is finite");
  return lock_memory();
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

bool EndSignals::wait_for(std::chrono::milliseconds ttl) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(ttl);
  const timespec time{.tv_sec = whole.count(),
                      .tv_nsec = std::chrono::nanoseconds(ttl - whole).count()};
  return ::sigtimedwait(&set_, nullptr, &time) > 0;
}

void EndSignals::default_action() { ::pthread_sigmask(SIG_UNBLOCK, &set_, nullptr); }

}  // namespace stint::cli
