#include "fiber.h"

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdlib>
#include <utility>
#include <vector>

#if defined(__has_feature)
#define STINT_SIM_ASAN __has_feature(address_sanitizer)
#define STINT_SIM_TSAN __has_feature(thread_sanitizer)
#endif
#if STINT_SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if STINT_SIM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace stint::sim {
namespace {

constexpr std::size_t kStack = 1 << 20, kThreadStack = 8 << 20, kGuard = 64 << 10, kMost = 64;

// All stacks: the thread's, and above it those of the fibers, each with a guard below.
class Stacks {
 public:
  static Stacks& all() {
    static Stacks made;
    return made;
  }
  std::byte* of_thread() const { return base_ + kGuard; }
  std::byte* take() {
    if (free_.empty()) std::abort();
    std::byte* const bottom = free_.back();
    free_.pop_back();
    return bottom;
  }
  void give_back(std::byte* bottom) { free_.push_back(bottom); }

 private:
  static constexpr std::size_t kThread = kGuard + kThreadStack, kEach = kGuard + kStack;

  Stacks() {
    void* const made = ::mmap(nullptr, kThread + kMost * kEach, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) std::abort();
    base_ = static_cast<std::byte*>(made);
    guard(base_);
    for (std::size_t i = kMost; i > 0; --i) {
      std::byte* const at = base_ + kThread + (i - 1) * kEach;
      guard(at);
      free_.push_back(at + kGuard);
    }
  }
  static void guard(std::byte* at) {
    if (::mprotect(at, kGuard, PROT_NONE) != 0) std::abort();
  }

  std::byte* base_;
  std::vector<std::byte*> free_;
};

Fiber* entering = nullptr;  // makecontext() hands over numbers alone

}  // namespace

// The two sides, and what the sanitizers are told when one changes over to the other.
struct Fiber::Switch {
  Switch() {
#if STINT_SIM_TSAN
    tsan_inside = __tsan_create_fiber(0);
#endif
    if (::getcontext(&inside) != 0) std::abort();
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = kStack;
    inside.uc_link = nullptr;
    ::makecontext(&inside, &Fiber::enter, 0);
    // It has served; AddressSanitizer would clean the whole stack's shadow at each change.
    inside.uc_stack.ss_size = 0;
  }
  ~Switch() {
#if STINT_SIM_TSAN
    __tsan_destroy_fiber(tsan_inside);
#endif
#if STINT_SIM_ASAN
    __asan_unpoison_memory_region(stack, kStack);  // of the frame that never returns
#endif
    Stacks::all().give_back(stack);
  }
  Switch(const Switch&) = delete;

  void in() {
#if STINT_SIM_TSAN
    tsan_outside = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_inside, 0);
#endif
#if STINT_SIM_ASAN
    void* frames = nullptr;
    __sanitizer_start_switch_fiber(&frames, stack, kStack);
#endif
    ::swapcontext(&outside, &inside);
#if STINT_SIM_ASAN
    __sanitizer_finish_switch_fiber(frames, nullptr, nullptr);
#endif
  }

  void entered() {
#if STINT_SIM_ASAN
    __sanitizer_finish_switch_fiber(frames_inside, &outside_bottom, &outside_size);
#endif
  }

  // `last`: it never comes in again.
  void out([[maybe_unused]] bool last) {
#if STINT_SIM_TSAN
    __tsan_switch_to_fiber(tsan_outside, 0);
#endif
#if STINT_SIM_ASAN
    __sanitizer_start_switch_fiber(last ? nullptr : &frames_inside, outside_bottom, outside_size);
#endif
    ::swapcontext(&inside, &outside);
    entered();
  }

  std::byte* const stack = Stacks::all().take();
  ucontext_t inside{}, outside{};
#if STINT_SIM_ASAN
  void* frames_inside = nullptr;
  const void* outside_bottom = nullptr;
  std::size_t outside_size = 0;
#endif
#if STINT_SIM_TSAN
  void *tsan_inside = nullptr, *tsan_outside = nullptr;
#endif
};

Fiber::Fiber(std::function<void()> run)
    : run_(std::move(run)), switch_(std::make_unique<Switch>()) {}
Fiber::~Fiber() = default;

void Fiber::enter() {
  Fiber& self = *std::exchange(entering, nullptr);
  self.switch_->entered();
  self.run_();
  self.run_ = nullptr;  // what it holds ends on this stack
  self.ended_ = true;
  self.switch_->out(true);
}

void Fiber::resume() {
  entering = this;  // looked at by one that begins
  switch_->in();
}

void Fiber::pause() { switch_->out(false); }

void on_fiber_thread(const std::function<void()>& f) {
  pthread_attr_t attributes;
  pthread_t thread{};
  const auto run = [](void* work) -> void* {
    (*static_cast<const std::function<void()>*>(work))();
    return nullptr;
  };
  std::function<void()> work = f;
  if (::pthread_attr_init(&attributes) != 0 ||
      ::pthread_attr_setstack(&attributes, Stacks::all().of_thread(), kThreadStack) != 0 ||
      ::pthread_create(&thread, &attributes, run, &work) != 0 ||
      ::pthread_join(thread, nullptr) != 0)
    std::abort();
  ::pthread_attr_destroy(&attributes);
}

}  // namespace stint::sim
