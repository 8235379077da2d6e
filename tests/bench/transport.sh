#!/bin/bash
# Measures the TCP transport beside bare sockets, in one run, and says how far the goals are met:
#   tests/bench/transport.sh [--seconds 3] [--rounds 3] [--smoke]
# A client and a server on loopback, each one thread on a CPU of its own: 4 KiB requests and 64-byte
# replies over one connection, with io_uring and with Asio, and through the plugin's table, which the
# daemon's loop drives, without TLS and with it. Then what the table itself costs. Fails only when something does not work,
# never for a number. --smoke: 0.5 s, one round, depth 32. BUILD names the build directory
# (build/release). System calls are counted by tracefs (root); without it their column stays empty.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "${BASH_SOURCE[0]}")/transport_bench.py" "$@"
