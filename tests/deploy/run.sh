#!/usr/bin/env bash
# tests/deploy/run.sh [WORD…]: what deploy/ holds, by its own linters and then for real. Words choose the
# tests whose names have one of them; STINT_LONG=1 runs more of them. Last line: N passed, M failed.
set -euo pipefail
. "$(dirname "$0")/../../scripts/common.sh"
python=$VENV/bin/python
[ -x "$python" ] || die "$python is not there: make setup"
exec "$python" -B "$ROOT/tests/deploy/main.py" "$@"
