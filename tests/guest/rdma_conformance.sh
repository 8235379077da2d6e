#!/bin/bash
# The transport suite over RDMA, and at last the removal of the device.
#   tests/guest/rdma_conformance.sh PROGRAM     (inside a guest that with_rdma.sh has made ready)
set -euo pipefail
# Emulated, everything takes its time.
export VARVE_TRANSPORT_OPTIONS="allow_plaintext=true connect_timeout_ms=20000"
export VARVE_TRANSPORT_QUIET_MS=50
"$1" -d yes
"$1" -d yes '[.removal]'
