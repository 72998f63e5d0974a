#pragma once

#include <memory>

#include "shared_database.h"
#include "stint/authority/authority.h"
#include "stint/crypto/sealer.h"
#include "stint/keys/key_ring.h"
#include "stint/reaper/reaper.h"
#include "stint/rt/co.h"
#include "stint/store/store.h"
#include "stint/testkit/seeded_entropy.h"
#include "stint/vault/vault.h"

namespace stint::sim {

// Monotonic time is the simulation's; the wall clock is a machine's own, and is set now and then.
class MachineClock final : public Clock {
 public:
  explicit MachineClock(const Scheduler& scheduler) : scheduler_(scheduler) {}
  WallTime wall() const override {
    return WallTime(milliseconds(1'790'000'000'000)) +
           std::chrono::duration_cast<milliseconds>(scheduler_.now().time_since_epoch()) + skew_;
  }
  MonoTime mono() const override { return scheduler_.now() - lost_; }
  MonoTime truth() const { return scheduler_.now(); }
  void set_skew(milliseconds skew) { skew_ = skew; }
  void lose(milliseconds time) { lost_ += time; }  // Planted::kClockStops

 private:
  const Scheduler& scheduler_;
  milliseconds skew_{0}, lost_{0};
};

// One process of the fleet: a real authority with its store, its reaper and an event loop.
//
// It stays in memory after it was killed, without its parts: what remembers it may ask who it was.
class Node {
 public:
  Node(Scheduler& scheduler, SharedDatabase& database, std::size_t index, std::uint64_t seed,
       authority::Settings settings, milliseconds skew);
  ~Node() { kill(); }

  // Errors: as the service's own start.
  Status start(const crypto::RootKey& root);
  // As SIGKILL: from now on nothing reaches the database, and what waited is lost.
  void kill();
  void cut(bool cut);

  bool runs() const { return authority_ != nullptr && !link.dead; }
  bool frozen() const { return process.frozen(); }
  authority::Authority& authority() { return *authority_; }
  keys::KeyRing& keys() { return *keys_; }
  Entropy& entropy() { return entropy_; }
  MachineClock& clock() { return clock_; }
  milliseconds view_age() { return authority_->view().age(clock_.truth()); }

  // Starts what a client asks; one step of what is under way.
  void spawn(rt::Co<void> work);
  bool poll() { return loop_.poll_one() > 0; }
  std::size_t under_way() const { return under_way_; }

  Scheduler::Process process;
  Link link;

 private:
  static rt::Co<void> counted(std::size_t* under_way, rt::Co<void> work);

  SharedDatabase& database_;
  MachineClock clock_;
  testkit::SeededEntropy entropy_;
  const authority::Settings settings_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<keys::KeyRing> keys_;
  std::unique_ptr<vault::Vault> vault_;
  std::unique_ptr<authority::Authority> authority_;
  std::unique_ptr<reaper::Reaper> reaper_;
  boost::asio::io_context loop_;
  std::size_t under_way_ = 0;
};

}  // namespace stint::sim
