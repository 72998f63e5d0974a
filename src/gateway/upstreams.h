#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "stint/net/client.h"
#include "stint/resource/resource.h"
#include "stint/rt/runtime.h"

namespace stint::gateway {

// HTTP clients toward upstreams: one for each event loop and set of trust anchors, so that pooled
// connections need no lock. Threads: any; each client is used on its own loop only.
class Upstreams {
 public:
  Upstreams(rt::Runtime& runtime, const Clock& clock, net::ClientLimits limits);

  // nullptr: the upstream's trust anchors cannot be read. Lives as long as *this.
  net::Client* client(const rt::Executor& loop, const resource::Upstream& upstream);

 private:
  const Clock& clock_;
  net::ClientLimits limits_;
  struct Loop {
    rt::Executor executor;
    std::map<std::string, std::unique_ptr<net::Client>> by_ca;  // touched on its loop only
  };
  std::vector<Loop> loops_;
};

}  // namespace stint::gateway
