#!/usr/bin/env bash
# refusal.sh CMAKE CXX BUILD_DIR CASE [TEXT]: configures the fixture in edges/ with CASE. With TEXT
# the configuration must stop and say it; without, it must succeed.
set -uo pipefail
cmake=$1 cxx=$2 dir=$3 case=$4 want=${5-}
rm -rf "$dir"
out=$("$cmake" -S "$(dirname "$0")/edges" -B "$dir" -G Ninja "-DCMAKE_CXX_COMPILER=$cxx" "-DCASE=$case" 2>&1)
status=$?
out=$(tr -s ' \n' ' ' <<<"$out")  # CMake wraps its messages
if [ -z "$want" ]; then
  [ $status -eq 0 ] && { echo "configured, as it must"; exit 0; }
  echo "refused, but must configure: $out"; exit 1
fi
[ $status -ne 0 ] || { echo "configured, but must be refused: $want"; exit 1; }
grep -qF -- "$want" <<<"$out" || { echo "refused for another reason than '$want': $out"; exit 1; }
echo "refused: $want"
