#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stint/base/clock.h"
#include "stint/base/error.h"
#include "stint/codec/url.h"
#include "stint/http/check.h"
#include "stint/http/message.h"
#include "stint/net/tls.h"
#include "stint/rt/co.h"
#include "stint/rt/deadline.h"

namespace stint::net {

struct ClientCall;  // private
struct ClientCore;

// Where a request goes: what an operator or a user wrote, never what a response said.
struct Origin {
  enum class Kind : std::uint8_t { kHttp, kHttps, kUnix };
  Kind kind = Kind::kHttp;
  std::string host;  // name or address (IPv6 without brackets); for kUnix the path of the socket
  std::uint16_t port = 0;
  // What Host says: "host", or "host:port" where the port is not the scheme's; "localhost" for
  // unix.
  std::string authority() const;
  bool operator==(const Origin&) const = default;

  static Origin of(const codec::Url& url);
  // "http(s)://host[:port]" with an empty path or more; the rest is ignored. kMalformed.
  static Result<Origin> parse(std::string_view url);
};

struct ClientLimits {
  http::HeadLimits head;
  std::chrono::milliseconds connect{5'000};      // resolve, connect and handshake
  std::chrono::milliseconds idle{30'000};        // a pooled connection unused
  std::chrono::milliseconds read_time{60'000};   // one read without a byte, the head's included
  std::chrono::milliseconds write_time{30'000};  // one write without progress
  std::size_t idle_per_origin = 32;
  std::size_t connections = 1'000;         // open at once; beyond: kLimit
  std::size_t interim = 8;                 // 1xx responses before the final one
  std::size_t chunk_overhead = 64 * 1024;  // chunk extensions and trailers of one body
};

// What bounds one exchange, beside the client's own limits.
struct CallBounds {
  rt::Deadline deadline = rt::Deadline::never();  // of the whole of it, its body included
  std::chrono::milliseconds quiet{0};             // see ClientExchange::be_quiet_at_most()
};

// One request at an upstream. Destroying it early closes its connection; read to the end it goes
// back to the pool. For the client's executor; abort_handle()'s product is for any thread.
//
// Back-pressure: write() returns when the socket took the bytes; nothing is read ahead beyond one
// buffer (twice the head's limit, 32 KiB at least).
// Errors: kTimeout, kCancelled (aborted), kUnavailable (cannot be reached), kUnauthenticated (TLS),
// kIo (connection lost, truncated body), kMalformed, kTooLarge, kLimit, kUnsupported: framing that
// is ambiguous is refused, never guessed.
class ClientExchange {
 public:
  ClientExchange(ClientExchange&&) noexcept;
  ClientExchange& operator=(ClientExchange&&) noexcept;
  ~ClientExchange();

  // Connects, or takes a pooled connection, and sends the head. Once, before everything else.
  rt::Co<Status> send_head();
  // How long the upstream may leave us without a byte when it is its turn: from the end of the
  // request, and between two pieces of the response. 0: the client's read_time.
  void be_quiet_at_most(std::chrono::milliseconds quiet);

  // The request body, framed as open() was told. finish() says that it is complete; without a body
  // neither is needed. An upstream may answer before the body is sent: head() may be awaited
  // meanwhile by another coroutine.
  rt::Co<Status> write(std::string_view bytes);
  rt::Co<Status> finish();

  // The final response head; 1xx are passed over. Once.
  rt::Co<Result<http::ResponseHead>> head();
  // How the response's body ends, after head().
  http::Framing framing() const;
  // The next bytes of the body; empty: the end. They die with the next read, and with *this.
  rt::Co<Result<std::string_view>> read_piece();
  rt::Co<Result<std::string>> read_body(std::size_t limit);  // kTooLarge

  bool reused_connection() const;
  bool past_deadline() const;  // which of the bounds a kTimeout was
  void abort();  // cuts the connection; present and later operations fail with kCancelled

  class Abort {
   public:
    Abort() = default;
    void abort() const;  // any thread; nothing once the exchange is over

   private:
    friend class ClientExchange;
    std::weak_ptr<ClientCall> call_;
  };
  Abort abort_handle() const;

 private:
  friend class Client;
  explicit ClientExchange(std::shared_ptr<ClientCall> call);
  std::shared_ptr<ClientCall> call_;
};

// Keep-alive HTTP/1.1 client for one executor: make one per context. Verifies TLS, follows no
// redirect, sends no header of its own but Host (when absent), Content-Length, Transfer-Encoding.
//
// Retry: once, on a fresh connection, when a pooled one turns out to be closed before a byte of a
// response came, and only for a request without body and with a safe method (GET, HEAD, OPTIONS).
// Threads: its executor's. Ownership: exchanges may outlive it.
class Client {
 public:
  Client(rt::Executor executor, const Clock& clock, TlsClient tls, ClientLimits limits = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // An exchange that can be aborted from now on, of which nothing is sent yet. `body` says how the
  // request body is framed: kNone, kLength (0: "Content-Length: 0") or kChunked. Content-Length,
  // Transfer-Encoding and Connection in `head` are refused: kMalformed.
  Result<ClientExchange> begin(const Origin& origin, http::RequestHead head, http::Framing body,
                               CallBounds bounds);
  // begin() and send_head().
  rt::Co<Result<ClientExchange>> open(Origin origin, http::RequestHead head, http::Framing body,
                                      rt::Deadline deadline);

  struct Stats {
    std::size_t open = 0, idle = 0;
    std::uint64_t connected = 0, reused = 0, retried = 0;
  };
  Stats stats() const;

 private:
  std::shared_ptr<ClientCore> core_;
};

// A whole request in one call, for tools and discovery: its own connection, closed afterwards.
struct SimpleLimits {
  std::chrono::milliseconds total{30'000};
  std::size_t response_bytes = 4 * 1024 * 1024;
  ClientLimits client;
};
struct SimpleRequest {
  std::string method = "GET";
  std::string url;          // http(s)://…, path and query as they go on the wire; no fragment
  std::string unix_socket;  // when set, connects there; the url still gives Host and target
  http::Headers headers;    // without framing headers; Host only to override
  std::string body;         // sent with Content-Length when not empty or for POST, PUT, PATCH
};
rt::Co<Result<http::Response>> fetch(const Clock& clock, SimpleRequest request, TlsClient tls,
                                     SimpleLimits limits = {});
// The same from a thread without a loop. Blocks.
Result<http::Response> simple_request(const Clock& clock, SimpleRequest request, TlsClient tls,
                                      SimpleLimits limits = {});

}  // namespace stint::net
