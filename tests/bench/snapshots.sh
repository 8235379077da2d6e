#!/bin/bash
# Measures a thousand snapshots of one volume on this machine's disk, with a real daemon:
#   tests/bench/snapshots.sh [--snapshots 1000] [--seconds 5] [--smoke]
# Before each snapshot a hundredth of the volume's blocks is overwritten. Beside it a volume with the
# same writes and no snapshots. Fails only when something does not work, never for a number. --smoke:
# 50 snapshots, 1 s each. BUILD names the build directory (build/release).
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/snapshots_bench.py" "$@"
