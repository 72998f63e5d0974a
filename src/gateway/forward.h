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
  const authority::Directory::UpstreamEntry& entry;
  const http::Target& target;
  std::string body;    // what was read of the request's body
  bool body_is_whole;  // or the beginning of what still comes
  std::string nonce;   // for the answer
  std::vector<authority::Permit> permits;
};

// One permitted request on its way: credential, upstream, response, outcome. Cut when the task
// closes or pauses, at its deadline, when the client goes, and when the upstream is silent for
// longer than its limits allow while it is its turn.
//
// An error means that nothing was answered, unless exchange.started(): then the answer is broken
// off. The outcome of every permit is recorded in either case.
class Forward : ForwardOrder {
 public:
  explicit Forward(ForwardOrder order);
  ~Forward();
  rt::Co<Status> run();

 private:
  struct Cut;   // what ends the call from outside
  struct Side;  // the sending of a streamed body, beside the response
  static rt::Co<void> send_beside(Forward* self, net::ClientExchange* up,
                                  std::shared_ptr<Side> side);

  rt::Co<Status> go(MonoTime began);
  rt::Co<Status> carry(http::RequestHead head);
  Error of_upstream(const net::ClientExchange& up, const Error& error);
  rt::Co<Status> both_ways(net::ClientExchange& up);
  rt::Co<Status> send_streamed(net::ClientExchange& up, Side& side);
  rt::Co<Status> relay(net::ClientExchange& up);
  rt::Co<Status> relay_body(net::ClientExchange& up);
  Result<http::RequestHead> head_for(const authority::Permit& permit);
  http::ResponseHead answer_head(const http::ResponseHead& from_upstream);
  Error judge(const Error& error, const authority::LiveTask& live);
  Error too_much() const;
  std::unexpected<Error> ended(audit::Ending how, Error why);

  const resource::Upstream& upstream = entry.upstream;
  std::unique_ptr<Cut> cut_;
  Masker masker_;
  authority::CallOutcome outcome_;
  std::int64_t most_ = 0;  // bytes of the response
};

}  // namespace stint::gateway
