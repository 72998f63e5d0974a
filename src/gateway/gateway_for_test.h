#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../net/net_testing.h"
#include "stint/gateway/gateway.h"
#include "stint/http/parse.h"
#include "stint/testkit/edge_fixture.h"

// The gateway on a real socket, a real authority behind it, and in front of a real HTTP server that
// stands for the upstream and remembers all that it saw.
namespace stint::gateway::testing {

using namespace std::chrono_literals;
using net::testing::eventually;
using net::testing::Sock;
using testkit::Edge;
using testkit::TestAgent;

struct Seen {
  std::string method, target, body;
  http::Headers headers;
  bool whole = false;  // the body came to its end
};

// What an upstream does with a request is a coroutine function over this.
class Upstream {
 public:
  using Script = rt::Co<void> (*)(net::Exchange&, Upstream&);

  Upstream()
      : server_(runtime_, net::testing::real_clock(),
                [this](net::Exchange& ex) { return serve(ex, *this); }) {
    runtime_.start();
    port_ = testkit::must_have(server_.listen_tcp("127.0.0.1", 0));
  }
  ~Upstream() { stop(); }
  void stop() { server_.stop(); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int calls() const { return calls_.load(); }
  Seen seen(std::size_t i = 0) const {
    const std::lock_guard lock(mutex_);
    return i < seen_.size() ? seen_[i] : Seen{};
  }

  // Set before the first request.
  Script script = plain;
  http::Response reply{.status = 200, .headers = {{"Content-Type", "text/plain"}}, .body = "hello"};
  rt::SharedEvent release;          // for scripts that wait
  rt::SharedEvent leave;            // and for one that stays after its answer
  std::atomic<bool> broken{false};  // a script's exchange was cut
  std::atomic<std::size_t> got{0};  // bytes of bodies

  static rt::Co<void> plain(net::Exchange& ex, Upstream& self) {
    auto body = co_await ex.read_body(1 << 24);
    self.note(ex, body.value_or(""), body.has_value());
    [[maybe_unused]] const auto sent = co_await ex.respond(self.reply);
  }
  void note(const net::Exchange& ex, std::string body, bool whole) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(
        {ex.head().method, ex.head().target, std::move(body), ex.head().headers, whole});
  }

 private:
  static rt::Co<void> serve(net::Exchange& ex, Upstream& self) {
    ++self.calls_;
    co_await self.script(ex, self);
  }
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::atomic<int> calls_{0};
  rt::Runtime runtime_{1};
  net::Server server_;
  std::uint16_t port_ = 0;
};

struct Answer {
  unsigned status = 0;
  http::Headers headers;
  std::string body;
  bool whole = false;  // ended as its framing says

  std::string header(std::string_view name) const {
    return std::string(headers.find(name).value_or(""));
  }
  json::Object json() const {
    auto parsed = json::parse_object(body);
    return parsed ? *std::move(parsed) : json::Object();
  }
  std::string member(std::string_view key) const {
    const auto object = json();
    const auto text = json::string_at(object, key);
    return text ? std::string(*text) : std::string();
  }
  std::string reason() const { return member("reason"); }
};

// Reads one response to its end; also one that is cut.
inline Answer read_answer(Sock& sock) {
  Answer out;
  const std::string block = sock.until("\r\n\r\n");
  auto head = http::parse_response_head(block);
  if (!head) return out;
  out.status = head->status;
  out.headers = std::move(head->headers);
  const auto exactly = [&](std::size_t n) {
    std::string bytes;
    while (bytes.size() < n) {
      const auto more = sock.some(n - bytes.size());
      if (more.empty()) break;
      bytes += more;
    }
    return bytes;
  };
  if (const auto length = out.headers.find("Content-Length")) {
    const std::size_t n = std::stoul(std::string(*length));
    out.body = exactly(n);
    out.whole = out.body.size() == n;
    return out;
  }
  while (out.headers.has("Transfer-Encoding")) {
    const std::string line = sock.until("\r\n");
    if (!line.ends_with("\r\n")) return out;
    const std::size_t n = std::stoul(line, nullptr, 16);
    const std::string piece = exactly(n + 2);
    if (piece.size() < n + 2) return out;
    if (n == 0) break;
    out.body += piece.substr(0, n);
  }
  out.whole = true;
  return out;
}

// A request of an agent that can still be spoilt. What is not set is made right when it is sent.
struct Ask {
  std::string method = "GET";
  std::string target = "/u/desk/tickets/7";
  std::optional<std::string> authorization, proof;  // "": leave the header out
  std::string extra;                                // header lines, with CRLF
  std::string body;
  bool chunked = false;
};

// Everything is public: rows of tables reach it through functions of their own.
class GatewayTest : public ::testing::Test {
 public:
  virtual std::string vfs() const { return {}; }
  virtual GatewayLimits limits() const { return {}; }
  virtual proof::GateLimits gate_limits() const { return {}; }
  virtual resource::Resources declared() const { return edge->declared(); }

