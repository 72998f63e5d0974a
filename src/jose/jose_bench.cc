// What a DPoP request costs: key parsed each time, key cached, key with a table; and its
// neighbours.
#include <benchmark/benchmark.h>

#include "stint/crypto/hot_keys.h"
#include "stint/crypto/system_entropy.h"
#include "stint/jose/access_token.h"
#include "stint/jose/dpop.h"
#include "stint/jose/replay.h"

namespace stint::jose {
namespace {

constexpr std::string_view kHtu = "https://stint.example/u/helpdesk/tickets/1";
const WallTime kNow = from_unix_seconds(1'790'000'000);

crypto::PrivateKey fresh() {
  crypto::SystemEntropy entropy;
  return std::move(*crypto::PrivateKey::generate(crypto::Alg::kES256, entropy));
}

void verify_proof_with(benchmark::State& state, bool cached, bool table) {
  const crypto::PrivateKey key = fresh();
  const std::string jkt = thumbprint(key.public_key());
  const crypto::Digest token = crypto::sha256("test token");
  const auto proof = make_proof(key, {.method = "GET",
                                      .htu = kHtu,
                                      .now = kNow,
                                      .jti = "a-jti-of-some-22-chars",
                                      .access_token = "test token",
                                      .nonce = ""});
  const auto expect = DpopExpect::with_token("GET", kHtu, kNow, token, jkt);
  KeyCache cache;
  crypto::HotKeys hot;
  if (table) {
    const auto first = verify_proof(*proof, expect, &cache);
    if (!first || !hot.build(first->key)) return state.SkipWithError("no table");
  }
  for (auto _ : state)
    if (!verify_proof(*proof, expect, cached ? &cache : nullptr))
      return state.SkipWithError("verify failed");
}
BENCHMARK_CAPTURE(verify_proof_with, key_parsed, false, false);
BENCHMARK_CAPTURE(verify_proof_with, key_cached, true, false);
BENCHMARK_CAPTURE(verify_proof_with, key_table, true, true);

AccessToken token() {
  crypto::SystemEntropy entropy;
  return {.iss = "https://stint.example",
          .sub = "ada",
          .aud = {"https://stint.example/u/helpdesk"},
          .exp = kNow + std::chrono::seconds(300),
          .iat = kNow,
          .jti = TokenId::random(entropy),
          .client_id = "triage-bot",
          .cnf = {.jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", .x5t_s256 = ""},
          .act = {"triage-bot"},
          .task = {TaskId::random(entropy), kNow, kNow + std::chrono::seconds(1800), "TICKET-7",
                   std::nullopt},
          .authorization_details = "",
          .scope = "helpdesk",
          .acr = "",
          .auth_time = std::nullopt};
}

void verify_token(benchmark::State& state, bool table) {
  const crypto::PrivateKey key = fresh();
  const auto keys =
      std::make_shared<const JwkSet>(*JwkSet::of({Jwk{key.public_key(), key.alg(), "k1"}}));
  crypto::HotKeys hot;
  if (table && !hot.build_pinned(key.public_key())) return state.SkipWithError("no table");
  const AccessTokenVerifier verifier("https://stint.example", "https://stint.example/u/helpdesk",
                                     keys);
  const auto compact = sign_access_token(token(), "k1", key);
  for (auto _ : state)
    if (!verifier.verify(*compact, kNow)) return state.SkipWithError("verify failed");
}
BENCHMARK_CAPTURE(verify_token, evp, false);
BENCHMARK_CAPTURE(verify_token, table, true);

void sign_token(benchmark::State& state) {
  const crypto::PrivateKey key = fresh();
  const AccessToken claims = token();
  for (auto _ : state)
    if (!sign_access_token(claims, "k1", key)) return state.SkipWithError("sign failed");
}
BENCHMARK(sign_token);

void digest_token(benchmark::State& state) {
  const auto compact = sign_access_token(token(), "k1", fresh());
  for (auto _ : state) benchmark::DoNotOptimize(token_digest(*compact));
}
BENCHMARK(digest_token);

void replay_once(benchmark::State& state) {
  crypto::SystemEntropy entropy;
  ReplayCache cache(kProofWindow, 4'000'000, entropy);
  std::int64_t i = 0;
  for (auto _ : state) {
    ++i;  // 20,000 proofs a second
    if (!cache.once("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", std::to_string(i),
                    kNow + std::chrono::milliseconds(i / 20)))
      return state.SkipWithError("refused");
  }
  state.counters["bytes_per_entry"] =
      static_cast<double>(cache.memory()) / static_cast<double>(cache.size());
}
BENCHMARK(replay_once);

}  // namespace
}  // namespace stint::jose
