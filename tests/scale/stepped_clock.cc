// LD_PRELOAD: the time of day of one process, off by the nanoseconds that stand in the file
// STINT_TEST_CLOCK (eight bytes, mapped: every thread sees a step at once). What is monotonic
// stays.
//
// Asks the kernel itself: looking the C library's functions up would allocate, and the allocator
// asks for the time before this file's constructor ran.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
std::atomic<const std::int64_t*> g_offset{nullptr};

__attribute__((constructor)) void map_offset() {
  const char* path = std::getenv("STINT_TEST_CLOCK");
  if (path == nullptr) return;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  void* const page = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (page == MAP_FAILED) std::abort();  // a test of steps that never come would pass
  ::close(file);
  g_offset = static_cast<const std::int64_t*>(page);
}

int read_clock(clockid_t id, timespec* out) {
  const auto done = static_cast<int>(::syscall(SYS_clock_gettime, id, out));
  const std::int64_t* const offset = g_offset.load(std::memory_order_relaxed);
  if (done != 0 || offset == nullptr || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
    return done;
  const std::int64_t now =
      out->tv_sec * kSecond + out->tv_nsec + __atomic_load_n(offset, __ATOMIC_RELAXED);
  out->tv_sec = now / kSecond;
  out->tv_nsec = now % kSecond;
  return 0;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t id, timespec* out) noexcept { return read_clock(id, out); }

int gettimeofday(timeval* out, void*) noexcept {
  timespec now{};
  const int done = read_clock(CLOCK_REALTIME, &now);
  *out = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return done;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  (void)read_clock(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
}
