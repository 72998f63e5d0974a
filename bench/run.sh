#!/usr/bin/env bash
# The benchmarks of bench/, each against its limit or peer in the same run; prints one table.
#
#   bench/run.sh             as `make bench` does
#   bench/run.sh --quick     small rounds: checks that everything works, not a figure
#   ONLY=P2 bench/run.sh     P2, P3 (with P5), P10, P11, S2 (revocation) or S (scale)
#
# BENCH_BUILD: the release build (build/release); BENCH_DIR: a directory on the disk to measure.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BENCH_BUILD:-build/release}
dir=${BENCH_DIR:-build/bench}
only=${ONLY:-all}
if [ "${1:-}" = --quick ]; then
  authorize="--rounds 3 --count 1500" events="--rounds 3 --count 300"
  growth="--rounds 2 --most 2000 --count 1000" http="--rounds 2 --seconds 0.4"
  million="--rounds 2 --most 4000 --opened 1000 --count 1000"
  revocation="--rounds 3 --count 20" scale="--rounds 2 --count 120"
else
  authorize="--rounds 9 --count 12000" events="--rounds 9 --count 3000"
  growth="--rounds 7 --most 100000 --count 10000" http="--rounds 9 --seconds 1.5"
  million="--rounds 7 --most 1000000 --opened 10000 --count 10000"
  revocation="--rounds 9 --count 100" scale="--rounds 7 --count 1200"
fi
ninja -C "$build" stint_bench >"$build/stint_bench.log" || { cat "$build/stint_bench.log" >&2; exit 1; }
mkdir -p "$dir"
rows=$dir/rows.tsv
: >"$rows"
failed=0
pick() { [ "$only" = all ] || [ "$only" = "$1" ]; }
# Its rows, or the word that it gave none.
take() {
  local name=$1
  shift
  printf '   %s …\n' "$name" >&2
  if ! "$@" >"$dir/out" || ! grep '^ROW' "$dir/out" >>"$rows"; then
    printf 'ROW\t%s\tfailed: no figure\t-\t-\t-\t-\t-\t-\t-\n' "$name" >>"$rows"
    failed=1
  fi
}
# shellcheck disable=SC2086
{
  if pick P2; then take P2 taskset -c 0,1 "$build/bin/stint-bench-authorize" --dir "$dir" $authorize; fi
  if pick P3 || pick P5; then
    take P3 python3 bench/http.py --server "$build/bin/stint-bench-server" \
      --load "$build/bin/stint-bench-load" --dir "$dir" --tables $http
  fi
  if pick P10; then
    take P10 "$build/bin/stint-bench-events" --dir "$dir" $events
    take P10 "$build/bin/stint-bench-events" --dir "$dir" --store postgres $events
  fi
  if pick P11; then
    take P11 "$build/bin/stint-bench-growth" --dir "$dir" $growth
    take P11 "$build/bin/stint-bench-growth" --dir "$dir" --store postgres $million
  fi
  if pick S2; then take S2 "$build/bin/stint-bench-revocation" --dir "$dir" $revocation; fi
  if pick S; then take S "$build/bin/stint-bench-scale" --dir "$dir" $scale; fi
}
printf 'commit %s · %s, %s cores, Linux %s · OpenSSL %s · SQLite in Debian 12 · %s · load %s\n\n' \
  "$(git rev-parse --short HEAD 2>/dev/null || echo none)" \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n1)" "$(nproc)" "$(uname -r)" \
  "$(openssl version | cut -d' ' -f2)" "$(nginx -v 2>&1 | cut -d: -f2 | tr -d ' ')" \
  "$(cut -d' ' -f1-3 /proc/loadavg)"
printf '| # | work | rounds | min | median | max | goal | | note |\n|---|---|---|---|---|---|---|---|---|\n'
while IFS=$'\t' read -r _ promise what rounds min mid max goal verdict note; do
  printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' \
    "$promise" "$what" "$rounds" "$min" "$mid" "$max" "$goal" "$verdict" "$note"
done <"$rows"
exit $failed
