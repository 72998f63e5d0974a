#!/usr/bin/env bash
# scripts/test.sh [--long]: everything that must hold before a change is taken in. Stages run in
# order, each is timed; a failing stage does not stop the next, so that one run tells all of it.
#
# Two build trees, so that nothing is compiled twice for the same purpose: `release` holds the
# programs as they are shipped, used by the suites that run them; `asan` holds every module's tests
# under AddressSanitizer and UndefinedBehaviorSanitizer. --long adds the release tests, TSan, the
# slow tests, many crash rounds and some fuzzing.
set -uo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"
LONG=
[ "${1-}" = --long ] && LONG=1

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:suppressions=$ROOT/scripts/tsan.supp}
export ASAN_SYMBOLIZER_PATH=${ASAN_SYMBOLIZER_PATH:-$(command -v llvm-symbolizer-19 || true)}
# What the suites that cross the process border run.
export STINT_BIN=$BUILD/release/bin/stint STINT_VERIFY_BIN=$BUILD/release/bin/stint-verify
export STINT_CRASH_ROUNDS=${STINT_CRASH_ROUNDS:-${LONG:+200}}
STINT_CRASH_ROUNDS=${STINT_CRASH_ROUNDS:-10}
[ -n "$LONG" ] && export STINT_LONG=1

RESULTS=$BUILD/test-results
rm -rf "$RESULTS"
mkdir -p "$RESULTS"
stages=() failed=() passed_tests=0 failed_tests=0 skipped_tests=0

stage() {  # stage NAME COMMAND…
  local name=$1 from=$SECONDS status=0
  shift
  say "$name"
  "$@" || status=$?
  stages+=("$(printf '%-34s %4d s  %s' "$name" $((SECONDS - from)) "$([ $status -eq 0 ] && echo ok || echo FAILED)")")
  [ $status -eq 0 ] || failed+=("$name")
  return 0
}

count_junit() {  # adds a ctest result file to the totals
  local file=$1 total fails skips
  [ -f "$file" ] || return 0
  total=$(grep -o '<testcase ' "$file" | wc -l)
  # A binary that was not built stands in for its tests, and counts as one that failed.
  fails=$(grep -cE '<testcase [^>]*(status="fail"|name="[^"]*_NOT_(BUILT|AVAILABLE))' "$file")
  skips=$(grep -E '<testcase [^>]*status="(notrun|disabled)"' "$file" | grep -cvE 'name="[^"]*_NOT_(BUILT|AVAILABLE)')
  passed_tests=$((passed_tests + total - fails - skips))
  failed_tests=$((failed_tests + fails))
  skipped_tests=$((skipped_tests + skips))
}

run_ctest() {  # run_ctest PRESET CTEST_ARGUMENT…
  local preset=$1 junit status=0
  shift
  junit=$RESULTS/$preset-${#stages[@]}.xml
  ctest --test-dir "$BUILD/$preset" -j "$JOBS" --output-on-failure --no-tests=error --progress \
    --output-junit "$junit" "$@" >"$junit.log" 2>&1 || status=$?
  # One line a test would drown the failures: show those, what was skipped, and the summary.
  sed -nE '/\*\*\*(Failed|Timeout|Exception|Not Run)/,/^ *Start +[0-9]+:/p' "$junit.log" | head -n 400
  sed -nE '/^[0-9]+% tests passed/,$p' "$junit.log"
  count_junit "$junit"
  return $status
}

run_script() {  # a suite of tests/ that prints "N passed, M failed[, K skipped]"
  local log status=0 line
  log=$RESULTS/$(basename "$(dirname "$1")").log
  bash "$1" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  line=$(grep -E '(^|[^0-9])[0-9]+ passed, [0-9]+ failed' "$log" | tail -n1)
  if [ -n "$line" ]; then
    passed_tests=$((passed_tests + $(sed -E 's/.*(^|[^0-9])([0-9]+) passed.*/\2/' <<<"$line")))
    failed_tests=$((failed_tests + $(sed -E 's/.*[^0-9]([0-9]+) failed.*/\1/' <<<"$line")))
  elif [ "$status" -eq 0 ]; then
    echo "$1 ended well but did not say how many tests passed"
    return 1
  fi
  return "$status"
}

stage "lints" scripts/lint --format
stage "build: programs (release)" compile release -k 0 stint_programs stint_suite_programs
stage "build: tests (asan, ubsan)" compile asan -k 0 all stint_headers
stage "tests under asan and ubsan" run_ctest asan ${LONG:+-L} ${LONG:+.} ${LONG:--LE} ${LONG:-slow|scale|tsan}
for suite in tests/*/run.sh; do
  [ -f "$suite" ] || continue
  stage "suite $(basename "$(dirname "$suite")")" run_script "$suite"
done
if [ -x scripts/demo.sh ]; then
  stage "demonstration, once" env ONCE=1 scripts/demo.sh
fi
if [ -n "$LONG" ]; then
  stage "build: tests (release)" compile release -k 0
  stage "tests, release" run_ctest release
  stage "build: tests (tsan)" compile tsan -k 0
  stage "tests under tsan" run_ctest tsan -LE 'slow|scale|crash'
  stage "fuzzing, ${FUZZ_SECONDS:-30} s a target" scripts/fuzz.sh "${FUZZ_SECONDS:-30}"
  stage "clang-tidy, all files" scripts/tidy.sh all
fi

say "summary (${SECONDS} s, $JOBS jobs)"
printf '   %s\n' "${stages[@]}"
echo
# A stage that failed without a failing test, such as a build, counts as one.
if [ ${#failed[@]} -gt 0 ] && [ $failed_tests -eq 0 ]; then failed_tests=${#failed[@]}; fi
if [ $passed_tests -eq 0 ] && [ $failed_tests -eq 0 ]; then
  echo "no test ran" >&2
  failed_tests=1
fi
echo "total: $passed_tests passed, $failed_tests failed, $skipped_tests skipped"
[ ${#failed[@]} -eq 0 ] && [ $failed_tests -eq 0 ]
