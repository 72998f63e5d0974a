#include "ticker.h"

namespace stint::net {

Ticker::Ticker(boost::asio::io_context& context, std::chrono::milliseconds tick)
    : timer_(context), tick_(tick) {}

void Ticker::add(Entry& entry) {
  entry.next_ = first_;
  if (first_) first_->prev_ = &entry;
  first_ = &entry;
  if (!scheduled_) {
    ++now_;  // time stood still while nobody looked: what was cached by tick is old
    timer_.expires_after(tick_);
    schedule();
  }
}

void Ticker::remove(Entry& entry) {
  if (entry.prev_) entry.prev_->next_ = entry.next_;
  if (entry.next_) entry.next_->prev_ = entry.prev_;
  if (first_ == &entry) first_ = entry.next_;
  entry.prev_ = entry.next_ = nullptr;
  if (!first_) timer_.cancel();
}

void Ticker::schedule() {
  scheduled_ = true;
  timer_.async_wait([self = shared_from_this()](boost::system::error_code) {
    self->scheduled_ = false;
    if (!self->first_) return;
    ++self->now_;
    for (Entry* e = self->first_; e != nullptr;) {
      Entry* next = e->next_;
      e->on_tick(self->now_);
      e = next;
    }
    // From the moment that was due, not from now: or each tick's lateness would add up.
    self->timer_.expires_at(self->timer_.expiry() + self->tick_);
    self->schedule();
  });
}

}  // namespace stint::net
