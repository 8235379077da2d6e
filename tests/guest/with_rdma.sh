#!/bin/bash
# Runs a command in a guest that has an RDMA device without hardware: rxe on a network device that
# leads nowhere, with the addresses 10.9.0.1 to 10.9.0.3.
#   tests/guest/with_rdma.sh COMMAND [ARGUMENT...]     (inside a guest)
set -euo pipefail
modprobe -a dummy ib_uverbs rdma_rxe rdma_ucm
ip link add rdmanet type dummy
for i in 1 2 3; do ip address add "10.9.0.$i/24" dev rdmanet; done
# Larger than 4096 and what RoCE puts around it: messages travel in pieces of 4 KiB.
ip link set rdmanet mtu 4200 up
rdma link add rxe0 type rxe netdev rdmanet
exec "$@"
