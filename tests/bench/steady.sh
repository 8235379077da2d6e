#!/bin/bash
# Measures how evenly a full store writes on this machine's disk, beside the disk alone:
#   tests/bench/steady.sh [--seconds 900] [--ssd-gib 4] [--cases cleaning,scrub,...] [--svg FILE]
#                         [--dir /var/tmp | --memory] [--smoke]
# Blocks of 4 KiB at random, 32 on the way, without a pause, counted by the second when the store has
# settled; cases are those of steady_bench, the disk alone first. The HDD is a file that is as slow.
# --memory: on loop devices in memory (root), where no disk that others use disturbs. --svg: draws
# all of it. Fails only when something does not work, never for a number. --smoke: 2 s each, 128 MiB.
# BUILD names the build directory (build/release).
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "${BASH_SOURCE[0]}")/steady_bench.py" "$@"
