#include "stint/net/client.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "client_core.h"
#include "stint/codec/url.h"
#include "stint/rt/callback.h"
#include "stint/rt/cancel.h"

namespace stint::net {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Endpoints = std::vector<asio::generic::stream_protocol::endpoint>;

namespace {

std::chrono::milliseconds tick_for(const ClientLimits& l) {
  const auto least = std::min({l.connect, l.read_time, l.write_time, l.idle});
  return std::clamp(least / 8, std::chrono::milliseconds(2), std::chrono::milliseconds(20));
}

std::string pool_key(const Origin& o) {
  static constexpr char kKind[] = {'h', 's', 'u'};
  return kKind[static_cast<int>(o.kind)] + std::to_string(o.port) + ' ' + o.host;
}

bool is_ours(std::string_view name) {
  return http::iequal(name, "content-length") || http::iequal(name, "transfer-encoding") ||
         http::iequal(name, "connection") || http::iequal(name, "upgrade") ||
         http::iequal(name, "keep-alive") || http::iequal(name, "te") ||
         http::iequal(name, "trailer");
}

// The request as it goes on the wire. Its words are checked once more here: what is forwarded may
// have been put together from several sources since it was read.
Result<std::string> serialise(const Origin& origin, const http::RequestHead& head,
                              const http::Framing& body) {
  if (!http::is_token(head.method) || head.method == "CONNECT")
    return fail(Errc::kMalformed, "request method");
  if (head.target.empty() || head.target.front() != '/' ||
      !std::ranges::all_of(head.target, [](char c) { return c > 0x20 && c < 0x7f; }))
    return fail(Errc::kMalformed, "request target");
  std::string out;
  out.reserve(512);
  out += head.method;
  out += ' ';
  out += head.target;
  out += " HTTP/1.1\r\n";
  const std::size_t hosts = head.headers.count("host");
  if (hosts > 1) return fail(Errc::kMalformed, "request host");
  if (hosts == 0) {
    const std::string authority = origin.authority();
    if (!http::is_field_value(authority)) return fail(Errc::kMalformed, "request host");
    out += "Host: ";
    out += authority;
    out += "\r\n";
  }
  for (const auto& field : head.headers) {
    if (is_ours(field.name)) return fail(Errc::kMalformed, "request framing header");
    if (!http::is_token(field.name) || !http::is_field_value(field.value))
      return fail(Errc::kMalformed, "request header");
    out += field.name;
    out += ": ";
    out += field.value;
    out += "\r\n";
  }
  switch (body.kind) {
    case http::Framing::Kind::kNone:
      break;
    case http::Framing::Kind::kLength:
      out += "Content-Length: " + std::to_string(body.length) + "\r\n";
      break;
    case http::Framing::Kind::kChunked:
      out += "Transfer-Encoding: chunked\r\n";
      break;
    case http::Framing::Kind::kUntilClose:
      return fail(Errc::kMalformed, "request framing");
  }
  out += "\r\n";
  return out;
}

rt::Co<Result<Endpoints>> resolve(asio::io_context& context, Origin origin) {
  Endpoints out;
  if (origin.kind == Origin::Kind::kUnix) {
    if (origin.host.empty() || origin.host.size() > 107)
      co_return fail(Errc::kMalformed, "socket path empty or too long");
    out.emplace_back(asio::local::stream_protocol::endpoint(origin.host));
    co_return out;
  }
  error_code ec;
  if (const auto address = asio::ip::make_address(origin.host, ec); !ec) {
    out.emplace_back(tcp::endpoint(address, origin.port));
    co_return out;
  }
  // getaddrinfo cannot be cancelled: when the wait is, its answer comes to nobody.
  auto resolver = std::make_shared<tcp::resolver>(context);
  co_return co_await rt::from_callback<Endpoints>([&](rt::Completion<Endpoints> done) {
    resolver->async_resolve(
        origin.host, std::to_string(origin.port), tcp::resolver::numeric_service,
        [resolver, done = std::move(done)](error_code failed,
                                           const tcp::resolver::results_type& found) mutable {
          if (failed || found.empty()) {
            done(Result<Endpoints>(fail(Errc::kUnavailable, "upstream name not found")));
            return;
          }
          Endpoints all;
          for (const auto& entry : found) all.emplace_back(entry.endpoint());
          done(std::move(all));
        });
  });
}

}  // namespace

std::string Origin::authority() const {
  if (kind == Kind::kUnix) return "localhost";
  std::string out = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (port != (kind == Kind::kHttps ? 443 : 80)) out += ':' + std::to_string(port);
  return out;
}

Origin Origin::of(const codec::Url& url) {
  return {url.is_https() ? Kind::kHttps : Kind::kHttp, url.host, url.port};
}

Result<Origin> Origin::parse(std::string_view url) { return of(STINT_TRY(codec::parse_url(url))); }

ClientCore::ClientCore(const rt::Executor& executor, const Clock& c, TlsClient t, ClientLimits l)
    : context(executor.context()),
      clock(c),
      tls(std::move(t)),
      limits(l),
      ticker(std::make_shared<Ticker>(context, tick_for(l))) {}

// A handle whose end counts the connection out.
std::shared_ptr<Wire> ClientCore::count(std::shared_ptr<Wire> wire) {
  ++connections;
  ++connected;
  Wire* raw = wire.get();
  return {raw, [core = shared_from_this(), wire = std::move(wire)](Wire*) {
            --core->connections;
            wire->on_unasked = nullptr;
            wire->cut({Errc::kCancelled, "connection dropped"}, false);
          }};
}

rt::Co<Result<std::shared_ptr<Wire>>> ClientCore::connect_now(std::shared_ptr<ClientCore> core,
                                                              Origin origin) {
  const auto endpoints = STINT_CO_TRY(co_await resolve(core->context, origin));
  for (const auto& endpoint : endpoints) {
    Socket socket(core->context);
    const auto [ec] = co_await socket.async_connect(
        endpoint, asio::as_tuple(asio::use_awaitable_t<rt::Executor>()));
    if (ec) continue;
    error_code ignored;
    socket.non_blocking(true, ignored);
    if (origin.kind != Origin::Kind::kUnix) socket.set_option(tcp::no_delay(true), ignored);
    auto wire = core->count(std::make_shared<Wire>(
        std::move(socket), core->ticker, std::max<std::size_t>(core->limits.head.bytes * 2, 32768),
        core->limits.write_time));
    if (origin.kind == Origin::Kind::kHttps) {
      STINT_CO_TRY(co_await wire->handshake(
          core->tls.state()->context.get(), false, core->limits.connect,
          [host = origin.host](SSL* ssl) { return expect_host(ssl, host); }));
    }
    co_return wire;
  }
  co_return fail(Errc::kUnavailable, "upstream cannot be reached");
}

rt::Co<Result<std::shared_ptr<Wire>>> ClientCore::connect(std::shared_ptr<ClientCore> core,
                                                          Origin origin, rt::Deadline deadline,
                                                          rt::CancelToken cancel) {
  if (core->connections >= core->limits.connections) {
    // An idle one makes room before a request is turned away.
    if (core->idle_count == 0) co_return fail(Errc::kLimit, "too many upstream connections");
    for (auto& [key, wires] : core->idle) {
      if (wires.empty()) continue;
      wires.erase(wires.begin());
      --core->idle_count;
      break;
    }
  }
  const auto bound = deadline.min(rt::Deadline(core->clock.mono() + core->limits.connect));
  co_return co_await rt::with_limits(connect_now(core, std::move(origin)), bound,
                                     std::move(cancel));
}

std::shared_ptr<Wire> ClientCore::take(const std::string& key, bool probe) {
  const auto found = idle.find(key);
  if (found == idle.end()) return nullptr;
  while (!found->second.empty()) {
    auto wire = std::move(found->second.back());
    found->second.pop_back();
    --idle_count;
    wire->on_unasked = nullptr;
    if (wire->ended() || wire->broken() || !wire->buffered().empty()) continue;
    if (probe) {
      char byte;
      const auto n =
          ::recv(wire->socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) continue;
    }
    ++reused;
    return wire;
  }
  return nullptr;
}

void ClientCore::give(const std::string& key, std::shared_ptr<Wire> wire) {
  auto& wires = idle[key];
  if (closed || wires.size() >= limits.idle_per_origin) return;  // dropped: closed
  wire->shrink();
  wire->set_hard_limit(ticker->after(limits.idle));
  // Whatever comes now was not asked for: the end, or bytes that must not answer a later request.
  wire->on_unasked = [weak = weak_from_this(), key, raw = wire.get()] {
    const auto core = weak.lock();
    if (!core) return;
    auto& pool = core->idle[key];
    const auto found = std::ranges::find_if(pool, [raw](const auto& w) { return w.get() == raw; });
    if (found == pool.end()) return;
    const auto gone = std::move(*found);
    pool.erase(found);
    --core->idle_count;
  };
  wire->read_ahead();
  wires.push_back(std::move(wire));
  ++idle_count;
}

void ClientCore::close() {
  closed = true;
  idle_count = 0;
  auto all = std::move(idle);
  idle.clear();
}

Result<std::shared_ptr<ClientCall>> ClientCore::begin(const Origin& origin, http::RequestHead head,
                                                      http::Framing body, CallBounds bounds) {
  auto call = std::make_shared<ClientCall>();
  call->out = STINT_TRY(serialise(origin, head, body));
  call->core = shared_from_this();
  call->key = pool_key(origin);
  call->origin = origin;
  call->method = std::move(head.method);
  call->body = body;
  call->body_left = body.length;
  call->body_done = body.kind == http::Framing::Kind::kNone ||
                    (body.kind == http::Framing::Kind::kLength && body.length == 0);
  call->replayable = call->body_done &&
                     (call->method == "GET" || call->method == "HEAD" || call->method == "OPTIONS");
  call->bounds = bounds;
  return call;
}

Client::Client(rt::Executor executor, const Clock& clock, TlsClient tls, ClientLimits limits)
    : core_(std::make_shared<ClientCore>(executor, clock, std::move(tls), limits)) {}

Client::~Client() { core_->close(); }

Result<ClientExchange> Client::begin(const Origin& origin, http::RequestHead head,
                                     http::Framing body, CallBounds bounds) {
  return ClientExchange(STINT_TRY(core_->begin(origin, std::move(head), body, bounds)));
}

rt::Co<Result<ClientExchange>> Client::open(Origin origin, http::RequestHead head,
                                            http::Framing body, rt::Deadline deadline) {
  auto exchange = begin(origin, std::move(head), body, {.deadline = deadline, .quiet = {}});
  if (!exchange) co_return fail(exchange.error());
  STINT_CO_TRY(co_await exchange->send_head());
  co_return *std::move(exchange);
}

Client::Stats Client::stats() const {
  return {core_->connections, core_->idle_count, core_->connected, core_->reused, core_->retried};
}

}  // namespace stint::net
