#!/bin/bash
# Measures three daemons that are one cluster on loopback, through NBD, and says how far the goals
# are met:
#   tests/bench/cluster.sh [--seconds 5] [--size 4GiB] [--durability plp|flush|both] [--tls] [--smoke]
# One volume with three copies, written once over, on three files of twice its size in /var/tmp. The
# client is at the primary of all its groups. Fails only when something does not work, never for a
# number. --tls: the same once more with TLS between the nodes. --smoke: 1 s each at depth 32, small.
# BUILD names the build directory (build/release).
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "${BASH_SOURCE[0]}")/cluster_bench.py" "$@"
