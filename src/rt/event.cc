#include "event_state.h"
#include "stint/rt/callback.h"
#include "stint/rt/cancel.h"

namespace stint::rt {

void SharedEvent::State::add(const std::shared_ptr<detail::Listener>& listener) {
  {
    const std::scoped_lock lock(mutex);
    if (!is_set) {
      // Dead listeners go before the list grows, so it stays within twice its living members.
      if (listeners.size() == listeners.capacity())
        std::erase_if(listeners, [](const auto& l) { return l.expired(); });
      listeners.push_back(listener);
      return;
    }
  }
  listener->notify();
}

void SharedEvent::State::set() {
  std::vector<std::weak_ptr<detail::Listener>> told;
  {
    const std::scoped_lock lock(mutex);
    if (is_set) return;
    is_set = true;
    told.swap(listeners);
  }
  for (const auto& weak : told)
    if (const auto listener = weak.lock()) listener->notify();
}

void detail::EventAccess::add(const SharedEvent& event, const std::shared_ptr<Listener>& listener) {
  event.state_->add(listener);
}

SharedEvent::SharedEvent() : state_(std::make_shared<State>()) {}
void SharedEvent::set() const { state_->set(); }
bool SharedEvent::is_set() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->is_set;
}

struct Subscription::Node final : detail::Listener, std::enable_shared_from_this<Node> {
  Node(const Executor& e, std::move_only_function<void()> a) : executor(e), act(std::move(a)) {}
  void notify() override {
    boost::asio::post(executor, [self = shared_from_this()] {
      if (self->act) std::exchange(self->act, nullptr)();
    });
  }
  Executor executor;
  std::move_only_function<void()> act;  // touched on the executor only
};

Subscription::Subscription(const SharedEvent& event, const Executor& executor,
                           std::move_only_function<void()> act)
    : node_(std::make_shared<Node>(executor, std::move(act))) {
  detail::EventAccess::add(event, node_);
}
Subscription& Subscription::operator=(Subscription&& o) noexcept {
  if (this != &o) {
    if (node_) node_->act = nullptr;
    node_ = std::move(o.node_);
  }
  return *this;
}
Subscription::~Subscription() {
  if (node_) node_->act = nullptr;
}

namespace {

struct IndexListener final : detail::Listener {
  IndexListener(std::weak_ptr<detail::ValueWaiter<std::size_t>> w, std::size_t i)
      : waiter(std::move(w)), index(i) {}
  void notify() override {
    const auto w = waiter.lock();
    if (!w || !w->claim()) return;
    w->value = index;
    w->wake();
  }
  std::weak_ptr<detail::ValueWaiter<std::size_t>> waiter;
  std::size_t index;
};

Co<Result<std::size_t>> wait_first(std::vector<SharedEvent> events) {
  auto waiter = std::make_shared<detail::ValueWaiter<std::size_t>>();
  std::vector<std::shared_ptr<detail::Listener>> listeners;  // lives as long as the wait
  co_await detail::Waiter::wait(waiter, [&events, &waiter, &listeners] {
    for (std::size_t i = 0; i < events.size(); ++i) {
      listeners.push_back(std::make_shared<IndexListener>(waiter, i));
      detail::EventAccess::add(events[i], listeners.back());
    }
  });
  co_return std::move(waiter->value);
}

}  // namespace

Co<Result<std::size_t>> wait_any(std::vector<SharedEvent> events, Deadline deadline) {
  for (std::size_t i = 0; i < events.size(); ++i)
    if (events[i].is_set()) co_return i;
  if (deadline.is_never()) co_return co_await wait_first(std::move(events));
  co_return co_await with_deadline(wait_first(std::move(events)), deadline);
}

Co<Status> SharedEvent::wait(Deadline deadline) const {
  const auto index = co_await wait_any({*this}, deadline);
  if (!index) co_return fail(index.error());
  co_return Status();
}

Co<Status> SharedEvent::wait() const { return wait(Deadline::never()); }

}  // namespace stint::rt
