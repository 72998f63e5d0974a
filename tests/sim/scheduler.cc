#include "scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "fiber.h"

namespace stint::sim {

std::uint64_t Dice::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

struct Scheduler::Loop {
  Loop(Process* of, std::function<void()> run) : process(of), fiber(std::move(run)) {}
  Process* const process;
  Fiber fiber;
  const Condition* on = nullptr;  // waits for it
  std::optional<MonoTime> until;
  bool woken = true;
};

class Scheduler::Condition final : public rt::Threads::Condition {
 public:
  Condition(Scheduler& scheduler, const Process& process)
      : scheduler_(scheduler), process_(process) {}
  void wait(std::unique_lock<std::mutex>& lock, const Done& done) override {
    scheduler_.wait(*this, lock, std::nullopt, &process_, done);
  }
  bool wait_for(std::unique_lock<std::mutex>& lock, milliseconds time, const Done& done) override {
    scheduler_.wait(*this, lock, scheduler_.now() + time, &process_, done);
    return done();
  }
  void notify_all() noexcept override {
    for (const auto& loop : scheduler_.loops_)
      if (loop->on == this) loop->woken = true;
  }

 private:
  Scheduler& scheduler_;
  const Process& process_;
};

class Scheduler::Thread final : public rt::Threads::Thread {
 public:
  Thread(Scheduler& scheduler, Loop& loop) : scheduler_(scheduler), loop_(loop) {}
  void join() override {
    while (!loop_.fiber.ended()) scheduler_.pass_of(loop_.process);
    std::erase_if(scheduler_.loops_, [this](const auto& loop) { return loop.get() == &loop_; });
  }

 private:
  Scheduler& scheduler_;
  Loop& loop_;
};

Scheduler::Scheduler(std::uint64_t seed) : dice_(seed) {}
Scheduler::~Scheduler() = default;

std::unique_ptr<rt::Threads::Thread> Scheduler::Process::start(std::function<void()> work) {
  scheduler_.loops_.push_back(std::make_unique<Loop>(this, std::move(work)));
  return std::make_unique<Scheduler::Thread>(scheduler_, *scheduler_.loops_.back());
}

std::unique_ptr<rt::Threads::Condition> Scheduler::Process::condition() {
  return std::make_unique<Scheduler::Condition>(scheduler_, *this);
}

void Scheduler::resume(Loop& loop) {
  if (running_ != nullptr) {
    std::fputs("simulation: a loop waits for another to end\n", stderr);
    std::abort();
  }
  loop.on = nullptr;
  loop.until.reset();
  loop.woken = true;
  running_ = &loop;
  loop.fiber.resume();
  running_ = nullptr;
}

void Scheduler::park() { running_->fiber.pause(); }

void Scheduler::yield() {
  if (running_ != nullptr) park();
}

bool Scheduler::can_go_on(const Loop& loop) const {
  if (loop.fiber.ended() || (loop.process->frozen() && !loop.process->alone_)) return false;
  return loop.woken || (loop.until && *loop.until <= now_);
}

bool Scheduler::step_of(const Process* only) {
  ready_.clear();
  for (const auto& loop : loops_)
    if (can_go_on(*loop) && (only == nullptr || loop->process == only))
      ready_.push_back(loop.get());
  if (ready_.empty()) return false;
  resume(*dice_.of(ready_));
  return true;
}

bool Scheduler::step() { return step_of(nullptr); }
void Scheduler::pass() { pass_of(nullptr); }

void Scheduler::pass_of(const Process* of) {
  const Process* const only = of != nullptr && of->alone_ ? of : nullptr;
  if (step_of(only)) return;
  std::optional<MonoTime> next;
  for (const auto& loop : loops_) {
    if (loop->fiber.ended() || (only != nullptr && loop->process != only)) continue;
    std::optional<MonoTime> at = loop->woken ? std::optional(now_) : loop->until;
    if (!at) continue;
    if (loop->process->frozen() && !loop->process->alone_)
      at = std::max(*at, loop->process->frozen_until());
    next = next ? std::min(*next, *at) : *at;
  }
  if (!next) {
    std::fputs("simulation: everybody waits, and nothing will wake them\n", stderr);
    std::abort();
  }
  now_ = std::max(now_, *next);
}

void Scheduler::wait(Condition& on, std::unique_lock<std::mutex>& lock,
                     std::optional<MonoTime> until, const Process* of,
                     const std::function<bool()>& done) {
  while (!done() && (!until || now_ < *until)) {
    Loop* const self = running_;
    if (self != nullptr) {
      self->on = &on;
      self->until = until;
      self->woken = false;
    }
    lock.unlock();
    if (self != nullptr) {
      park();
    } else {
      pass_of(of);
    }
    lock.lock();
  }
}

}  // namespace stint::sim
