#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "stint/testkit/temp_dir.h"

namespace stint::store {

// Stands between a store and its server and cuts connections at a place of the protocol: what a
// network does, when it wants to be unkind. Reads the client's side message by message (PostgreSQL
// protocol 3.0, message formats: Parse, Bind).
//
// Threads: one of its own; the setters from any.
class PostgresProxy {
 public:
  enum class Cut : std::uint8_t {
    kNowhere,
    kBeforeCommit,  // the server never hears of the COMMIT
    kAfterCommit,   // it has carried it out, and nobody hears of that
  };

  explicit PostgresProxy(const std::string& server_directory)
      : server_(server_directory + "/.s.PGSQL.5432") {
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un at = address(dir_.file(".s.PGSQL.5432"));
    bound_ = ::bind(listening_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
             ::listen(listening_, 64) == 0;
    thread_ = std::thread([this] { loop(); });
  }
  ~PostgresProxy() {
    stopping_ = true;
    thread_.join();
    ::close(listening_);
  }
  PostgresProxy(const PostgresProxy&) = delete;

  std::string url(const std::string& database) const {
    std::string host;
    for (const char c : dir_.path()) host += c == '/' ? std::string("%2F") : std::string(1, c);
    return "postgres://stint@" + host + "/" + database;
  }

  // At the next COMMIT, once. With `away` nobody gets through any more until return_to_service().
  void cut(Cut where, bool away = false) {
    away_after_ = away;
    where_ = where;
  }
  bool cut_done() const { return where_ == Cut::kNowhere; }
  void return_to_service() { away_ = false; }

 private:
  struct Link {
    int client = -1, server = -1;
    std::string from_client;        // not forwarded yet
    std::set<std::string> commits;  // prepared statements that are COMMIT
    bool started = false, over = false, deaf = false;
    std::string tail;  // of what the server said, to find its answer in
    ~Link() {
      ::close(client);
      ::close(server);
    }
  };

  static sockaddr_un address(const std::string& path) {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    std::strncpy(out.sun_path, path.c_str(), sizeof out.sun_path - 1);
    return out;
  }

  void loop() {
    if (!bound_) return;
    while (!stopping_) {
      std::vector<pollfd> fds{{.fd = listening_, .events = POLLIN, .revents = 0}};
      for (const auto& link : links_) {
        fds.push_back({.fd = link->client, .events = POLLIN, .revents = 0});
        fds.push_back({.fd = link->server, .events = POLLIN, .revents = 0});
      }
      if (::poll(fds.data(), fds.size(), 10) <= 0) continue;
      for (std::size_t i = 0; i < links_.size(); ++i) {
        if (fds[1 + 2 * i].revents != 0) client_says(*links_[i]);
        if (fds[2 + 2 * i].revents != 0) server_says(*links_[i]);
      }
      if (fds[0].revents != 0) accept();
      if (away_)
        for (const auto& link : links_) link->over = true;
      std::erase_if(links_, [](const auto& link) { return link->over; });
    }
  }

  void accept() {
    auto link = std::make_unique<Link>();
    link->client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (link->client < 0 || away_) return;
    link->server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un to = address(server_);
    if (::connect(link->server, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0)
      links_.push_back(std::move(link));
  }

  static bool forward(int to, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  static std::size_t length(std::string_view at) {
    std::array<unsigned char, 4> b;
    std::memcpy(b.data(), at.data(), b.size());
    return (std::size_t{b[0]} << 24) | (std::size_t{b[1]} << 16) | (std::size_t{b[2]} << 8) | b[3];
  }

  void client_says(Link& link) {
    std::array<char, 65536> buffer;
    const ssize_t n = ::recv(link.client, buffer.data(), buffer.size(), 0);
    if (n <= 0) return void(link.over = true);
    link.from_client.append(buffer.data(), static_cast<std::size_t>(n));
    while (!link.over) {
      const std::size_t head = link.started ? 1 : 0;  // the first message has no type
      if (link.from_client.size() < head + 4) return;
      const std::size_t size = head + length(std::string_view(link.from_client).substr(head));
      if (link.from_client.size() < size) return;
      const std::string message = link.from_client.substr(0, size);
      link.from_client.erase(0, size);
      if (link.started && is_commit(link, message)) reach(link);
      if (!link.over && !forward(link.server, message)) link.over = true;
      link.started = true;
    }
  }

  static bool is_commit(Link& link, const std::string& message) {
    const char* const first = message.c_str() + 5;
    const std::string name = first, second = first + name.size() + 1;
    if (message[0] == 'P' && second == "COMMIT") link.commits.insert(name);
    return message[0] == 'B' && link.commits.contains(second);
  }

  void reach(Link& link) {
    const Cut where = where_;
    if (where == Cut::kNowhere) return;
    (where == Cut::kBeforeCommit ? link.over : link.deaf) = true;
    if (link.over) done();
  }
  void done() {
    away_ = away_after_.load();
    where_ = Cut::kNowhere;
  }

  void server_says(Link& link) {
    std::array<char, 65536> buffer;
    const ssize_t n = ::recv(link.server, buffer.data(), buffer.size(), 0);
    if (n <= 0) return void(link.over = true);
    const std::string_view said(buffer.data(), static_cast<std::size_t>(n));
    if (!link.deaf) return void(link.over |= !forward(link.client, said));
    link.tail += said;
    constexpr std::string_view kDone("COMMIT\0", 7);
    if (link.tail.find(kDone) == std::string::npos) return;
    link.over = true;
    done();
  }

  testkit::TempDir dir_;
  const std::string server_;
  int listening_ = -1;
  bool bound_ = false;
  std::vector<std::unique_ptr<Link>> links_;
  std::atomic<Cut> where_{Cut::kNowhere};
  std::atomic<bool> away_{false}, away_after_{false}, stopping_{false};
  std::thread thread_;
};

}  // namespace stint::store
