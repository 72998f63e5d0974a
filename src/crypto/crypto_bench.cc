// ES256 verify: through EVP, through a key's table, and with the library raw, in one run.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include "key_impl.h"
#include "stint/crypto/digest.h"
#include "stint/crypto/hot_keys.h"
#include "stint/crypto/sign.h"
#include "stint/crypto/system_entropy.h"

namespace stint::crypto {
namespace {

const std::string kMessage(600, 'm');

PrivateKey fresh(Alg alg) {
  SystemEntropy entropy;
  return std::move(*PrivateKey::generate(alg, entropy));
}

void verify(benchmark::State& state, Alg alg, bool table) {
  const PrivateKey key = fresh(alg);
  const std::string sig = *key.sign(kMessage);
  HotKeys hot;
  if (table && !hot.build(key.public_key())) return state.SkipWithError("no table");
  for (auto _ : state)
    if (!key.public_key().verify(alg, kMessage, sig)) return state.SkipWithError("verify failed");
}
BENCHMARK_CAPTURE(verify, es256_evp, Alg::kES256, false);
BENCHMARK_CAPTURE(verify, es256_table, Alg::kES256, true);
BENCHMARK_CAPTURE(verify, ed25519, Alg::kEdDSA, false);
BENCHMARK_CAPTURE(verify, rs256, Alg::kRS256, false);

// What the library does alone: hash known, signature in DER, context made once.
void verify_raw(benchmark::State& state) {
  SystemEntropy entropy;
  const Pkey pkey(EVP_EC_gen("prime256v1"));
  const Digest hash = sha256(kMessage);
  const PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, pkey.get(), nullptr));
  std::string sig(80, '\0');
  std::size_t size = sig.size();
  if (EVP_PKEY_sign_init(ctx.get()) != 1 ||
      EVP_PKEY_sign(ctx.get(), bytes(sig), &size, hash.data(), hash.size()) != 1 ||
      EVP_PKEY_verify_init(ctx.get()) != 1)
    return state.SkipWithError("set-up failed");
  for (auto _ : state)
    if (EVP_PKEY_verify(ctx.get(), bytes(sig), size, hash.data(), hash.size()) != 1)
      return state.SkipWithError("verify failed");
}
BENCHMARK(verify_raw)->Name("verify/es256_raw_evp");

void sign(benchmark::State& state, Alg alg) {
  const PrivateKey key = fresh(alg);
  for (auto _ : state)
    if (!key.sign(kMessage)) return state.SkipWithError("sign failed");
}
BENCHMARK_CAPTURE(sign, es256, Alg::kES256);
BENCHMARK_CAPTURE(sign, ed25519, Alg::kEdDSA);
BENCHMARK_CAPTURE(sign, rs256, Alg::kRS256);

void parse_p256(benchmark::State& state) {
  const PrivateKey key = fresh(Alg::kES256);
  for (auto _ : state)
    if (!PublicKey::from_p256(key.public_key().first(), key.public_key().second()))
      return state.SkipWithError("parse failed");
}
BENCHMARK(parse_p256);

void build_table(benchmark::State& state) {
  const PrivateKey key = fresh(Alg::kES256);
  for (auto _ : state) {
    HotKeys hot;
    if (!hot.build(key.public_key())) return state.SkipWithError("no table");
  }
}
BENCHMARK(build_table);

void hash_600(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sha256(kMessage));
}
BENCHMARK(hash_600);

void hmac_600(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(hmac_sha256("test key of 32 bytes, more or less", kMessage));
}
BENCHMARK(hmac_600);

}  // namespace
}  // namespace stint::crypto
