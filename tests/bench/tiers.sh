#!/bin/bash
# Measures an SSD with an HDD behind it beside the SSD alone, with real daemons, through NBD:
#   tests/bench/tiers.sh [--seconds 10] [--smoke]
# Writes while the SSD has room, new blocks when it has none, reads of a tenth of what lies on the
# HDD. The HDD is a loop device in memory, which the kernel's throttle makes slow: 180 MB/s, 180
# requests a second each way. Needs root and control groups; without them it says so and ends with 77.
# Fails only when something does not work, never for a number. --smoke: small, 1 s each. BUILD names
# the build directory (build/release).
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "${BASH_SOURCE[0]}")/tiers_bench.py" "$@"
