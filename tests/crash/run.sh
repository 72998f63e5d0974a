#!/usr/bin/env bash
# kill -9 of the real server at random moments under load; STINT_CRASH_ROUNDS rounds (default 10).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${STINT_PYTHON:-$here/../interop/.venv/bin/python}
[ -x "$python" ] || python=python3
exec "$python" "$here/crash.py" "$@"
