#!/usr/bin/env bash
# tests/e2e/run.sh [WORD…]: the programs as they are shipped, a real git server, real git and curl.
# Words choose the tests whose names have one of them. Last line: N passed, M failed.
set -euo pipefail
. "$(dirname "$0")/../../scripts/common.sh"
python=$VENV/bin/python
[ -x "$python" ] || die "$python is not there: make setup"
exec "$python" -B "$ROOT/tests/e2e/main.py" "$@"
