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
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

Co<void> sleep_for(std::chrono::milliseconds ttl) {
  asio::steady_timer timer(co_await asio::this_coro::executor, ttl);
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

namespace detail {

struct Waiter::Parked {
  Executor executor;  // counts as work: the loop does not end under a waiter
  std::move_only_function<void()> resume;
};

void Waiter::wake() {
  auto parked = std::move(parked_);
  const Executor executor = parked->executor;
  asio::post(executor, [parked = std::move(parked)] { std::exchange(parked->resume, nullptr)(); });
}

Co<void> Waiter::wait(std::shared_ptr<Waiter> self, std::move_only_function<void()> start) {
  const Executor executor = co_await asio::this_coro::executor;
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [&self, &start, &executor](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        self->parked_ = std::make_shared<Parked>(
            Parked{asio::prefer(executor, asio::execution::outstanding_work.tracked),
                   [h = std::move(handler)]() mutable { std::move(h)(); }});
        if (slot.is_connected()) {
          slot.assign([weak = std::weak_ptr<Waiter>(self)](asio::cancellation_type) {
            const auto waiter = weak.lock();
            if (!waiter || !waiter->claim()) return;
            waiter->fill_cancelled();
            waiter->wake();
          });
        }
        start();
      },
      asio::use_awaitable);
}

}  // namespace detail
}  // namespace stint::rt
