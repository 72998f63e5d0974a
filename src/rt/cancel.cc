#include "stint/rt/cancel.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "event_state.h"

namespace stint::rt::detail {
namespace asio = boost::asio;

namespace {

constexpr asio::use_awaitable_t<Executor> kCo;

// Shared by the child, the timer and the token; all of it on one executor, but for notify().
struct Guard final : Listener, std::enable_shared_from_this<Guard> {
  explicit Guard(const Executor& e) : executor(e), timer(std::in_place, e) {}

  void fire(Cut why) {
    if (done || fired) return;
    fired = true;
    cut = why;
    signal.emit(asio::cancellation_type::terminal);
  }
  void notify() override {
    asio::post(executor, [self = shared_from_this()] { self->fire(Cut::kToken); });
  }

  Executor executor;
  // Gone once the work is over: an event set later, by a thread that outlives the loop, may hold
  // the last reference to us, and must find no timer to destroy.
  std::optional<asio::steady_timer> timer;
  asio::cancellation_signal signal;
  Cut cut = Cut::kNone;
  bool fired = false, done = false;
  std::exception_ptr error;
};

}  // namespace

Co<Cut> guard(Co<void> work, Deadline deadline, CancelToken token) {
  if (token.cancelled()) co_return Cut::kToken;
  const Executor executor = co_await asio::this_coro::executor;
  const auto guard = std::make_shared<Guard>(executor);
  if (!deadline.is_never()) {
    guard->timer->expires_at(deadline.at());
    guard->timer->async_wait([guard](boost::system::error_code ec) {
      if (!ec) guard->fire(Cut::kDeadline);
    });
  }
  if (token.event()) EventAccess::add(*token.event(), guard);
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(
      [&guard, &executor, &work](auto handler) {
        // Cancelled from outside: handed on to the child, which binds its own signal.
        if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected())
          slot.assign([guard](asio::cancellation_type) { guard->fire(Cut::kNone); });
        asio::co_spawn(executor, std::move(work),
                       asio::bind_cancellation_slot(
                           guard->signal.slot(),
                           [guard, h = std::move(handler)](std::exception_ptr e) mutable {
                             guard->done = true;
                             guard->error = std::move(e);
                             guard->timer.reset();
                             std::move(h)();
                           }));
      },
      kCo);
  // A child that was cut unwinds by an exception; any other one is the caller's.
  if (guard->error && !guard->fired) std::rethrow_exception(guard->error);
  co_return guard->cut;
}

}  // namespace stint::rt::detail
