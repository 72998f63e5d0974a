#!/usr/bin/env bash
# scripts/fuzz.sh SECONDS [NAME…]: fuzzes every target (or those whose name contains a NAME) for
# SECONDS each, from its committed corpus. New inputs stay in build/fuzz/corpus/; a finding stays in
# build/fuzz/findings/ and fails the run. To keep a finding as a test, copy it into the corpus.
set -uo pipefail
. "$(dirname "$0")/common.sh"
seconds=${1:?usage: scripts/fuzz.sh SECONDS [NAME…]}
shift
# alloc_dealloc_mismatch and leaks are on by default; a slow input is a finding too.
limits=(-timeout=10 -rss_limit_mb=2048 -max_len=70000 -print_final_stats=1)
compile fuzz || exit 1
mkdir -p "$BUILD/fuzz/findings"
ran=0 bad=()
while IFS='|' read -r target corpus; do
  [ -n "$target" ] || continue
  if [ $# -gt 0 ]; then
    wanted=
    for name in "$@"; do [[ $target == *"$name"* ]] && wanted=1; done
    [ -n "$wanted" ] || continue
  fi
  own=$BUILD/fuzz/corpus/$target log=$BUILD/fuzz/findings/$target.log
  mkdir -p "$own"
  if (cd "$BUILD/fuzz/findings" && "$BUILD/fuzz/bin/$target" "${limits[@]}" -max_total_time="$seconds" \
    -artifact_prefix="$target-" "$own" "$corpus") >"$log" 2>&1; then
    printf '   %-36s %10s runs, %6s edges, no finding\n' "$target" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
      "$(grep -oE 'cov: [0-9]+' "$log" | tail -n1 | cut -d' ' -f2)"
  else
    bad+=("$target")
    printf '   %-36s FINDING, see %s\n' "$target" "${log#"$ROOT"/}"
    tail -n 40 "$log"
  fi
  ran=$((ran + 1))
done <"$BUILD/fuzz/fuzz-targets.txt"
[ $ran -gt 0 ] || die "no fuzz target ran"
echo "fuzz: $((ran - ${#bad[@]})) passed, ${#bad[@]} failed"
[ ${#bad[@]} -eq 0 ]
