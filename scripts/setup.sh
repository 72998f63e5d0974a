#!/usr/bin/env bash
# Brings a fresh Debian 12 to where everything builds and every test runs; says what it does, and
# does nothing where nothing is missing. Root, or sudo, is needed only when a package is missing.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$ROOT"
LOCK=$BUILD/.setup.lock
mkdir -p "$BUILD"
exec 9>"$LOCK"
flock 9  # two of us at once would fight over apt and node_modules

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || die "packages are missing: run this as root, or install sudo"
  sudo "$@"
}

rust_is_new_enough() {
  local cargo rustc
  cargo=$(cargo --version 2>/dev/null | awk '{print $2}') && [ -n "$cargo" ] || return 1
  rustc=$(rustc --version 2>/dev/null | awk '{print $2}') && [ -n "$rustc" ] || return 1
  at_least 1.85 "$cargo" && at_least 1.85 "$rustc"
}
node_is_new_enough() {
  local version
  version=$(node --version 2>/dev/null) && [ -n "$version" ] || return 1
  command -v npm >/dev/null && at_least 18 "${version#v}"
}
go_is_new_enough() {
  local version
  version=$(GOTOOLCHAIN=local go version 2>/dev/null | awk '{print $3}') && [ -n "$version" ] || return 1
  at_least 1.19 "${version#go}"
}
# Debian's own Python is preferred: what a version manager puts first on PATH may lack anything.
pick_python() {
  if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3 || true; fi
}
python_makes_venvs() {
  local python
  python=$(pick_python)
  [ -n "$python" ] && "$python" -c 'import venv, ensurepip' 2>/dev/null
}

wanted_packages() {
  local name condition
  while read -r name condition; do
    case $name in '' | '#'*) continue ;; esac
    case $condition in
      '') ;;
      if:rust) ! rust_is_new_enough || continue ;;
      if:node) ! node_is_new_enough || continue ;;
      if:go) ! go_is_new_enough || continue ;;
      if:venv) ! python_makes_venvs || continue ;;
      *) die "apt-packages.txt: unknown condition '$condition'" ;;
    esac
    echo "$name"
  done <apt-packages.txt
}

missing_packages() {
  local name
  for name in $(wanted_packages); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

install_packages() {
  command -v dpkg-query >/dev/null || die "this set-up knows Debian 12; install what apt-packages.txt names, then set STINT_NO_SETUP=1"
  local missing policy=/usr/sbin/policy-rc.d made_policy=
  missing=$(missing_packages)
  if [ -z "$missing" ]; then return; fi
  say "installing $(wc -w <<<"$missing") Debian packages: $(tr '\n' ' ' <<<"$missing")"
  as_root apt-get -q update || note "apt-get update failed: going on with the lists that are here"
  # nginx and fcgiwrap are wanted as programs: no service of theirs may start here.
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    made_policy=1
  fi
  local status=0
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing || status=$?
  if [ -n "$made_policy" ]; then as_root rm -f $policy; fi
  [ $status -eq 0 ] || die "apt-get could not install them"
  missing=$(missing_packages)
  [ -z "$missing" ] || die "still missing after the installation: $missing"
}

# once STAMP INPUT… -- COMMAND…: runs COMMAND when an input's content differs from the last time.
once() {
  local stamp=$1 inputs=() now
  shift
  while [ "$1" != -- ]; do inputs+=("$1"); shift; done
  shift
  now=$(sha256sum "${inputs[@]}")
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ]; then return; fi
  rm -f "$stamp"
  "$@"
  mkdir -p "$(dirname "$stamp")"
  printf '%s\n' "$now" >"$stamp"
}

fetch_crates() {
  say "fetching the policy engine's crates (Cargo.lock)"
  cargo fetch --quiet --locked --manifest-path src/policy/cedar/Cargo.toml
}
install_node_modules() {
  say "installing the interop suite's node packages (package-lock.json)"
  (cd tests/interop && npm ci --no-audit --no-fund --loglevel=error)
}
install_python_packages() {
  say "installing the suites' Python packages (requirements.txt)"
  rm -rf "$VENV"
  "$(pick_python)" -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check -r tests/interop/requirements.txt \
    -r tests/deploy/requirements.txt
}
fetch_go_modules() {
  say "fetching the deployment suite's Go modules (go.sum)"
  (cd tests/deploy/tools && GOTOOLCHAIN=local go mod download)
}

install_packages
rust_is_new_enough || die "cargo and rustc 1.85 or newer are needed on PATH (found: $(cargo --version 2>&1 || true))"
if [ -f src/policy/cedar/Cargo.lock ]; then
  once "${CARGO_HOME:-$HOME/.cargo}/.stint-fetched" src/policy/cedar/Cargo.lock -- fetch_crates
fi
if [ -f tests/interop/package-lock.json ]; then
  once tests/interop/node_modules/.stint-installed tests/interop/package-lock.json -- install_node_modules
fi
if [ -f tests/interop/requirements.txt ]; then
  once "$VENV/.stint-installed" tests/interop/requirements.txt tests/deploy/requirements.txt -- \
    install_python_packages
fi
if [ -f tests/deploy/tools/go.sum ]; then
  once "$(go env GOMODCACHE)/.stint-fetched" tests/deploy/tools/go.sum -- fetch_go_modules
fi
note "set-up: nothing is missing (clang-19, $(cargo --version | cut -d' ' -f1-2), $JOBS compile jobs)"
