#!/bin/bash
# fio writes and verifies through NBD: random, sequential, odd sizes, trims, several volumes at once.
# shellcheck source-path=SCRIPTDIR source=../node.sh
source "$(dirname "${BASH_SOURCE[0]}")/../node.sh"

run_fio() { # name, options...
  local name=$1
  shift
  fio --name="$name" --ioengine=nbd --verify=crc32c --verify_fatal=1 --randrepeat=0 \
    --minimal "$@" >"$work/fio.log" 2>&1 || { cat "$work/fio.log" >&2; fail "fio $name"; }
  echo "fio $name: verified"
}

node_make 1GiB
node_start
varve volume create vol --size 128MiB >/dev/null
varve volume create other --size 64MiB >/dev/null

run_fio random_4k --uri="$(uri vol)" --rw=randwrite --bs=4k --size=64m --iodepth=32
run_fio random_again --uri="$(uri vol)" --rw=randrw --bs=4k --size=64m --iodepth=128 --io_size=32m
run_fio sequential_1m --uri="$(uri vol)" --rw=write --bs=1m --size=128m --iodepth=8
run_fio mixed_sizes --uri="$(uri vol)" --rw=randwrite --bsrange=4k-256k --size=128m \
  --io_size=64m --iodepth=16
run_fio odd_sizes --uri="$(uri other)" --rw=randwrite --bsrange=512-12k --bs_unaligned=1 \
  --size=16m --io_size=4m --iodepth=16 --serialize_overlap=1
# One at a time: fio writes a block without waiting for its trim.
run_fio with_trims --uri="$(uri other)" --rw=randtrimwrite --bs=4k --size=2m --iodepth=1

# What was acknowledged before a crash verifies after it.
run_fio before_the_crash --uri="$(uri vol)" --rw=randwrite --bs=4k --size=32m --iodepth=32 \
  --do_verify=0 --randseed=17 --allrandrepeat=1
node_kill
node_start
run_fio after_the_crash --uri="$(uri vol)" --rw=randwrite --bs=4k --size=32m --iodepth=32 \
  --verify_only=1 --randseed=17 --allrandrepeat=1
node_stop
