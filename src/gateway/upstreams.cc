#include "upstreams.h"

#include <algorithm>

#include "stint/base/log.h"

namespace stint::gateway {

Upstreams::Upstreams(rt::Runtime& runtime, const Clock& clock, net::ClientLimits limits)
    : clock_(clock), limits_(limits) {
  for (int i = 0; i < runtime.size(); ++i) loops_.push_back({runtime.executor(i), {}});
}

net::Client* Upstreams::client(const rt::Executor& loop, const resource::Upstream& upstream) {
  const auto at =
      std::ranges::find_if(loops_, [&](const Loop& l) { return l.executor == loop; });
  if (at == loops_.end()) return nullptr;
  auto& slot = at->by_ca[upstream.tls_ca];
  if (!slot) {
    const auto tls = upstream.tls_ca.empty() ? net::TlsClient::system_roots()
                                             : net::TlsClient::with_roots_pem(upstream.tls_ca);
    if (!tls) {
      log::error("an upstream's trust anchors cannot be read",
                 {{"upstream", log::label(upstream.name)}, {"reason", tls.error().reason}});
      return nullptr;
    }
    slot = std::make_unique<net::Client>(at->executor, clock_, *tls, limits_);
  }
  return slot.get();
}

}  // namespace stint::gateway
