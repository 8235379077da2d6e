#!/bin/bash
# Odd sizes and offsets through libnbd's Python module, against a byte array.
# shellcheck source-path=SCRIPTDIR source=../node.sh
source "$(dirname "${BASH_SOURCE[0]}")/../node.sh"

node_make 256MiB
node_start
varve volume create vol --size 5000001 >/dev/null # rounded up to 4 KiB: 5001216
/usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/partial_blocks.py" "$(uri vol)" 5001216 \
  "$work/model" "${1:-$RANDOM}"
node_kill
node_start
nbdcopy "$(uri vol)" "$work/back"
cmp "$work/model" "$work/back"
node_stop
echo "partial_blocks: every byte as in the model, after a crash, too"
