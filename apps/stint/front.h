#pragma once

#include "stint/api/api.h"
#include "stint/api/operations.h"
#include "stint/gateway/gateway.h"
#include "stint/net/server.h"
#include "stint/oauth/endpoints.h"
#include "stint/rt/co.h"

namespace stint::cli {

// Sends each request of a listener to the part that answers it. Wired before the first request.
// Threads: any, once wired. Ownership: borrows the parts.
class Front {
 public:
  void wire(oauth::Endpoints& oauth, api::Api& api, gateway::Gateway& gateway,
            api::Operations& operations);

  rt::Co<void> control(net::Exchange& exchange);
  rt::Co<void> gateway(net::Exchange& exchange);
  rt::Co<void> operations(net::Exchange& exchange);

 private:
  oauth::Endpoints* oauth_ = nullptr;
  api::Api* api_ = nullptr;
  gateway::Gateway* gateway_ = nullptr;
  api::Operations* operations_ = nullptr;
};

}  // namespace stint::cli