  void SetUp() override {
    edge = std::make_unique<Edge>(vfs(), gate_limits());
    catch_up();
    edge->apply(resources());
    gateway = std::make_unique<Gateway>(
        Gateway::Parts{*edge->authority, edge->gate, *edge->opener, runtime, edge->clock},
        limits());
    server =
        std::make_unique<net::Server>(runtime, net::testing::real_clock(),
                                      [this](net::Exchange& ex) { return gateway->handle(ex); });
    runtime.start();
    port = testkit::must_have(server->listen_tcp("127.0.0.1", 0));
    desk = edge->open(edge->coder, desk_grants(), audience("desk"));
  }
  void TearDown() override {
    upstream.release.set();
    upstream.leave.set();
    upstream.stop();
    if (server) server->stop();
    runtime.stop();
  }

  // What is declared, with addresses of the fake upstream and the planted secret for the desk too.
  resource::Resources resources() const {
    resource::Resources r = declared();
    for (auto& u : r.upstreams) {
      u.url = upstream.url() + (u.name == "git" ? "/git" : "/api");
      if (u.name != "git")
        u.inject = resource::Injection{.credential = "git-password", .format = "Bearer {secret}"};
    }
    return r;
  }
  static std::vector<domain::Grant> desk_grants() {
    return {{.upstream = "desk",
             .actions = {"ticket.read", "ticket.reply", "ticket.export", "ticket.import"},
             .resources = {}}};
  }
  static std::string audience(std::string_view name) {
    return std::string(testkit::kGateway) + "/u/" + std::string(name);
  }

  // --- requests
  std::string proof(const Ask& ask, std::string_view token) {
    const std::string path = ask.target.substr(0, ask.target.find('?'));
    return edge->proof(key(), ask.method, std::string(testkit::kGateway) + path, token);
  }
  const crypto::PrivateKey& key() const { return edge->coder.dpop; }
  std::string bytes(const Ask& ask, std::string_view token) {
    std::string out = ask.method + " " + ask.target + " HTTP/1.1\r\nHost: gateway.test\r\n";
    const std::string authorization = ask.authorization.value_or("DPoP " + std::string(token));
    if (!authorization.empty()) out += "Authorization: " + authorization + "\r\n";
    const std::string given = ask.proof ? *ask.proof : proof(ask, token);
    if (!given.empty()) out += "DPoP: " + given + "\r\n";
    out += ask.extra;
    if (ask.chunked) {
      out += "Transfer-Encoding: chunked\r\n\r\n";
    } else if (!ask.body.empty() || ask.method == "POST") {
      out += "Content-Length: " + std::to_string(ask.body.size()) + "\r\n\r\n" + ask.body;
    } else {
      out += "\r\n";
    }
    return out;
  }
  Answer send(const Ask& ask) { return send(ask, desk->token->token); }
  Answer send(const Ask& ask, std::string_view token) {
    Sock sock = Sock::tcp(port);
    std::string all = bytes(ask, token);
    if (ask.chunked) {
      if (!ask.body.empty()) {
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", ask.body.size());
        all += size + ask.body + "\r\n";
      }
      all += "0\r\n\r\n";
    }
    sock.send(all);
    return read_answer(sock);
  }

  // --- what was recorded
  std::size_t decisions() { return edge->count("decision"); }
  // How the calls ended, in order.
  std::vector<std::string> endings() {
    std::vector<std::string> out;
    for (const auto& e : edge->log()) {
      if (e.kind != "outcome") continue;
      const auto event = testkit::must_have(json::parse_object(e.bytes));
      out.emplace_back(testkit::must_have(json::string_at(event, "ending")));
    }
    return out;
  }
  bool ended(std::string_view how) {
    return eventually([&] { return endings() == std::vector<std::string>{std::string(how)}; });
  }
  // Timers of the loops are real, so monotonic time is set to theirs; then it stands still again.
  void catch_up() {
    const auto lead = std::chrono::duration_cast<std::chrono::milliseconds>(
        net::testing::real_clock().mono() - edge->clock.mono());
    edge->clock.advance(lead);
    edge->clock.step_wall(-lead);
    edge->authority->confirm_view();
  }
  void pass(std::chrono::milliseconds time) {
    edge->clock.advance(time);
    edge->authority->confirm_view();
  }
  Result<authority::Closed> close(TaskId task) {
    return rt::block_on(
        edge->authority->close(task, domain::How::kCompleted, authority::Actor::local_operator(0)));
  }
  Result<domain::Approval> answer(std::string_view approval, domain::Answer with,
                                  std::string human = "bob@example.com") {
    return rt::block_on(edge->authority->answer(testkit::must_have(ApprovalId::parse(approval)),
                                                with, std::move(human), {"approvers"}));
  }
  static std::string approval_of(const Answer& answer) {
    const auto object = answer.json();
    const auto* approval = object.if_contains("approval");
    if (approval == nullptr || !approval->is_object()) return {};
    const auto id = json::string_at(approval->as_object(), "id");
    return id ? std::string(*id) : std::string();
  }

  Upstream upstream;
  std::unique_ptr<Edge> edge;
  rt::Runtime runtime{2};
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<net::Server> server;
  std::optional<authority::Opened> desk;
  std::uint16_t port = 0;
};

}  // namespace stint::gateway::testing
