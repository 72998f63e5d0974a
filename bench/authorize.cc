// P2: authorize a DPoP-bound request whose key was seen before, everything on, per core, against
// raw ES256 verifications; and the same with a precomputed table for each key.
//
// One round: verify, authorize, authorize with tables. CPU seconds of the whole process, the
// store's writer and the reaper included, until the last event is on disk.
#include <cstdio>
#include <string>
#include <vector>

#include "lib/measure.h"
#include "lib/raw_verify.h"
#include "lib/world.h"
#include "stint/codec/hex.h"
#include "stint/crypto/hot_keys.h"
#include "stint/jose/jwk.h"
#include "stint/rt/runtime.h"

namespace stint::bench {
namespace {

struct Instance {  // of an agent
  crypto::PrivateKey key;
  World::Session session;
};

std::vector<Instance> instances(World& world, std::size_t count) {
  std::vector<Instance> out;
  for (std::size_t i = 0; i < count; ++i) {
    auto key = must(crypto::PrivateKey::generate(crypto::Alg::kES256, world.entropy), "key");
    const domain::Binding binding{domain::Binding::Kind::kDpop, jose::thumbprint(key.public_key())};
    auto session = world.session(binding, "plain");
    out.push_back({std::move(key), std::move(session)});
  }
  return out;
}

std::vector<Prepared> prepare(World& world, const proof::Gate& gate,
                              const std::vector<Instance>& who, std::size_t count) {
  std::vector<Prepared> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Instance& agent = who[i % who.size()];
    out.push_back(prepare_call(world, gate, agent.key, agent.session.token, i));
  }
  return out;
}

rt::Co<Result<bool>> all(Authorizer* authorize, const std::vector<Prepared>* calls) {
  const http::Peer peer{.ip = "127.0.0.1"};
  for (const Prepared& p : *calls) {
    const auto verdict =
        STINT_CO_TRY(co_await (*authorize)(p.head, peer, "plain", p.htu, p.target));
    if (!verdict.permit) co_return fail(Errc::kDenied, "a call was not permitted");
  }
  co_return true;
}

// CPU seconds; checks that each call was permitted and recorded.
double measure(World& world, Authorizer& authorize, const std::vector<Prepared>& calls) {
  const store::Seq before = world.flush();
  const double start = cpu_seconds();
  must(rt::block_on(all(&authorize, &calls)), "authorize");
  const store::Seq after = world.flush();
  const double used = cpu_seconds() - start;
  if (after - before != calls.size()) no_figure("decisions and events differ in number");
  return used;
}

int run(int argc, char** argv) {
  const auto rounds = std::stoul(option(argc, argv, "rounds", "9"));
  const auto count = std::stoul(option(argc, argv, "count", "12000"));
  const auto keys = std::stoul(option(argc, argv, "keys", "16"));
  const Scratch scratch(option(argc, argv, "dir", "build/bench"));
  World world({.directory = scratch.path()});
  proof::Gate cold(world.entropy), hot(world.entropy);
  Authorizer by_evp(world, cold), by_table(world, hot);
  RawVerify raw(keys);
  const auto plain = instances(world, keys), tabled = instances(world, keys);

  // Seen before: by each gate once.
  measure(world, by_evp, prepare(world, cold, plain, 2 * keys));
  measure(world, by_table, prepare(world, hot, tabled, 2 * keys));
  crypto::HotKeys tables;
  if (crypto::HotKeys::available()) {
    // The table belongs to the key object that the gate has parsed: it is offered by on_hot_key
    // after kWorthIt signatures.
    hot.on_hot_key([&](const crypto::PublicKey& key) { must(tables.build(key), "table"); });
    measure(world, by_table, prepare(world, hot, tabled, (crypto::HotKeys::kWorthIt + 1) * keys));
    if (tables.size() != keys) no_figure("a key has no table");
  }

  std::vector<double> ratio, ratio_hot, gain, us_raw, us, us_hot;
  const auto n = static_cast<double>(count);
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto calls = prepare(world, cold, plain, count);
    const auto hot_calls = prepare(world, hot, tabled, count);
    const double start = cpu_seconds();
    if (!raw.run(count)) no_figure("a signature did not verify");
    us_raw.push_back((cpu_seconds() - start) / n * 1e6);
    us.push_back(measure(world, by_evp, calls) / n * 1e6);
    us_hot.push_back(measure(world, by_table, hot_calls) / n * 1e6);
    ratio.push_back(us_raw.back() / us.back());
    ratio_hot.push_back(us_raw.back() / us_hot.back());
    gain.push_back(us.back() / us_hot.back());
  }
  char note[160];
  std::snprintf(note, sizeof note, "%.1f us of CPU, raw verify %.1f us", spread(us).median,
                spread(us_raw).median);
  row("P2", "authorize, DPoP-bound, everything on / raw ES256 verify, per core", ratio, 0.7, note);
  std::snprintf(note, sizeof note, "%.1f us of CPU; %.2f times the row above",
                spread(us_hot).median, spread(gain).median);
  row("P2", "the same with per-key tables / raw ES256 verify", ratio_hot, 0, note);
  return 0;
}

}  // namespace
}  // namespace stint::bench

int main(int argc, char** argv) { return stint::bench::run(argc, argv); }
