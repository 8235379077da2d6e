#!/bin/bash
# Measures this build on this machine's disk and compares with what else there is, in one run:
#   tests/bench/run.sh [--seconds 5] [--rounds 3] [--smoke]
# Raw device (fio, io_uring) and the engine alone, interleaved; then through NBD: varved and
# nbdkit's file plugin. Prints tables and how far the goals are met; fails only when something does
# not work, never for a number. --smoke: 1 s each at depth 32. BUILD names the build directory
# (build/release). System calls are counted by tracefs (root); without it their column stays empty.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "${BASH_SOURCE[0]}")/bench.py" "$@"
