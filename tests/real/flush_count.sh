#!/bin/bash
# Acknowledged means flushed, as the kernel sees it, on a loop device with a write-back cache:
# 1. One batch in flight: the kernel counts at least one flush for each group commit.
# 2. Several in flight, where the kernel merges flushes: its trace shows for each batch a flush that
#    began after the batch was written and ended before it was acknowledged.
# 3. The same trace check must fail where no flush is asked for (durability "plp").
#   tests/real/flush_count.sh [--seconds 1]
# Needs root and the loop driver, and tracefs for 2 and 3; says what it skips (exit 77: everything).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bench=${BUILD:-$here/../../build/release}/bin/engine_bench
seconds=1
[[ ${1:-} != --seconds ]] || seconds=$2

work= disk= trace= mounted=
cleanup() {
  local status=$?
  trap - EXIT
  [[ -z $trace ]] || rmdir "$trace"
  [[ -z $mounted ]] || umount "$mounted"
  [[ -z $disk ]] || losetup --detach "$disk"
  [[ -z $work ]] || rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
fail() { echo "FAILED: $*" >&2; exit 1; }
skip() { echo "flush_count: skipped: $*"; exit 77; }

((EUID == 0)) || skip "needs root"
work=$(mktemp -d /var/tmp/varve.XXXXXX)
truncate -s 2GiB "$work/disk"
disk=$(losetup --find --show "$work/disk" 2>/dev/null) || skip "no loop device to be had"
stat=/sys/block/${disk#/dev/}/stat
[[ $(<"${stat%stat}queue/write_cache") == "write back" ]] || fail "$disk is not write back"

run() { # engine_bench options...
  "$bench" --file "$disk" --volume-mib 64 --seconds "$seconds" --json "$@"
}
value() { python3 -c 'import json,sys; print(int(json.loads(sys.argv[1])[sys.argv[2]]))' "$@"; }

for depth in 1 8 32; do
  result=$(run --depth "$depth" --batches-in-flight 1 --disk-stat "$stat")
  commits=$(value "$result" group_commits)
  flushes=$(value "$result" flushes)
  (($(value "$result" segments_cleaned) == 0)) || fail "cleaning was not idle"
  ((commits > 0)) || fail "depth $depth: no group commits"
  ((flushes >= commits)) || fail "depth $depth: $flushes flushes for $commits group commits"
  echo "depth $depth, one batch in flight: $commits group commits, $flushes flushes"
done

tracefs=/sys/kernel/tracing
if [[ ! -e $tracefs/instances ]]; then
  mount -t tracefs none "$tracefs" 2>/dev/null || { echo "no tracefs: traces not checked"; exit 0; }
  mounted=$tracefs
fi
trace=$tracefs/instances/varve_flush_count.$$
mkdir "$trace"
echo mono >"$trace/trace_clock"
echo 32768 >"$trace/buffer_size_kb"

traced() { # engine_bench options...
  local event
  echo >"$trace/trace"
  for event in block/block_bio_queue block/block_rq_complete block/block_rq_issue \
    io_uring/io_uring_complete io_uring/io_uring_submit_req; do
    echo 1 >"$trace/events/$event/enable"
  done
  run --trace-marker "$trace/trace_marker" "$@" >/dev/null
  echo 0 >"$trace/events/enable"
  ! grep -h -E '^(commit )?overrun: [1-9]' "$trace"/per_cpu/*/stats || fail "the trace overran"
  python3 "$here/flush_trace.py" "$trace/trace" "$(<"/sys/block/${disk#/dev/}/dev")"
}

for depth in 8 32; do
  traced --depth "$depth" --batches-in-flight 4 || fail "depth $depth"
done
! traced --depth 8 --batches-in-flight 4 --plp >"$work/plp" || fail "plp: $(<"$work/plp")"
echo "without flushes: $(<"$work/plp") (as it must be)"
