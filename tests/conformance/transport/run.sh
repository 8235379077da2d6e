#!/bin/bash
# Runs the conformance suite on a transport plugin, one of Varve's or anybody's:
#   tests/conformance/transport/run.sh PLUGIN.so LISTEN-ADDRESS [arguments of the test program]
# LISTEN-ADDRESS is what the plugin's listen takes, and what many listeners in a row can be opened on.
# BUILD names the build directory (build/release).
set -euo pipefail
[[ $# -ge 2 ]] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
plugin=$(realpath "$1")
address=$2
shift 2
bin=${BUILD:-$(dirname "${BASH_SOURCE[0]}")/../../../build/release}/bin
VARVE_TRANSPORT_PLUGIN=$plugin VARVE_TRANSPORT_LISTEN=$address \
  exec "$bin/conformance_transport_loopback" "$@"
