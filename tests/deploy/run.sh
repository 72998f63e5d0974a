#!/usr/bin/env bash
# tests/deploy/run.sh [WORD…]: what deploy/ holds, by its own linters and then for real. Words choose the
# tests whose names have one of them; STINT_LONG=1 runs more of them. Last line: N passed, M failed.
set -euo pipefail
. "$(dirname "$0")/../../scripts/common.sh"
python=$VENV/bin/python
[ -x "$python" ] || die "$python is not there: make setup"
command -v go >/dev/null || die "go is not there: make setup"

# helm and the strict reader of manifests, of the versions that go.sum names; built once.
say "helm and chartcheck ($(cd "$ROOT/tests/deploy/tools" && GOTOOLCHAIN=local go version | cut -d' ' -f3))"
(cd "$ROOT/tests/deploy/tools" &&
  GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -trimpath -o "$BUILD/tools/" \
    ./chartcheck helm.sh/helm/v3/cmd/helm)
export PATH=$BUILD/tools:$VENV/bin:$PATH

exec "$python" -B "$ROOT/tests/deploy/main.py" "$@"
