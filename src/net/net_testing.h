#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "stint/base/clock.h"
#include "stint/net/server.h"
#include "stint/rt/runtime.h"

// Blocking sockets for tests: the other side of every conversation is plain POSIX, so that no bug
// can hide in both ends.
namespace stint::net::testing {

class Sock {
 public:
  explicit Sock(int fd) : fd_(fd) {
    const timeval limit{10, 0};  // a hang is a failure, not a wait
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  Sock(Sock&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  ~Sock() { close(); }

  static Sock tcp(std::uint16_t port, int receive_buffer = 0) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer > 0)
      ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return Sock(fd);
  }
  static Sock unix_path(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof to.sun_path - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return Sock(fd);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Up to `n` bytes; "" at the end or on a reset.
  std::string some(std::size_t n = 65536) {
    std::string out(n, '\0');
    const auto got = ::recv(fd_, out.data(), n, 0);
    last_errno = got < 0 ? errno : 0;
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
  }
  // Everything until `mark` was seen, or the end.
  std::string until(std::string_view mark) {
    std::string out;
    while (out.find(mark) == std::string::npos) {
      const auto more = some(1);
      if (more.empty()) break;
      out += more;
    }
    return out;
  }
  std::string all() {
    std::string out;
    for (;;) {
      const auto more = some();
      if (more.empty()) return out;
      out += more;
    }
  }
  // One response with a Content-Length.
  std::string response() {
    std::string out = until("\r\n\r\n");
    const auto at = out.find("Content-Length: ");
    if (at == std::string::npos) return out;
    std::size_t left = std::stoul(out.substr(at + 16));
    while (left > 0) {
      const auto more = some(left);
      if (more.empty()) break;
      out += more;
      left -= more.size();
    }
    return out;
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  int fd() const { return fd_; }
  int last_errno = 0;

 private:
  int fd_;
};

// A server that answers each connection with a script: what a hostile upstream would do.
class FakeUpstream {
 public:
  using Script = std::function<void(Sock&, int connection)>;
  explicit FakeUpstream(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    socklen_t size = sizeof at;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] {
      for (;;) {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        const int n = connections_++;
        workers_.emplace_back([this, fd, n] {
          Sock sock(fd);
          script_(sock, n);
        });
      }
    });
  }
  ~FakeUpstream() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (auto& w : workers_) w.join();
  }
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::vector<std::thread> workers_;
  std::thread acceptor_;
};

inline SystemClock& real_clock() {
  static SystemClock clock;
  return clock;
}

// A server under test on loopback.
struct Rig {
  explicit Rig(Server::Handler handler, ServerLimits limits = {}, int contexts = 2)
      : runtime(contexts), server(runtime, real_clock(), std::move(handler), limits) {
    runtime.start();
    const auto bound = server.listen_tcp("127.0.0.1", 0);
    EXPECT_TRUE(bound.has_value());
    port = bound.value_or(0);
  }
  ~Rig() { server.stop(); }
  Sock connect() const { return Sock::tcp(port); }
  // Sends, ends our side, returns all that comes back.
  std::string talk(std::string_view bytes) const {
    auto sock = connect();
    sock.send(bytes);
    sock.half_close();
    return sock.all();
  }

  rt::Runtime runtime;
  Server server;
  std::uint16_t port = 0;
};

inline bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 2000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

}  // namespace stint::net::testing
