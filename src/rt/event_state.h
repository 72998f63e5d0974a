#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "stint/rt/event.h"

namespace stint::rt {

namespace detail {
// Is told once, from the thread that sets the event: it may post, claim and wake, nothing more.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void notify() = 0;
};
}  // namespace detail

struct SharedEvent::State {
  // Tells `listener` when the event is set, now if it is. Keeps no ownership: a listener that died
  // is forgotten at the next growth of the list.
  void add(const std::shared_ptr<detail::Listener>& listener);
  void set();

  mutable std::mutex mutex;
  bool is_set = false;
  std::vector<std::weak_ptr<detail::Listener>> listeners;
};

namespace detail {
// For CancelToken, which holds events but is not their friend.
struct EventAccess {
  static void add(const SharedEvent& event, const std::shared_ptr<Listener>& listener);
};
}  // namespace detail

}  // namespace stint::rt
