#!/bin/bash
# One half of two_guests_test.py: the left one runs the tests, the right one does what they say.
#   tests/guest/two_guests_side.sh BUILD left|right rdma|tcp [arguments of the suite's program]     (inside a guest with two wires)
set -euo pipefail
build=$1 place=$2 transport=$3
shift 3
modprobe virtio_net
until [[ -e /sys/class/net/eth0 && -e /sys/class/net/eth1 ]]; do sleep 0.1; done
host=1
[[ $place == left ]] || host=2
ip address add "10.7.0.$host/24" dev eth0
ip address add "10.8.0.$host/24" dev eth1
ip link set eth0 up
ip link set eth1 up
if [[ $transport == rdma ]]; then
  modprobe -a ib_uverbs rdma_rxe rdma_ucm
  rdma link add rxe0 type rxe netdev eth0
fi
export VARVE_TRANSPORT_PLUGIN=$build/lib/varve/plugins/$transport.so
suite=$build/bin/conformance_transport_loopback
[[ $place == left ]] || exec "$suite" --serve-side 10.8.0.2:7000

export VARVE_TRANSPORT_REMOTE=10.8.0.2:7000 VARVE_TRANSPORT_LISTEN=10.7.0.2:0
# Emulated, everything takes its time.
export VARVE_TRANSPORT_OPTIONS="allow_plaintext=true connect_timeout_ms=20000 keepalive_s=1"
# One that has as much to send as it can take takes nothing meanwhile.
[[ $transport == rdma ]] || VARVE_TRANSPORT_OPTIONS+=" user_timeout_ms=30000"
export VARVE_TRANSPORT_QUIET_MS=50
# Without a word to anybody: after an `ip link set down` rxe does not work any more.
export VARVE_TRANSPORT_CUT="tc qdisc add dev eth0 root netem loss 100% &&
  tc qdisc add dev eth0 ingress && tc filter add dev eth0 ingress matchall action drop"
export VARVE_TRANSPORT_MEND="tc qdisc del dev eth0 root && tc qdisc del dev eth0 ingress"
until (exec 3<>/dev/tcp/10.8.0.2/7000) 2>/dev/null; do sleep 0.2; done # it boots, too
if (($#)); then exec "$suite" -d yes "$@"; fi
"$suite" -d yes
"$suite" -d yes '[.remote]'
"$suite" -d yes '[.cut]'
