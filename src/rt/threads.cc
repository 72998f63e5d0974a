#include "stint/rt/threads.h"

#include <condition_variable>
#include <thread>
#include <utility>

namespace stint::rt {
namespace {

class OsThread final : public Threads::Thread {
 public:
  explicit OsThread(std::function<void()> loop) : thread_(std::move(loop)) {}
  void join() override { thread_.join(); }

 private:
  std::thread thread_;
};

class OsCondition final : public Threads::Condition {
 public:
  void wait(std::unique_lock<std::mutex>& lock, const Done& done) override {
    changed_.wait(lock, done);
  }
  bool wait_for(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds time,
                const Done& done) override {
    return changed_.wait_for(lock, time, done);
  }
  void notify_all() noexcept override { changed_.notify_all(); }

 private:
  std::condition_variable changed_;
};

class OsThreads final : public Threads {
 public:
  std::unique_ptr<Thread> start(std::function<void()> loop) override {
    return std::make_unique<OsThread>(std::move(loop));
  }
  std::unique_ptr<Condition> condition() override { return std::make_unique<OsCondition>(); }
  MonoTime now() const override { return SystemClock().mono(); }
};

}  // namespace

Threads& os_threads() {
  static OsThreads threads;
  return threads;
}

}  // namespace stint::rt
