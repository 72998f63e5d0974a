#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/http/check.h"
#include "stint/http/message.h"
#include "stint/net/tls.h"
#include "stint/rt/cancel.h"
#include "stint/rt/co.h"
#include "stint/rt/deadline.h"

namespace stint::rt {
class Runtime;
}

namespace stint::net {

class Connection;  // private

struct ServerLimits {
  http::HeadLimits head;
  std::chrono::milliseconds handshake{10'000};    // TLS
  std::chrono::milliseconds head_time{10'000};    // first byte of a head to its end
  std::chrono::milliseconds idle{60'000};         // between requests
  std::chrono::milliseconds body_time{30'000};    // one body read without a byte
  std::chrono::milliseconds write_time{30'000};   // one write without progress
  std::chrono::milliseconds whole_body{300'000};  // a request body from first to last byte
  std::size_t connections = 10'000;               // beyond: 503, closed
  std::size_t per_ip = 1'000;                     // beyond: 429, closed; unix sockets do not count
  std::size_t requests = 20'000;                  // in progress at once; beyond: 503, kept open
  std::size_t swallow = 64 * 1024;                // unread body read away to keep a connection
  std::size_t chunk_overhead = 16 * 1024;         // chunk extensions and trailers of one body
};

struct ServerStats {
  std::size_t connections = 0, requests = 0;  // now
  std::uint64_t accepted = 0, handled = 0;    // handler calls
  std::uint64_t refused_heads = 0, overloaded = 0, timed_out = 0, aborted = 0;
};

// Cuts one exchange from anywhere: the client sees the connection reset, the handler's present and
// later operations fail with kCancelled. Does nothing once that exchange is over, also when its
// connection serves another. Copyable; may outlive the server's objects, not its Runtime.
// Threads: any. Never blocks.
class AbortHandle {
 public:
  AbortHandle() = default;  // cuts nothing
  void abort() const;

 private:
  friend class Exchange;
  std::weak_ptr<Connection> connection_;
  std::uint64_t exchange_ = 0;
};

// One request and the way to answer it. Lives while the handler runs; everything but
// abort_handle()'s product is for the exchange's executor.
//
// The handler reads the body (or leaves it: up to `swallow` bytes are read away, else the
// connection closes) and answers once: respond(), or start() write()… finish(). A handler that
// returns without answering gives a 500; one that returns between start() and finish() cuts the
// connection, so that the client sees the truncation.
//
// Back-pressure: nothing is buffered beyond one read of at most 64 KiB; write() returns when the
// socket took the bytes. Reading and writing may overlap from two coroutines.
// Errors: kCancelled (aborted, or the client is gone), kTimeout, kTooLarge, kMalformed (the
// client's chunks, or headers of ours that cannot be sent), kConflict (answered already, wrong
// order).
class Exchange {
 public:
  explicit Exchange(Connection& connection) : connection_(&connection) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Passed http::check_head(); the target is raw: http::parse_target() judges it.
  const http::RequestHead& head() const;
  http::RequestHead take_head();  // leaves head() empty
  const http::Peer& peer() const;
  rt::Executor executor() const;

  http::Framing framing() const;  // kNone, kLength, kChunked
  bool has_body() const;

  // The whole body, or kTooLarge as soon as it is known to exceed `limit`.
  rt::Co<Result<std::string>> read_body(std::size_t limit);
  // The next bytes, decoded from chunks, at most `most`; empty: the end. They die with the next
  // read. Sends 100 Continue first where it is awaited.
  // They die with gone(), too.
  rt::Co<Result<std::string_view>> read_piece(std::size_t most = std::string_view::npos);

  // Connection, Date, Content-Length and Transfer-Encoding are ours; give none of them, except that
  // a Content-Length given to start() is kept and enforced (without one: chunked).
  rt::Co<Status> respond(http::Response response);
  // A response that was serialised before: status line, fields, an empty line, body; framed by its
  // own Content-Length. Sent as it is (no Date; no body after HEAD must be seen to by the caller).
  rt::Co<Status> respond_raw(std::string_view bytes);
  // start() only prepares the head: it travels with the first write(), finish() or flush().
  rt::Co<Status> start(http::ResponseHead head);
  rt::Co<Status> flush();
  rt::Co<Status> write(std::string_view bytes);
  rt::Co<Status> finish();
  bool started() const;   // a final response has begun
  bool finished() const;  // and was sent whole
  // The connection ends after this exchange. Before respond() or start().
  void close_after();

  // Breaks the exchange off at `deadline`, wherever it is. For an answer that has begun.
  void end_by(rt::Deadline deadline);
  void abort();
  AbortHandle abort_handle() const;
  // Cancelled when the client went away (closed its side or reset), on abort() and on stop(). From
  // the first call on, the client is watched while the handler waits for something else. A client
  // that only closed its sending side can still be answered.
  rt::CancelToken gone();

 private:
  Connection* connection_;
};

// An HTTP/1.1 server. Requests that http::check_head() refuses are answered 400, 405, 431 or
// 501 with a fixed text and the connection closes; the handler never sees them.
//
// Threads:   listen(), drain(), stop() from one thread, not a loop's; stats() any.
// Ownership: borrows `runtime` and `clock`; destroy it after stop() and before the Runtime's loops
//            end, or after Runtime::stop().
// Limits:    ServerLimits; memory per connection: one head, one read buffer of 64 KiB at most.
class Server {
 public:
  // Runs on one of the runtime's executors; connections are dealt out in turn.
  using Handler = std::function<rt::Co<void>(Exchange&)>;

  Server(rt::Runtime& runtime, const Clock& clock, Handler handler, ServerLimits limits = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Numeric address; port 0 picks one. Returns the port. kIo, kMalformed, kConflict (in use).
  Result<std::uint16_t> listen_tcp(const std::string& address, std::uint16_t port,
                                   std::optional<TlsServer> tls = std::nullopt);
  // A socket file of that mode. A dead socket file is replaced, a live one is kConflict. Removed
  // by stop().
  Status listen_unix(const std::string& path, unsigned mode = 0600);

  // Stops accepting, closes idle connections, lets exchanges end with `Connection: close`. Returns
  // true when none is left within `patience`. Blocks.
  bool drain(std::chrono::milliseconds patience);
  // Cuts everything and waits until the last handler returned (they see kCancelled). Blocks.
  // Idempotent.
  void stop();

  ServerStats stats() const;

 private:
  std::shared_ptr<struct ServerCore> core_;
};

}  // namespace stint::net
