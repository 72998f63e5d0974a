#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stint/authority/authority.h"
#include "stint/base/clock.h"
#include "stint/http/message.h"
#include "stint/net/server.h"
#include "stint/proof/gate.h"
#include "stint/rt/co.h"

namespace stint::api {

// Counts the log's events by kind. Give add() to Store::observe() before commands are submitted.
// Threads: any.
class EventCounts {
 public:
  EventCounts();
  void add(std::span<const store::EventView> events);
  std::vector<std::pair<std::string_view, std::uint64_t>> counts() const;

 private:
  static constexpr std::size_t kMax = 64;
  std::array<std::atomic<std::uint64_t>, kMax> counts_{};
};

// One number that a part of the process tells. `name` without "stint_"; names, help and labels are
// literals or configured names, never what a request carried.
struct Sample {
  enum class Kind : std::uint8_t { kGauge, kCounter };
  std::string name, help;
  Kind kind = Kind::kGauge;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};
using Source =
    std::function<std::vector<Sample>()>;  // called on a request's thread; must not block

// The Prometheus text format (0.0.4). Samples of one name stand together, under one HELP and TYPE.
std::string prometheus_text(std::span<const Sample> samples);

// The gauges and counters of one listener, labelled with its name.
Source server_source(std::string listener, const net::Server& server);

// The operations listener:
//   GET /healthz   200 while the process answers
//   GET /readyz    200 when it can serve; 503 and why when it cannot: store not writable, view
//                  stale, draining
//   GET /metrics   Prometheus
// Carries nothing secret and nothing about single tasks; it is for the operator's own network.
//
// Threads: any. Ownership: borrows its parts; sources live as long as it does.
class Operations {
 public:
  struct Parts {
    authority::Authority& authority;
    const proof::Gate& gate;
    const Clock& clock;
    const EventCounts* events = nullptr;
    std::string version;
  };
  explicit Operations(Parts parts, std::vector<Source> sources = {});
  ~Operations();
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  rt::Co<void> handle(net::Exchange& exchange);
  http::Response answer(const http::RequestHead& head) const;

  void draining();  // /readyz is red from now on

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::api
