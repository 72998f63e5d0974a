#!/usr/bin/env bash
# Runs the fast tests with source-based coverage and prints a table by module.
set -uo pipefail
. "$(dirname "$0")/common.sh"
compile coverage || exit 1
profiles=$BUILD/coverage/profiles
rm -rf "$profiles"
LLVM_PROFILE_FILE="$profiles/%m-%p.profraw" ctest --test-dir "$BUILD/coverage" -j "$JOBS" -L fast --output-on-failure
status=$?
find "$profiles" -name '*.profraw' >"$BUILD/coverage/profiles.txt"
llvm-profdata-19 merge -sparse -f "$BUILD/coverage/profiles.txt" -o "$BUILD/coverage/all.profdata" || exit 1
objects=()
for binary in "$BUILD"/coverage/bin/*; do [ -x "$binary" ] && objects+=(-object "$binary"); done
llvm-cov-19 report -instr-profile "$BUILD/coverage/all.profdata" "${objects[@]}" \
  -ignore-filename-regex '(_test|_fuzz|_bench)\.cc$|/(testkit|tests|build)/|^/usr/' |
  tee "$BUILD/coverage/report.txt" | sed "s#$ROOT/##"
exit $status
