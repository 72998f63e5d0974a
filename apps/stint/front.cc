#include "front.h"

#include "stint/http/problem.h"

namespace stint::cli {

void Front::wire(oauth::Endpoints& oauth, api::Api& api, gateway::Gateway& gateway,
                 api::Operations& operations) {
  oauth_ = &oauth;
  api_ = &api;
  gateway_ = &gateway;
  operations_ = &operations;
}

rt::Co<void> Front::control(net::Exchange& exchange) {
  const std::string& target = exchange.head().target;
  const std::string_view path = std::string_view(target).substr(0, target.find('?'));
  if (oauth_->serves(path)) return oauth_->handle(exchange);
  return api_->handle(exchange);  // a problem document for what is not served
}

rt::Co<void> Front::gateway(net::Exchange& exchange) { return gateway_->handle(exchange); }
rt::Co<void> Front::operations(net::Exchange& exchange) { return operations_->handle(exchange); }

}  // namespace stint::cli
