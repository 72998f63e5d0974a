#include <algorithm>

#include "stint/api/operations.h"
#include "stint/audit/event.h"

namespace stint::api {
namespace {

template <class... Events>
constexpr auto kinds_of(std::variant<Events...>*) {
  return std::array{Events::kKind...};
}
constexpr auto kKinds = kinds_of(static_cast<audit::AnyEvent*>(nullptr));

}  // namespace

EventCounts::EventCounts() { static_assert(kKinds.size() <= kMax); }

void EventCounts::add(std::span<const store::EventView> events) {
  for (const auto& event : events) {
    const auto at = std::ranges::find(kKinds, event.kind);
    if (at == kKinds.end()) continue;
    counts_[static_cast<std::size_t>(at - kKinds.begin())].fetch_add(1, std::memory_order_relaxed);
  }
}

std::vector<std::pair<std::string_view, std::uint64_t>> EventCounts::counts() const {
  std::vector<std::pair<std::string_view, std::uint64_t>> out;
  for (std::size_t i = 0; i < kKinds.size(); ++i)
    out.emplace_back(kKinds[i], counts_[i].load(std::memory_order_relaxed));
  return out;
}

}  // namespace stint::api
