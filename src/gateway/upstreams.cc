#include "upstreams.h"

#include <algorithm>

#include "stint/base/log.h"

namespace stint::gateway {

Upstreams::Upstreams(rt::Runtime& runtime, const Clock& clock, net::ClientLimits limits)
    : clock_(clock), limits_(limits) {
  limits_.read_time = std::chrono::hours(24 * 7);
  for (int i = 0; i < runtime.size(); ++i) loops_.push_back({runtime.executor(i), {}});
  // Once, here: reading all of the system's anchors takes a while that no event loop has.
  if (auto roots = net::TlsClient::system_roots()) system_roots_.emplace(*std::move(roots));
}

net::Client* Upstreams::client(const rt::Executor& loop, const resource::Upstream& upstream) {
  const auto at = std::ranges::find_if(loops_, [&](const Loop& l) { return l.executor == loop; });
  if (at == loops_.end()) return nullptr;
  auto& slot = at->clients[{upstream.tls_ca, upstream.limits.connect_timeout.count()}];
  if (!slot) {
    std::optional<net::TlsClient> tls = system_roots_;
    if (!upstream.tls_ca.empty()) {
      auto own = net::TlsClient::with_roots_pem(upstream.tls_ca);
      tls = own ? std::optional(*std::move(own)) : std::nullopt;
    }
    if (!tls) {
      log::error("an upstream's trust anchors cannot be read",
                 {{"upstream", log::label(upstream.name)}});
      return nullptr;
    }
    net::ClientLimits limits = limits_;
    limits.connect = upstream.limits.connect_timeout;
    slot = std::make_unique<net::Client>(at->executor, clock_, *tls, limits);
  }
  return slot.get();
}

std::optional<Upstreams::Place> Upstreams::enter(const resource::Upstream& upstream) {
  std::shared_ptr<std::atomic<std::int64_t>> taken;
  {
    const std::lock_guard lock(mutex_);
    auto& entry = under_way_[upstream.name];
    if (!entry) entry = std::make_shared<std::atomic<std::int64_t>>(0);
    taken = entry;
  }
  if (taken->fetch_add(1, std::memory_order_relaxed) < upstream.limits.concurrent)
    return Place(std::move(taken));
  taken->fetch_sub(1, std::memory_order_relaxed);
  return std::nullopt;
}

}  // namespace stint::gateway
