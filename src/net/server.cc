#include "stint/net/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <future>

#include "connection.h"
#include "fixed_replies.h"
#include "server_core.h"
#include "stint/base/log.h"

namespace stint::net {
namespace asio = boost::asio;
using boost::system::error_code;
using Generic = asio::generic::stream_protocol;

namespace {

// A tick is an eighth of the shortest timeout: fine enough to hold it, coarse enough to be free.
std::chrono::milliseconds tick_for(const ServerLimits& l) {
  const auto least = std::min({l.handshake, l.head_time, l.idle, l.body_time, l.write_time});
  return std::clamp(least / 8, std::chrono::milliseconds(2), std::chrono::milliseconds(250));
}

http::Peer peer_of(Socket& socket, bool tls) {
  http::Peer peer;
  peer.tls = tls;
  error_code ec;
  const auto remote = socket.remote_endpoint(ec);
  const int family = ec ? AF_UNSPEC : remote.protocol().family();
  if (family == AF_INET || family == AF_INET6) {
    asio::ip::tcp::endpoint endpoint;
    std::memcpy(endpoint.data(), remote.data(), std::min(remote.size(), endpoint.capacity()));
    const auto address = endpoint.address();
    peer.ip = address.is_v6() && address.to_v6().is_v4_mapped()
                  ? asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string()
                  : address.to_string();
    peer.port = endpoint.port();
  } else {
    ucred creds{};
    socklen_t size = sizeof creds;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &creds, &size) == 0)
      peer.unix_credentials = http::UnixCredentials{creds.uid, creds.gid, creds.pid};
  }
  return peer;
}

}  // namespace

std::string_view Shard::date_line(const Clock& clock) {
  if (date_tick == ticker->now()) return date;
  date_tick = ticker->now();
  const std::int64_t second = unix_seconds(clock.wall());
  if (second == date_second) return date;
  date_second = second;
  const auto t = static_cast<std::time_t>(second);
  std::tm parts{};
  gmtime_r(&t, &parts);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char line[64];
  const int n = std::snprintf(line, sizeof line, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                              kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon],
                              parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  date.assign(line, static_cast<std::size_t>(n));
  return date;
}

ServerCore::ServerCore(rt::Runtime& r, const Clock& c, Server::Handler h, ServerLimits l)
    : runtime(r), clock(c), handler(std::move(h)), limits(l) {
  for (int i = 0; i < runtime.size(); ++i)
    shards.push_back(std::make_unique<Shard>(runtime.context(i), tick_for(limits)));
}

std::string_view ServerCore::admit(const std::string& ip) {
  const std::scoped_lock lock(mutex);
  if (draining || connections >= limits.connections) return fixed::kFull;
  if (!ip.empty()) {
    std::size_t& n = per_ip[ip];
    if (n >= limits.per_ip) return fixed::kTooManyFromOne;
    ++n;
  }
  ++connections;
  return {};
}

void ServerCore::left(const std::string& ip) {
  const std::scoped_lock lock(mutex);
  if (!ip.empty()) {
    const auto found = per_ip.find(ip);
    if (found != per_ip.end() && --found->second == 0) per_ip.erase(found);
  }
  if (--connections == 0) empty.notify_all();
}

bool ServerCore::wait_empty(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex);
  return empty.wait_for(lock, patience, [this] { return connections == 0; });
}

Status ServerCore::listen(std::shared_ptr<Listener> listener, Generic protocol,
                          const Generic::endpoint& endpoint) {
  error_code ec;
  Acceptor& acceptor = listener->acceptor;
  acceptor.open(protocol, ec);
  if (ec) return fail(Errc::kIo, "listener cannot be opened");
  // Who is started by us must not go on listening in our place.
  if (::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC) != 0)
    return fail(Errc::kIo, "listener cannot be kept to this process");
  if (protocol.family() != AF_UNIX) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  acceptor.bind(endpoint, ec);
  if (ec == asio::error::address_in_use) return fail(Errc::kConflict, "address in use");
  if (ec) return fail(Errc::kIo, "listener cannot be bound");
  return {};
}

