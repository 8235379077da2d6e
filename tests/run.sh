#!/bin/bash
# Runs every test: installs what is missing, builds, and ends with ctest's own summary.
#   tests/run.sh [--long] [--seconds N] [ctest arguments]
# --long       the long forms: more seeds, more rounds, an hour for each fuzzer
# --seconds N  time for each fuzzer (12; with --long 3600)
# ctest arguments, e.g. -R unit_base or -L tidy, choose tests; everything is built all the same.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

long=0 seconds= timeout_seconds=600
while (($#)); do
  case "$1" in
    --long) long=1 timeout_seconds=43200; shift ;;
    --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
    -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
    *) break ;;
  esac
done
export VARVE_FUZZ_SECONDS=${seconds:-$((long ? 3600 : 12))}

tests/setup.sh

# The output of a step appears only when the step fails.
step() {
  local name=$1 begin=$SECONDS log
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    echo "run: $name failed: $*" >&2
    tail -n 200 "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
  echo "run: $name: $((SECONDS - begin)) s"
}

# Sanitized builds hold only what is run from them: the unit tests, the fuzzers.
build() { # preset, targets...
  local preset=$1
  shift
  step "configure $preset" cmake --preset "$preset" -DVARVE_SANITIZED_RUNS=ON -DVARVE_LONG=$long
  step "build $preset" cmake --build --preset "$preset" --target "$@"
}
build release all
build asan unit_tests cluster_sim
build tsan unit_tests
build fuzz fuzzers

set +e
ctest --test-dir build/release -V --no-tests=error -j2 --timeout "$timeout_seconds" "$@" </dev/null 2>&1 |
  python3 tests/show.py
exit "${PIPESTATUS[0]}"
