#!/usr/bin/env bash
# Three nodes on one PostgreSQL under load and a seeded schedule of faults; STINT_SCALE_SECONDS of
# it (default 60, 600 in the long tier), STINT_SCALE_SEED (default: another each time; printed).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${VENV:-$here/../../build/venv}/bin/python
[ -x "$python" ] || { echo "no $python: run make setup first" >&2; exit 1; }
exec "$python" "$here/scale.py" "$@"
