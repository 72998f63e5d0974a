#!/usr/bin/env bash
# What `make run` shows; ONCE=1 plays it and exits, 0 only if every step happened as told.
set -euo pipefail
. "$(dirname "$0")/common.sh"
python=$VENV/bin/python
[ -x "$python" ] || die "$python is not there: make setup"
exec "$python" -B "$ROOT/scripts/demo.py"
