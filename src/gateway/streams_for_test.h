#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <array>

#include "gateway_for_test.h"

// Upstreams that wait, stream, hang up and leak, and what begins requests that stay open.
namespace stint::gateway::testing {

inline constexpr std::string_view kReplies = "/u/desk/tickets/7/replies";

// --- what upstreams do

inline rt::Co<void> stall(net::Exchange& ex, Upstream& self) {
  self.note(ex, "", true);
  std::vector<rt::SharedEvent> events{self.release};
  if (const auto gone = ex.gone().event()) events.push_back(*gone);
  const auto which = co_await rt::wait_any(std::move(events), rt::Deadline::never());
  if (which && *which == 1) self.broken = true;
  [[maybe_unused]] const auto sent = co_await ex.respond(self.reply);
}

inline rt::Co<void> stall_one(net::Exchange& ex, Upstream& self) {
  if (ex.head().target.ends_with("/slow")) co_return co_await stall(ex, self);
  co_await Upstream::plain(ex, self);
}

inline rt::Co<void> endless(net::Exchange& ex, Upstream& self) {
  const std::string piece(16 * 1024, 'x');
  Status going = co_await ex.start({.status = 200, .headers = {}});
  while (going) {
    going = co_await ex.write(piece);
    self.got += piece.size();
  }
  self.broken = true;
}

inline rt::Co<void> swallow(net::Exchange& ex, Upstream& self) {
  for (;;) {
    const auto piece = co_await ex.read_piece();
    if (!piece) {
      self.broken = true;
      self.note(ex, "", false);
      co_return;
    }
    if (piece->empty()) break;
    self.got += piece->size();
  }
  self.note(ex, "", true);
  [[maybe_unused]] const auto sent = co_await ex.respond(self.reply);
}

inline rt::Co<void> echo(net::Exchange& ex, Upstream& self) {
  Status going = co_await ex.start({.status = 200, .headers = {}});
  if (going) going = co_await ex.flush();
  while (going) {
    const auto piece = co_await ex.read_piece();
    if (!piece || piece->empty()) break;
    self.got += piece->size();
    going = co_await ex.write(*piece);
  }
  if (going) going = co_await ex.finish();
  if (!going) self.broken = true;
}

// Answers in full when it is told to, keeps the connection and reads no byte of the request's body.
inline rt::Co<void> refuse_late(net::Exchange& ex, Upstream& self) {
  self.note(ex, "", false);
  [[maybe_unused]] const auto released = co_await self.release.wait();
  [[maybe_unused]] const auto sent =
      co_await ex.respond({.status = 413, .headers = {}, .body = "too big for me"});
  [[maybe_unused]] const auto left = co_await self.leave.wait();
}

inline rt::Co<void> refuse_early(net::Exchange& ex, Upstream& self) {
  self.note(ex, "", false);
  ex.close_after();
  [[maybe_unused]] const auto sent =
      co_await ex.respond({.status = 413, .headers = {}, .body = "too big for me"});
}

inline rt::Co<void> hang_up(net::Exchange& ex, Upstream&) {
  ex.abort();
  co_return;
}

inline rt::Co<void> leak_slowly(net::Exchange& ex, Upstream&) {
  const std::string text = "begin " + std::string(testkit::kPlantedSecret) + " end";
  Status going = co_await ex.start({.status = 200, .headers = {}});
  for (const char c : text) {
    if (going) going = co_await ex.write(std::string_view(&c, 1));
    co_await rt::sleep_for(1ms);
  }
  if (going) [[maybe_unused]]
    const auto sent = co_await ex.finish();
}

inline rt::Co<void> head_then_silence(net::Exchange& ex, Upstream& self) {
  Status going = co_await ex.start({.status = 200, .headers = {{"X-Early", "yes"}}});
  if (going) going = co_await ex.flush();
  co_await stall(ex, self);
}

class Streams : public GatewayTest {
 public:
  resource::Resources declared() const override {
    auto r = edge->declared();
    for (auto& u : r.upstreams) u.limits = upstream_limits();
    return r;
  }
  virtual resource::UpstreamLimits upstream_limits() const { return {}; }

  static std::string chunk(std::string_view bytes) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return size + std::string(bytes) + "\r\n";
  }
  Sock begin(const Ask& ask) { return begin(ask, desk->token->token); }
  Sock begin(const Ask& ask, std::string_view token) {
    Sock sock = Sock::tcp(port);
    sock.send(bytes(ask, token));
    return sock;
  }
  Sock begin_upload() {
    return begin({.method = "POST", .target = std::string(kReplies), .chunked = true});
  }
};

}  // namespace stint::gateway::testing
