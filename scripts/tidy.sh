#!/usr/bin/env bash
# scripts/tidy.sh all|changed|FILE…: clang-tidy with .clang-tidy, findings are errors. `changed` takes the
# .cc files that differ from the last commit of the upstream branch (or from HEAD~1), and those
# that are not committed. TIDY_LIMIT bounds the time in seconds.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"
which=${1:-changed} limit=${TIDY_LIMIT:-3000}
configure tidy
if [ "$which" = all ]; then
  mapfile -t files < <(git ls-files --cached --others --exclude-standard 'src/*.cc' 'apps/*.cc' 'testkit/*.cc')
elif [ "$which" != changed ]; then
  files=("$@")
else
  base=$(git merge-base HEAD '@{upstream}' 2>/dev/null || git rev-parse --verify -q HEAD~1 || git rev-parse HEAD)
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$base" -- '*.cc'
    git ls-files --others --exclude-standard -- '*.cc'; } | sort -u)
fi
# Only what the tidy tree compiles: clang-tidy guesses flags for the rest, and guesses badly.
patterns=()
for file in "${files[@]}"; do
  if grep -qF "\"$ROOT/$file\"" "$BUILD/tidy/compile_commands.json"; then
    patterns+=("^$(sed 's/[.+]/\\&/g' <<<"$ROOT/$file")\$")
  fi
done
[ ${#patterns[@]} -gt 0 ] || { note "clang-tidy: no file to read"; exit 0; }
note "clang-tidy reads ${#patterns[@]} files (at most $limit s)"
status=0
timeout "$limit" run-clang-tidy-19 -quiet -p "$BUILD/tidy" -j "$JOBS" "${patterns[@]}" \
  >"$BUILD/tidy/tidy.log" 2>&1 || status=$?
grep -E 'error:|warning:' "$BUILD/tidy/tidy.log" | sort -u || true
[ $status -ne 124 ] || die "clang-tidy ran out of its $limit s"
[ $status -eq 0 ] || die "clang-tidy found the above; all of it is in build/tidy/tidy.log"
note "clang-tidy: ${#patterns[@]} files, nothing found"
