#pragma once

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "stint/net/server.h"
#include "stint/rt/runtime.h"
#include "tls_state.h"
#include "wire.h"

namespace stint::net {

// What one context of the runtime serves. Touched on its thread only.
struct Shard {
  explicit Shard(boost::asio::io_context& c, std::chrono::milliseconds tick)
      : context(c), ticker(std::make_shared<Ticker>(c, tick)) {}

  // "Date: …\r\n" (RFC 9110 section 6.6.1), formatted at most once a tick.
  std::string_view date_line(const Clock& clock);

  boost::asio::io_context& context;
  std::shared_ptr<Ticker> ticker;
  std::unordered_set<Connection*> connections;
  std::string date;
  std::uint64_t date_tick = 0;
  std::int64_t date_second = -1;
};

using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol,
                                                    boost::asio::io_context::executor_type>;

struct Listener {
  explicit Listener(boost::asio::io_context& context) : acceptor(context) {}
  Acceptor acceptor;
  std::shared_ptr<TlsServerState> tls;
  std::string unix_path;
};

struct ServerCore : std::enable_shared_from_this<ServerCore> {
  ServerCore(rt::Runtime& r, const Clock& c, Server::Handler h, ServerLimits l);

  Status listen(std::shared_ptr<Listener> listener, boost::asio::generic::stream_protocol protocol,
                const boost::asio::generic::stream_protocol::endpoint& endpoint);
  static rt::Co<void> accept_loop(std::shared_ptr<ServerCore> core,
                                  std::shared_ptr<Listener> listener);
  void close_listeners();
  // Runs on every shard's thread, and waits for it.
  void on_every_shard(const std::function<void(Shard&)>& work);

  // Counts a connection in, or says with what it is turned away ("" : welcome).
  std::string_view admit(const std::string& ip);
  void left(const std::string& ip);
  bool wait_empty(std::chrono::milliseconds patience);

  rt::Runtime& runtime;
  const Clock& clock;
  Server::Handler handler;
  ServerLimits limits;
  std::vector<std::unique_ptr<Shard>> shards;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::size_t next_shard = 0;
  std::atomic<bool> draining{false};

  std::mutex mutex;  // guards what follows
  std::condition_variable empty;
  std::size_t connections = 0;
  std::map<std::string, std::size_t> per_ip;

  std::atomic<std::size_t> requests{0};
  std::atomic<std::uint64_t> accepted{0}, handled{0}, refused_heads{0}, overloaded{0}, timed_out{0},
      aborted{0};
};

}  // namespace stint::net