rt::Co<void> ServerCore::accept_loop(std::shared_ptr<ServerCore> core,
                                     std::shared_ptr<Listener> listener) {
  for (;;) {
    Shard& shard = *core->shards[core->next_shard++ % core->shards.size()];
    Socket socket(shard.context);
    const auto [ec] = co_await listener->acceptor.async_accept(
        socket, asio::as_tuple(asio::use_awaitable_t<rt::Executor>()));
    if (!listener->acceptor.is_open() || ec == asio::error::operation_aborted) co_return;
    if (ec) {
      // Out of descriptors, or the client left already: others may be served meanwhile.
      co_await rt::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    core->accepted.fetch_add(1, std::memory_order_relaxed);
    if (listener->unix_path.empty()) {
      error_code ignored;
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    }
    http::Peer peer = peer_of(socket, listener->tls != nullptr);
    if (const auto refusal = core->admit(peer.ip); !refusal.empty()) {
      core->overloaded.fetch_add(1, std::memory_order_relaxed);
      if (!listener->tls)
        (void)::send(socket.native_handle(), refusal.data(), refusal.size(),
                     MSG_NOSIGNAL | MSG_DONTWAIT);
      continue;
    }
    asio::post(shard.context, [core, &shard, socket = std::move(socket), peer = std::move(peer),
                               tls = listener->tls]() mutable {
      error_code ignored;
      socket.non_blocking(true, ignored);
      auto wire = std::make_shared<Wire>(std::move(socket), shard.ticker,
                                         std::max<std::size_t>(core->limits.head.bytes * 2, 65536),
                                         core->limits.write_time);
      auto connection = std::make_shared<Connection>(core, shard, std::move(wire), std::move(peer));
      if (core->draining) connection->drain();
      rt::spawn(shard.context.get_executor(), Connection::run(std::move(connection), tls));
    });
  }
}

void ServerCore::on_every_shard(const std::function<void(Shard&)>& work) {
  for (auto& shard : shards) {
    if (!runtime.running()) {
      work(*shard);
      continue;
    }
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    asio::post(shard->context, [&work, &shard, done] {
      work(*shard);
      done->set_value();
    });
    future.wait();
  }
}

void ServerCore::close_listeners() {
  const auto first = shards.front().get();
  on_every_shard([this, first](Shard& shard) {
    if (&shard != first) return;
    for (const auto& listener : listeners) {
      error_code ignored;
      listener->acceptor.close(ignored);
      if (!listener->unix_path.empty()) ::unlink(listener->unix_path.c_str());
    }
    listeners.clear();
  });
}

// --- Server

Server::Server(rt::Runtime& runtime, const Clock& clock, Handler handler, ServerLimits limits)
    : core_(std::make_shared<ServerCore>(runtime, clock, std::move(handler), limits)) {}

Server::~Server() {
  try {
    stop();
  } catch (...) {
    std::terminate();  // no memory to stop in: what still runs borrows from us
  }
}

Result<std::uint16_t> Server::listen_tcp(const std::string& address, std::uint16_t port,
                                         std::optional<TlsServer> tls) {
  error_code ec;
  const auto ip = asio::ip::make_address(address, ec);
  if (ec) return fail(Errc::kMalformed, "listen address is not numeric");
  auto listener = std::make_shared<Listener>(core_->shards.front()->context);
  if (tls) listener->tls = tls->state();
  const asio::ip::tcp::endpoint endpoint(ip, port);
  STINT_TRY(core_->listen(listener, Generic(endpoint.protocol()), Generic::endpoint(endpoint)));
  listener->acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return fail(Errc::kIo, "listener cannot listen");
  asio::ip::tcp::endpoint bound;
  const auto local = listener->acceptor.local_endpoint(ec);
  if (ec) return fail(Errc::kIo, "listener has no address");
  std::memcpy(bound.data(), local.data(), std::min(local.size(), bound.capacity()));
  core_->listeners.push_back(listener);
  rt::spawn(core_->shards.front()->context.get_executor(),
            ServerCore::accept_loop(core_, listener));
  return bound.port();
}

Status Server::listen_unix(const std::string& path, unsigned mode) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
    return fail(Errc::kMalformed, "socket path empty or too long");
  struct stat file{};
  if (::lstat(path.c_str(), &file) == 0) {
    if (!S_ISSOCK(file.st_mode)) return fail(Errc::kConflict, "socket path is another file");
    // Dead when nobody accepts on it; then, and only then, it may go.
    asio::local::stream_protocol::socket probe(core_->shards.front()->context);
    error_code ec;
    probe.connect(asio::local::stream_protocol::endpoint(path), ec);
    if (!ec) return fail(Errc::kConflict, "address in use");
    ::unlink(path.c_str());
  }
  auto listener = std::make_shared<Listener>(core_->shards.front()->context);
  listener->unix_path = path;
  const asio::local::stream_protocol::endpoint endpoint(path);
  STINT_TRY(core_->listen(listener, Generic(endpoint.protocol()), Generic::endpoint(endpoint)));
  // Nobody can connect before listen(), so the mode is in place before the first client.
  if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0)
    return fail(Errc::kIo, "socket mode cannot be set");
  error_code ec;
  listener->acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return fail(Errc::kIo, "listener cannot listen");
  core_->listeners.push_back(listener);
  rt::spawn(core_->shards.front()->context.get_executor(),
            ServerCore::accept_loop(core_, listener));
  return {};
}

bool Server::drain(std::chrono::milliseconds patience) {
  core_->draining = true;
  core_->close_listeners();
  core_->on_every_shard([](Shard& shard) {
    for (Connection* connection : shard.connections) connection->drain();
  });
  return core_->wait_empty(patience);
}

void Server::stop() {
  core_->draining = true;
  core_->close_listeners();
  while (core_->runtime.running()) {
    core_->on_every_shard([](Shard& shard) {
      for (Connection* connection : shard.connections)
        connection->cut({Errc::kCancelled, "server stopped"});
    });
    // Again: a connection may have been on its way to its shard.
    if (core_->wait_empty(std::chrono::milliseconds(50))) break;
  }
  // The loops ended before us: what is left runs to its end here. Destroyed with the contexts, it
  // would reach for timers and sockets whose services are gone.
  for (int round = 0; round < 100 && !core_->runtime.running(); ++round) {
    if (core_->wait_empty(std::chrono::milliseconds(0))) break;
    for (const auto& shard : core_->shards) {
      for (Connection* connection : shard->connections)
        connection->cut({Errc::kCancelled, "server stopped"});
      shard->context.restart();
      shard->context.poll();
    }
  }
}

ServerStats Server::stats() const {
  ServerStats s;
  {
    const std::scoped_lock lock(core_->mutex);
    s.connections = core_->connections;
  }
  s.requests = core_->requests;
  s.accepted = core_->accepted;
  s.handled = core_->handled;
  s.refused_heads = core_->refused_heads;
  s.overloaded = core_->overloaded;
  s.timed_out = core_->timed_out;
  s.aborted = core_->aborted;
  return s;
}

}  // namespace stint::net
