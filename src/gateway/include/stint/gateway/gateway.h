#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "stint/authority/authority.h"
#include "stint/base/clock.h"
#include "stint/net/client.h"
#include "stint/net/server.h"
#include "stint/opening/opener.h"
#include "stint/proof/gate.h"
#include "stint/rt/co.h"
#include "stint/rt/runtime.h"

namespace stint::gateway {

struct GatewayLimits {
  // A body of at most this size is read before the decision, so that an approval is for these very
  // bytes. A larger or chunked one streams, and is denied where a person would have to be asked.
  std::size_t judged_body = 1024 * 1024;
  std::chrono::seconds longest_wait{55};  // Prefer: wait=N is cut to this
  // Of a refused git push, read away so that git sees the refusal and not a broken pipe.
  std::size_t refused_push = 64 * 1024 * 1024;
};

struct GatewayStats {
  std::atomic<std::uint64_t> permitted{0}, denied{0}, asked{0}, unauthenticated{0}, failed{0};
};

// The request pipeline of `/u/{upstream}/…`.
//
// Threads:   handle() on any of the runtime's executors.
// Ownership: borrows all its parts; outlives the server that calls it.
// Closed:    whatever cannot be verified, named, decided or recorded is refused, and the upstream
//            has seen no byte of it.
class Gateway {
 public:
  struct Parts {
    authority::Authority& authority;
    proof::Gate& gate;
    opening::Opener& opener;
    rt::Runtime& runtime;
    const Clock& clock;
  };
  explicit Gateway(Parts parts, GatewayLimits limits = {}, net::ClientLimits upstream = {});
  ~Gateway();
  Gateway(const Gateway&) = delete;

  rt::Co<void> handle(net::Exchange& exchange);
  const GatewayStats& stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::gateway
