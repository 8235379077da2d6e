#!/bin/bash
# Runs the conformance suite on a transport plugin, one of Varve's or anybody's:
#   tests/conformance/transport/run.sh [--two-processes] PLUGIN.so LISTEN-ADDRESS [arguments of the test program]
# LISTEN-ADDRESS is what the plugin's listen takes, and what many listeners in a row can be opened on.
# --two-processes: the two sides are in two processes, and some tests kill one.
# BUILD names the build directory (build/release).
set -euo pipefail
two=
if [[ ${1:-} == --two-processes ]]; then
  two=yes
  shift
fi
[[ $# -ge 2 ]] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
VARVE_TRANSPORT_PLUGIN=$(realpath "$1")
VARVE_TRANSPORT_LISTEN=$2
export VARVE_TRANSPORT_PLUGIN VARVE_TRANSPORT_LISTEN
shift 2
suite=${BUILD:-$(dirname "${BASH_SOURCE[0]}")/../../../build/release}/bin/conformance_transport_loopback
[[ -n $two ]] || exec "$suite" "$@"

coproc server { exec setpriv --pdeathsig KILL "$suite" --serve-side 127.0.0.1:0; }
trap 'kill ${server_PID:-} 2>/dev/null || true' EXIT
read -r _ _ _ VARVE_TRANSPORT_REMOTE <&"${server[0]}"
export VARVE_TRANSPORT_REMOTE
"$suite" "$@"
(($#)) || "$suite" '[.remote]'
