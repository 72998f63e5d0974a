#pragma once

#include <memory>
#include <string>
#include <vector>

#include "injector.h"
#include "stint/authority/authority.h"
#include "stint/http/target.h"
#include "stint/net/client.h"
#include "stint/net/server.h"
#include "stint/resource/resource.h"
#include "stint/rt/cancel.h"

namespace stint::gateway {

// What a permitted request needs on its way.
struct ForwardOrder {
  authority::Authority& authority;
  const Clock& clock;
  net::Exchange& exchange;
  net::Client* client;
  const resource::Upstream& upstream;
  const http::Target& target;
  std::string body;    // what was read of the request's body
  bool body_is_whole;  // or the beginning of what still comes
  std::string nonce;   // for the answer
  std::vector<authority::Permit> permits;
};

// One permitted request on its way: credential, upstream, response, outcome. Cut when the task
// closes or pauses, at its deadline, and when the client goes.
//
// An error means that nothing was answered, unless exchange.started(): then the answer is broken
// off. The outcome of every permit is recorded in either case.
class Forward : ForwardOrder {
 public:
  explicit Forward(ForwardOrder order) : ForwardOrder(std::move(order)) {}
  rt::Co<Status> run();

 private:
  struct Counts {
    std::int64_t in = 0, out = 0;
    unsigned status = 0;
    audit::Ending ending = audit::Ending::kCompleted;
  };
  struct Cut;   // what ends the call from outside
  struct Side;  // the sending of a streamed body, beside the response
  static rt::Co<void> watch(std::shared_ptr<Cut> cut, rt::CancelToken task, rt::Deadline deadline);
  static rt::Co<void> send_beside(Forward* self, net::ClientExchange* up, Counts* counts,
                                  std::shared_ptr<Cut> cut, std::shared_ptr<Side> side);

  rt::Co<Result<bool>> go(Counts& counts, std::shared_ptr<Cut> cut, rt::Deadline deadline,
                          rt::CancelToken task);
  rt::Co<Result<bool>> send_streamed(net::ClientExchange& up, Counts& counts, Cut& cut);
  rt::Co<Result<bool>> relay(net::ClientExchange& up, Masker& masker, Counts& counts);
  Result<http::RequestHead> head_for(const authority::Permit& permit, Masker& masker);

  std::shared_ptr<Cut> cut_;
};

}  // namespace stint::gateway
