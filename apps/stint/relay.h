#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client.h"
#include "stint/base/clock.h"
#include "stint/net/client.h"
#include "stint/net/server.h"
#include "stint/rt/runtime.h"

namespace stint::cli {

// The loopback relay of `stint run`: takes plain HTTP at http://127.0.0.1:PORT/RANDOM/UPSTREAM/…
// from the child's processes and sends it on to the gateway with the task's token and a fresh
// proof. So the child holds nothing that could be stolen from it.
//
// Who may use it: whoever knows the random path AND holds the connection in a process that `holds`
// vouches for. All others get 404 or 403 and are counted.
//
// Threads:   one executor, the task client's; counts from any.
// Ownership: borrows clock and task client.
// Limits:    bodies of kBuffered bytes are held, so that a request may be repeated with a nonce;
//            larger and chunked ones stream. Back-pressure both ways.
class Relay {
 public:
  static constexpr std::size_t kBuffered = 1024 * 1024;
  // Whether the peer's port belongs to a process that may use the relay.
  using Holds = std::function<bool(std::uint16_t peer_port, std::uint16_t our_port)>;

  struct Settings {
    std::string secret;                  // the random path segment
    std::vector<std::string> upstreams;  // those that the task has grants for
    int wait_seconds = 0;                // Prefer: wait=N, for approvals
  };
  struct Counts {
    std::atomic<std::uint64_t> sent{0}, foreign{0}, unknown{0};
    std::atomic<std::int64_t> last_ms{0};  // of the latest request, wall time
  };

  Relay(rt::Runtime& runtime, const Clock& clock, TaskClient& task, net::TlsClient tls, Holds holds,
        Settings settings);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  Result<std::uint16_t> listen();
  void stop();  // cuts what runs
  std::string url(std::string_view upstream) const;
  const Counts& counts() const { return counts_; }

 private:
  struct Request;
  struct Side;
  rt::Co<void> handle(net::Exchange* exchange);
  rt::Co<Result<bool>> send_on(net::Exchange* exchange, Request* request);
  rt::Co<Result<net::ClientExchange>> open(net::Exchange* exchange, Request* request,
                                           http::Framing framing);
  static rt::Co<Result<bool>> upload(net::Exchange* exchange, net::ClientExchange* up, Side* side);
  static rt::Co<void> upload_beside(net::Exchange* exchange, net::ClientExchange* up,
                                    std::shared_ptr<Side> side);
  rt::Co<Result<bool>> answer_streamed(net::Exchange* exchange, Request* request,
                                       net::ClientExchange* up);
  static rt::Co<Result<bool>> answer(net::Exchange* exchange, net::ClientExchange* up,
                                     http::ResponseHead head);
  rt::Co<Result<bool>> stream(net::Exchange* exchange, Request* request, net::ClientExchange* up);

  rt::Runtime& runtime_;
  const Clock& clock_;
  TaskClient& task_;
  net::Client client_;
  Holds holds_;
  Settings settings_;
  Counts counts_;
  std::uint16_t port_ = 0;
  std::unique_ptr<net::Server> server_;
};

// "/RANDOM/UPSTREAM/rest?query" taken apart; rest begins with '/' or is empty.
struct RelayTarget {
  std::string_view secret, upstream, rest;
};
std::optional<RelayTarget> parse_relay_target(std::string_view target);

// What goes on to the gateway of what the child sent: no framing, no hop-by-hop fields, and no
// credential of the child's own, which would take the place of the task's.
http::Headers headers_for_gateway(const http::Headers& from_child);

}  // namespace stint::cli
