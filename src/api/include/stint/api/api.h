#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stint/api/operations.h"
#include "stint/authority/authority.h"
#include "stint/base/clock.h"
#include "stint/http/message.h"
#include "stint/net/server.h"
#include "stint/opening/opener.h"
#include "stint/proof/gate.h"
#include "stint/rt/co.h"

namespace stint::api {

struct Core;  // private

struct Settings {
  // Who may come in by the unix socket: this uid (the server's own) and 0.
  std::uint32_t operator_uid = 0;
  std::string admin_group = "admins";  // its humans may all that an operator may
  bool dpop_nonce = false;             // proofs of agents must carry a nonce here too
  std::size_t body_bytes = 64 * 1024;  // of every request but those of /v1/resources
  std::size_t resources_bytes = 8 * 1024 * 1024;
  std::size_t streams = 256;                          // event and feed streams at once; beyond: 429
  std::size_t caller_streams = 64;                    // of one human, agent or operator
  std::chrono::seconds stream_life{900};              // then the client comes back
  std::chrono::milliseconds stream_poll{50};          // /v1/events: sent this late at most
  std::chrono::milliseconds event_heartbeat{15'000};  // a comment, so that connections stay
  std::chrono::milliseconds feed_heartbeat{1'000};    // says up to where the feed is complete
  std::chrono::milliseconds feed_lag{10'000};         // a follower so long behind is cut
  std::size_t feed_replay = 100'000;                  // events of the log, for who comes back late
  std::chrono::seconds longest_wait{55};              // Prefer: wait=N is cut to this
};

// One line of the route table, for documents and tests.
struct RouteInfo {
  std::string_view method, path, operation;  // "GET", "/v1/tasks/{id}", "getTask"
};

// The people's and agents' API: /v1/…, /log/…, /openapi.json. docs/adr/0006-people-at-the-api.md
// says who may come in and how; rule 9 of the domain is kept here.
//
// Threads:   handle() and answer() on any executor; end_streams() any.
// Ownership: borrows its parts; outlives its coroutines.
// Blocking:  reads of the store run on the caller's thread, each bounded to a page.
// Limits:    Settings. A body is read only after its sender is known, but for POST /v1/tasks.
// Errors:    problem documents (RFC 9457), whose text is ours alone.
class Api {
 public:
  struct Parts {
    authority::Authority& authority;
    opening::Opener& opener;
    proof::Gate& gate;
    const Clock& clock;
  };
  explicit Api(Parts parts, Settings settings = {});
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // Whether a request path (no query) belongs here.
  static bool serves(std::string_view path);
  rt::Co<void> handle(net::Exchange& exchange);
  // The same without a connection: a request that was read whole. What streams is refused.
  rt::Co<http::Response> answer(http::RequestHead head, http::Peer peer, std::string body);

  // Gauges and counters of the feed, for /metrics. Threads: any.
  Source metrics() const;

  // Ends every stream, and refuses new ones: the first step of a drain.
  void end_streams();

  static const std::vector<RouteInfo>& routes();
  static std::string_view openapi();  // schema/openapi.json

 private:
  std::unique_ptr<Core> core_;
};

}  // namespace stint::api
