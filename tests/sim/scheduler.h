#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "stint/base/clock.h"
#include "stint/rt/threads.h"

namespace stint::sim {

using std::chrono::milliseconds;

// The one source of what is arbitrary in a run: SplitMix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }  // n > 0
  bool permille(std::size_t n) { return below(1000) < n; }
  template <class T>
  const T& of(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::uint64_t state_;
};

// Runs the loops of all nodes, one at a time: a loop runs until it waits, yields or ends. Which of
// those that can go on is next is drawn; time stands still meanwhile and passes by advance(), or by
// pass() when nobody can go on. So a run depends on its seed alone.
//
// Threads: one, with a fiber for each loop. step(), pass() and a join() are called outside of them.
class Scheduler {
 public:
  // A process: its loops stand still while it is frozen.
  class Process;

  explicit Scheduler(std::uint64_t seed);
  ~Scheduler();  // every process is gone by then
  Scheduler(const Scheduler&) = delete;

  Dice& dice() { return dice_; }
  MonoTime now() const { return now_; }
  void advance(milliseconds time) { now_ += time; }
  bool empty() const { return loops_.empty(); }  // no process runs

  // Lets one loop go on. False: none can.
  bool step();
  // The same, and time passes up to the next moment that somebody waits for.
  void pass();
  // What a loop does at a point where others may come between.
  void yield();

 private:
  struct Loop;
  class Condition;
  class Thread;
  friend class Process;

  void resume(Loop& loop);
  void park();  // the running loop, until it is resumed
  bool can_go_on(const Loop& loop) const;
  bool step_of(const Process* only);
  void pass_of(const Process* only);
  void wait(Condition& on, std::unique_lock<std::mutex>& lock, std::optional<MonoTime> until,
            const Process* of, const std::function<bool()>& done);

  Dice dice_;
  MonoTime now_{std::chrono::seconds(1000)};
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<Loop*> ready_;  // of step_of(): its room is kept
  Loop* running_ = nullptr;   // null: none, the driver is at work
};

class Scheduler::Process final : public rt::Threads {
 public:
  explicit Process(Scheduler& scheduler) : scheduler_(scheduler) {}
  std::unique_ptr<rt::Threads::Thread> start(std::function<void()> loop) override;
  std::unique_ptr<rt::Threads::Condition> condition() override;
  MonoTime now() const override { return scheduler_.now(); }

  void freeze_until(MonoTime time) { frozen_until_ = time; }
  bool frozen() const { return scheduler_.now() < frozen_until_; }
  MonoTime frozen_until() const { return frozen_until_; }
  // From now on the driver, when it waits for this process, lets no other go on: it is going down.
  void alone() { alone_ = true; }

 private:
  friend class Scheduler;
  Scheduler& scheduler_;
  MonoTime frozen_until_{};
  bool alone_ = false;
};

}  // namespace stint::sim
