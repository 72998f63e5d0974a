#!/usr/bin/env bash
# kill -9 of the real server at random moments under load; STINT_CRASH_ROUNDS rounds (default 10).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${VENV:-$here/../../build/venv}/bin/python
[ -x "$python" ] || { echo "no $python: run make setup first" >&2; exit 1; }
exec "$python" "$here/crash.py" "$@"
