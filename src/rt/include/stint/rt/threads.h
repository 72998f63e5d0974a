#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>

#include "stint/base/clock.h"

namespace stint::rt {

// How the loops of a service run and wait: the store's writer, the reaper's. The process has
// os_threads(); a simulation has its own, in which one loop runs at a time, the next is drawn from
// a seed, and time passes when nobody has anything left to do (docs/adr/0017).
//
// Threads: any, for every method.
class Threads {
 public:
  // One loop. join() it before it is destroyed.
  class Thread {
   public:
    virtual ~Thread() = default;
    virtual void join() = 0;  // once
  };

  // What loops wait for, with a mutex that guards what `done` looks at. Whoever waits may be woken
  // for nothing, and looks again.
  class Condition {
   public:
    using Done = std::function<bool()>;
    virtual ~Condition() = default;
    virtual void wait(std::unique_lock<std::mutex>& lock, const Done& done) = 0;
    // False: the time is up, and it is not done.
    virtual bool wait_for(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds time,
                          const Done& done) = 0;
    virtual void notify_all() noexcept = 0;
  };

  virtual ~Threads() = default;
  // Nothing may be thrown out of `loop`.
  virtual std::unique_ptr<Thread> start(std::function<void()> loop) = 0;
  virtual std::unique_ptr<Condition> condition() = 0;
  // What wait_for() goes by. It passes while a loop waits, whatever clock the work itself is given.
  virtual MonoTime now() const = 0;
};

// The machine's. Lives as long as the process.
Threads& os_threads();

}  // namespace stint::rt
