#include "stint/rt/runtime.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "stint/base/log.h"

namespace stint::rt {
namespace asio = boost::asio;

struct Runtime::Impl {
  using Work = asio::executor_work_guard<asio::io_context::executor_type>;
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  std::vector<Work> work;
  std::vector<std::thread> threads;
};

Runtime::Runtime(int contexts) : impl_(std::make_unique<Impl>()) {
  for (int i = 0; i < std::max(contexts, 1); ++i) {
    impl_->contexts.push_back(std::make_unique<asio::io_context>(1));
    impl_->work.emplace_back(impl_->contexts.back()->get_executor());
  }
}

Runtime::~Runtime() {
  stop();
  impl_->work.clear();
}

int Runtime::size() const { return static_cast<int>(impl_->contexts.size()); }
asio::io_context& Runtime::context(int i) const {
  return *impl_->contexts[static_cast<std::size_t>(i)];
}
Executor Runtime::executor(int i) const { return context(i).get_executor(); }

void Runtime::start() {
  for (auto& context : impl_->contexts) {
    impl_->threads.emplace_back([&loop = *context] {
      try {
        loop.run();
      } catch (...) {
        log::error("an exception left the event loop");
        std::terminate();
      }
    });
  }
}

bool Runtime::running() const { return !impl_->threads.empty(); }

bool Runtime::answers(std::chrono::milliseconds within) const {
  struct Roll {  // of the loops that were not heard yet; the last of them to answer frees it
    std::mutex mutex;
    std::condition_variable changed;
    int missing;
  };
  const auto roll = std::make_shared<Roll>();
  roll->missing = size();
  for (int i = 0; i < size(); ++i)
    post(executor(i), [roll] {
      const std::lock_guard lock(roll->mutex);
      if (--roll->missing == 0) roll->changed.notify_one();
    });
  std::unique_lock lock(roll->mutex);
  return roll->changed.wait_for(lock, within, [&] { return roll->missing == 0; });
}

void Runtime::stop() {
  for (auto& context : impl_->contexts) context->stop();
  for (auto& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

namespace detail {
void run_to_end(Co<void> co) {
  asio::io_context loop(1);
  std::exception_ptr error;
  asio::co_spawn(loop, std::move(co), [&](std::exception_ptr e) {
    error = std::move(e);
    loop.stop();  // what others left behind here is not waited for
  });
  loop.run();
  if (error) std::rethrow_exception(error);
}
}  // namespace detail

}  // namespace stint::rt
