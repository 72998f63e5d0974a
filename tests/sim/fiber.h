#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace stint::sim {

// A loop with a stack of its own, on the thread of whoever lets it go on. Changing over asks
// nothing of the machine's scheduler: a thread that another wakes waits for a core beside whatever
// else runs there, some thousand times in a run.
//
// Threads: one for its whole life, which on_fiber_thread() runs.
// Limits:  64 at once, each with a stack of 1 MiB; what is beyond ends the process.
class Fiber {
 public:
  // Does not begin yet. Nothing may be thrown out of `run`.
  explicit Fiber(std::function<void()> run);
  ~Fiber();  // it has ended, or never began
  Fiber(const Fiber&) = delete;

  // Runs it until it pauses or ends. Not from inside of a fiber.
  void resume();
  // Back to whoever resumed it. From inside of this one.
  void pause();
  bool ended() const { return ended_; }

 private:
  struct Switch;
  static void enter();

  std::function<void()> run_;
  std::unique_ptr<Switch> switch_;
  bool ended_ = false;
};

// Runs `f` on a thread whose stack lies below those of all fibers, and waits for it. Cedar asks
// before it evaluates how much is left of its thread's stack, and denies when that is little: it
// knows where the thread's stack ends, and nothing of fibers.
void on_fiber_thread(const std::function<void()>& f);

}  // namespace stint::sim
