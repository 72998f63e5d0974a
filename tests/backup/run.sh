#!/usr/bin/env bash
# Backups of a service under load, restored into a new place, from either database into either.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${VENV:-$here/../../build/venv}/bin/python
[ -x "$python" ] || { echo "no $python: run make setup first" >&2; exit 1; }
exec "$python" "$here/backup.py" "$@"
