#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stint/net/client.h"
#include "stint/resource/resource.h"
#include "stint/rt/runtime.h"

namespace stint::gateway {

// HTTP clients toward upstreams: one for each event loop and way to connect, so that pooled
// connections need no lock. Threads: any; each client is used on its own loop only.
class Upstreams {
 public:
  // Silence is judged by the call, which knows whose turn it is: `limits.read_time` is not used.
  Upstreams(rt::Runtime& runtime, const Clock& clock, net::ClientLimits limits);

  // nullptr: the upstream's trust anchors cannot be read. Lives as long as *this.
  net::Client* client(const rt::Executor& loop, const resource::Upstream& upstream);

  // One call under way; counts until it is destroyed.
  class Place {
   public:
    explicit Place(std::shared_ptr<std::atomic<std::int64_t>> taken) : taken_(std::move(taken)) {}
    Place(Place&&) noexcept = default;
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (taken_) taken_->fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    std::shared_ptr<std::atomic<std::int64_t>> taken_;
  };
  // nullopt: limits.concurrent calls are under way already.
  std::optional<Place> enter(const resource::Upstream& upstream);

 private:
  const Clock& clock_;
  net::ClientLimits limits_;
  std::optional<net::TlsClient> system_roots_;
  using Way = std::pair<std::string, std::int64_t>;  // trust anchors, seconds to connect
  struct Loop {
    rt::Executor executor;
    std::map<Way, std::unique_ptr<net::Client>> clients;  // touched on its loop only
  };
  std::vector<Loop> loops_;

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<std::atomic<std::int64_t>>, std::less<>> under_way_;
};

}  // namespace stint::gateway
