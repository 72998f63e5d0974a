#!/usr/bin/env bash
# Builds everything in release, runs each module's micro-benchmarks, then the end-to-end ones of
# bench/ against their limits and peers. A benchmark whose work fails is an error.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"
compile release
export STINT_BIN=$BUILD/release/bin/stint STINT_VERIFY_BIN=$BUILD/release/bin/stint-verify
ran=0 bad=0
for binary in "$BUILD"/release/bin/*_bench; do
  [ -x "$binary" ] || continue
  say "$(basename "$binary")"
  log=$BUILD/release/$(basename "$binary").txt
  "$binary" --benchmark_min_time="${BENCH_MIN_TIME:-0.2}" 2>/dev/null | tee "$log"
  ran=$((ran + 1))
  if grep -q 'ERROR OCCURRED' "$log"; then bad=$((bad + 1)); fi
done
if [ -f bench/run.sh ]; then
  say "bench/run.sh"
  bash bench/run.sh "$@"
fi
note "$ran micro-benchmark programs ran, $bad with errors; machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n1)"
[ $bad -eq 0 ]
