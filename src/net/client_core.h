#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "body_decoder.h"
#include "stint/net/client.h"
#include "stint/rt/cancel.h"
#include "tls_state.h"
#include "wire.h"

namespace stint::net {

// Connections of one client: open ones are counted, idle ones pooled by origin. One thread.
struct ClientCore : std::enable_shared_from_this<ClientCore> {
  ClientCore(const rt::Executor& executor, const Clock& clock, TlsClient tls, ClientLimits limits);

  Result<std::shared_ptr<ClientCall>> begin(const Origin& origin, http::RequestHead head,
                                            http::Framing body, CallBounds bounds);
  static rt::Co<Result<std::shared_ptr<Wire>>> connect(std::shared_ptr<ClientCore> core,
                                                       Origin origin, rt::Deadline deadline,
                                                       rt::CancelToken cancel);
  // The youngest idle connection to `key`; null when there is none. `probe`: asks the kernel too
  // whether the other side has closed it.
  std::shared_ptr<Wire> take(const std::string& key, bool probe);
  void give(const std::string& key, std::shared_ptr<Wire> wire);
  void close();

  boost::asio::io_context& context;
  const Clock& clock;
  TlsClient tls;
  ClientLimits limits;
  std::shared_ptr<Ticker> ticker;
  std::unordered_map<std::string, std::vector<std::shared_ptr<Wire>>> idle;
  std::size_t connections = 0, idle_count = 0;
  std::uint64_t connected = 0, reused = 0, retried = 0;
  bool closed = false;

 private:
  static rt::Co<Result<std::shared_ptr<Wire>>> connect_now(std::shared_ptr<ClientCore> core,
                                                           Origin origin);
  std::shared_ptr<Wire> count(std::shared_ptr<Wire> wire);
};

// One request under way.
struct ClientCall {
  ~ClientCall();

  rt::Co<Status> send_head();
  rt::Co<Status> send(std::string_view bytes);
  rt::Co<Status> finish();
  rt::Co<Result<http::ResponseHead>> head();
  rt::Co<Result<std::string_view>> read_piece();
  // Gives the connection back if both messages ended in order, else closes it. Idempotent.
  void end();
  void abort();

  std::shared_ptr<ClientCore> core;
  std::shared_ptr<Wire> wire;
  Origin origin;
  std::string key;
  std::string method;
  std::string out;  // request head, kept while it may have to be sent again
  CallBounds bounds;
  std::uint64_t until = Ticker::kNever;
  bool begun = false, replayable = false, reused = false;
  std::optional<rt::CancelSource> connecting;

  http::Framing body;
  std::uint64_t body_left = 0;
  bool body_done = false, body_lost = false;

  bool has_head = false, persistent = false, ended = false, aborted = false;
  http::Framing framing;
  std::optional<BodyDecoder> decoder;

 private:
  rt::Co<Status> connect();
  rt::Co<Status> again();
  std::unexpected<Error> lose_body(const Error& error);
  Result<http::ResponseHead> judge(std::string_view block, bool& interim);
  std::uint64_t read_until() const;
  Error cause(const Error& error) const;
};

}  // namespace stint::net
