#!/usr/bin/env bash
# The authorization server over the wire, used by clients that others wrote: npm oauth4webapi,
# openid-client and jose under Node's own test runner, PyPI joserfc under pytest. Each suite starts
# a `stint serve` of its own. STINT_BIN names the program; the last line counts both suites.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
cd "$ROOT/tests/interop" || exit 1
export STINT_BIN=${STINT_BIN:-$BUILD/release/bin/stint}
export STINT_VERIFY_BIN=${STINT_VERIFY_BIN:-$BUILD/release/bin/stint-verify}
PYTHON=${PYTHON:-$VENV/bin/python}
[ -x "$STINT_BIN" ] || die "$STINT_BIN is not there: make build, or set STINT_BIN"
[ -d node_modules/oauth4webapi ] || die "the node packages are not there: make setup"
"$PYTHON" -c 'import joserfc, pytest' 2>/dev/null || die "the Python packages are not there: make setup"

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
status=0

say "oauth4webapi, openid-client and jose ($(node --version))"
NODE_NO_WARNINGS=1 node --test \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$results/node.tap" ./*.test.mjs || status=1
say "joserfc ($("$PYTHON" --version))"
PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m pytest --junitxml="$results/pytest.xml" || status=1

count() { sed -nE "s/^# $1 ([0-9]+)\$/\1/p" "$results/node.tap" 2>/dev/null | tail -n1; }
attribute() {
  grep -oE '<testsuite [^>]*' "$results/pytest.xml" 2>/dev/null | sed -nE "s/.* $1=\"([0-9]+)\".*/\1/p"
}
passed=0 failed=0
if [ -n "$(count pass)" ]; then
  passed=$(count pass) failed=$(($(count fail) + $(count cancelled)))
fi
if [ -n "$(attribute tests)" ]; then
  wrong=$(($(attribute failures) + $(attribute errors)))
  passed=$((passed + $(attribute tests) - wrong - $(attribute skipped))) failed=$((failed + wrong))
fi
# A suite that did not come to its end, or ran nothing, is one that failed.
[ "$(count pass)" ] && [ "$(attribute tests)" ] && [ "$passed" -gt 0 ] || status=1
[ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo
echo "$passed passed, $failed failed"
exit $status
