#pragma once

#include <boost/json/fwd.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "failure.h"
#include "stint/base/clock.h"
#include "stint/base/entropy.h"
#include "stint/resource/config.h"

namespace stint::cli {

// What tools need to find a running server: $STINT_HOME/ports.json.
struct Addresses {
  std::string issuer, gateway, operations, socket;
  std::uint16_t control_port = 0, gateway_port = 0, operations_port = 0;
  boost::json::object to_json() const;
};

// The whole service in one object: store, keys, vault, authority, the edge and its listeners,
// upkeep. Construction order is dependency order; stop() goes the other way.
//
// Threads:   open(), start(), answers() and stop() from one, the main thread.
// Ownership: owns all its parts; borrows clock and entropy, which outlive it.
// Errors:    of open(): what was being done, and its reason. Nothing is left listening then.
// Closed:    listens beyond loopback only with TLS.
class Service {
 public:
  struct Options {
    resource::Config config;
    std::string home;
    std::string version;
    bool any_port_when_taken = false;  // `stint dev`
  };
  static Outcome<std::unique_ptr<Service>> open(Options options, const Clock& clock,
                                                Entropy& entropy);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const Addresses& addresses() const;
  // From now on requests are answered. Appends server.started.
  Outcome<void> start();
  // Whether every event loop runs what it is given within this time. Between start() and stop().
  bool answers(std::chrono::milliseconds within) const;
  // Refuses new work, lets what runs end within the drain timeout, cuts the rest, appends
  // server.stopped, signs the log. True: nothing had to be cut. Idempotent.
  bool stop();

 private:
  struct Impl;
  explicit Service(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stint::cli
