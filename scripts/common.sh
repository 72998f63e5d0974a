# Sourced by the other scripts: where we are, what to say, how hard to press the machine.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
export ROOT BUILD

say() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Compilers at work at once: one a core, and no more than memory bears at 1.5 GB each.
jobs_for_this_machine() {
  local cores memory_kb by_memory
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  by_memory=$((memory_kb / 1572864))
  [ "$by_memory" -ge 1 ] || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}
JOBS=${JOBS:-$(jobs_for_this_machine)}
export JOBS

# at_least 1.85 1.100.2: is the second version at least the first?
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$1" ]; }

# configure PRESET: quiet when nothing changed, loud when it fails.
configure() {
  local log=$BUILD/$1.configure.log
  mkdir -p "$BUILD"
  if ! (cd "$ROOT" && cmake --preset "$1") >"$log" 2>&1; then
    cat "$log" >&2
    die "cmake --preset $1 failed"
  fi
}

# With ccache, another clone of the same files compiles nothing twice.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1

# compile PRESET [TARGET…]
compile() {
  local preset=$1
  shift
  configure "$preset"
  ninja -C "$BUILD/$preset" -j "$JOBS" "$@"
}

# The interop suites' Python, when setup made one.
VENV=$BUILD/venv
export VENV
