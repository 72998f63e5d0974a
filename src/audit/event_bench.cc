#include <benchmark/benchmark.h>

#include "log_for_test.h"

namespace {

using namespace stint;
using namespace stint::audit;

Decided decision() {
  Decided d = Honest{}.permit(1);
  d.human = "alice@example.com";
  d.token = test_id<TokenId>(1);
  d.reason = "permitted by policy";
  d.policies = {"within-grants", "read-only-inherits"};
  d.method = "POST";
  d.target = "/team/app.git/git-receive-pack";
  d.call = crypto::Digest{};
  d.source_ip = "127.0.0.1";
  ObjectWriter w;
  for (const char* name : {"age", "attended", "depth", "environment", "groups", "risk"}) {
    w.add(name, "a fact of ordinary length");
  }
  d.facts = w.finish();
  return d;
}

// One event a request: what the log costs the gateway before the disk.
void encode_decision(benchmark::State& state) {
  const AnyEvent event = decision();
  for (auto _ : state) {
    auto bytes = encode(kStart, event);
    if (!bytes) {
      state.SkipWithError("encode failed");
      break;
    }
    benchmark::DoNotOptimize(*bytes);
  }
}
BENCHMARK(encode_decision);

void leaf_of_decision(benchmark::State& state) {
  const std::string bytes = encode(kStart, decision()).value();
  for (auto _ : state) {
    auto leaf = merkle::leaf_hash(bytes);
    benchmark::DoNotOptimize(leaf);
  }
}
BENCHMARK(leaf_of_decision);

void parse_decision(benchmark::State& state) {
  const std::string bytes = encode(kStart, decision()).value();
  for (auto _ : state) {
    auto entry = parse(bytes);
    if (!entry) {
      state.SkipWithError("parse failed");
      break;
    }
    benchmark::DoNotOptimize(*entry);
  }
}
BENCHMARK(parse_decision);

}  // namespace
