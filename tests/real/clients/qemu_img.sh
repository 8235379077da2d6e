#!/bin/bash
# qemu-img copies a real ext4 image in, finds no difference, and copies it out again.
# shellcheck source-path=SCRIPTDIR source=../node.sh
source "$(dirname "${BASH_SOURCE[0]}")/../node.sh"
# shellcheck source-path=SCRIPTDIR source=ext4_image.sh
source "$(dirname "${BASH_SOURCE[0]}")/ext4_image.sh"

node_make 1GiB
node_start
image=$work/image
ext4_image "$image"
varve volume create vol --size 192MiB >/dev/null

qemu-img convert -n -f raw -O raw "$image" "$(uri vol)"
qemu-img compare -f raw -F raw "$image" "$(uri vol)"
node_kill # what was copied is durable
node_start
qemu-img compare -f raw -F raw "$image" "$(uri vol)"

# qcow2 needs small metadata writes inside the volume.
varve volume create qcow --size 256MiB >/dev/null
qemu-img create -q -f qcow2 "$(uri qcow)" 192M
qemu-img convert -n -f raw -O qcow2 "$image" "$(uri qcow)"
qemu-img check -q -f qcow2 "$(uri qcow)"
qemu-img compare -f raw -F qcow2 "$image" "$(uri qcow)"

qemu-img convert -f raw -O raw "$(uri vol)" "$work/back"
cmp "$image" "$work/back"
fsck.ext4 -f -n "$work/back" >/dev/null 2>&1 || fail "fsck.ext4 of what came back"
node_stop
echo "qemu_img: copied in, compared raw and qcow2, copied out"
