#!/usr/bin/env bash
# Rolling upgrade of three nodes on one PostgreSQL under load, with the programs of the next version
# and of the one after it, which know more migrations (build: stint_suite_programs).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${VENV:-$here/../../build/venv}/bin/python
[ -x "$python" ] || { echo "no $python: run make setup first" >&2; exit 1; }
exec "$python" "$here/upgrade.py" "$@"
