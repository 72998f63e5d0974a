#include "stint/rt/co.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "stint/base/log.h"
#include "stint/rt/callback.h"

namespace stint::rt {
namespace asio = boost::asio;
namespace {
constexpr asio::use_awaitable_t<Executor> kCo;
}

Co<Executor> this_executor() { co_return co_await asio::this_coro::executor; }

void spawn(const Executor& executor, Co<void> co) {
  asio::co_spawn(executor, std::move(co), [](std::exception_ptr e) {
    if (!e) return;
    // what() may carry a stranger's bytes: it is not written.
    log::error("a coroutine ended by an exception");
    std::terminate();
  });
}

void post(const Executor& executor, std::move_only_function<void()> work) {
  asio::post(executor, std::move(work));
}

Co<void> sleep_until(MonoTime at) {
  asio::steady_timer timer(co_await asio::this_coro::executor, at);
  (void)co_await timer.async_wait(asio::as_tuple(kCo));
}

Co<void> sleep_for(std::chrono::milliseconds ttl) {
  asio::steady_timer timer(co_await asio::this_coro::executor, ttl);
  (void)co_await timer.async_wait(asio::as_tuple(kCo));
}

namespace detail {

// Parked on a timer that never fires: the loop owns the suspended coroutine, so it is destroyed
// with the loop, and counts it as work.
struct Waiter::Parked {
  explicit Parked(Waiter& w) : waiter(w), timer(*w.executor_, MonoTime::max()) {
    waiter.parked_ = this;
  }
  ~Parked() { waiter.parked_ = nullptr; }
  Parked(const Parked&) = delete;

  Waiter& waiter;
  asio::steady_timer timer;
  bool woken = false;
};

void Waiter::wake() {
  asio::post(*executor_, [self = shared_from_this()] {
    if (self->parked_ == nullptr) return;
    self->parked_->woken = true;
    self->parked_->timer.cancel();
  });
}

Co<void> Waiter::wait(std::shared_ptr<Waiter> self, std::move_only_function<void()> start) {
  self->executor_ = co_await asio::this_coro::executor;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  // A cancelled wait whose completion is being written by another thread right now still has to
  // wait for it.
  co_await asio::this_coro::throw_if_cancelled(false);
  Parked parked(*self);
  start();
  while (!parked.woken) {
    (void)co_await parked.timer.async_wait(asio::as_tuple(kCo));
    if (!parked.woken && self->claim()) {
      self->fill_cancelled();
      break;
    }
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
}

}  // namespace detail
}  // namespace stint::rt
