#!/bin/bash
# TLS whose records the kernel makes: streams of both kinds, then the transport suite over TCP; the kernel
# must say that it did it.
#   tests/guest/kernel_tls.sh STREAM-TESTS TRANSPORT-TESTS     (inside a guest)
set -euo pipefail
modprobe -a tls aesni-intel
counted() { awk -v what="$1" '$1 == what {print $2}' /proc/net/tls_stat; }

VARVE_KERNEL_TLS=1 "$1" -d yes -# '[#kernel_test]'
before=$(counted TlsTxSw)
[[ $before -gt 0 ]]

# Emulated, everything takes its time. Left out is what waits for strangers.
export VARVE_TRANSPORT_OPTIONS="kernel_tls=true connect_timeout_ms=20000 user_timeout_ms=60000"
export VARVE_TRANSPORT_QUIET_MS=20
"$2" -d yes '~"many half-open*"~"a peer that says nothing*"'
echo "sockets whose records the kernel made: streams $before, transport $(($(counted TlsTxSw) - before))"
[[ $(counted TlsTxSw) -gt $((before + 100)) && $(counted TlsCurrTxSw) -eq 0 ]]
