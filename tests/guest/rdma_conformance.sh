#!/bin/bash
# The transport suite over RDMA, and at last the removal of the device.
#   tests/guest/rdma_conformance.sh PROGRAM [WHICH TESTS]     (inside a guest that with_rdma.sh has made ready)
set -euo pipefail
# Emulated, everything takes its time.
export VARVE_TRANSPORT_OPTIONS="allow_plaintext=true connect_timeout_ms=20000"
export VARVE_TRANSPORT_QUIET_MS=50
program=$1
shift
"$program" -d yes "$@"
"$program" -d yes '[.removal]'
