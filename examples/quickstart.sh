#!/bin/bash
# One node of Varve, from nothing to a store that survives kill -9, with real clients:
#   examples/quickstart.sh [--keep]
# Installs what is missing (Debian 12 or 13, root or sudo), builds, starts varved on a file, creates
# volumes, copies an ext4 image in and compares it back, runs fio with verify, kills the daemon in
# mid-write, starts it again and checks every acknowledged block. Prints what it did and measured,
# and leaves nothing behind. --keep leaves the node up and says how to use it.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"

keep=
case "${1:-}" in
  '') ;;
  --keep) keep=yes ;;
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

bin=$repository/build/release/bin
tree=/usr/include # any real directory tree would do; every machine that builds has this one
work=             # store, config, log
varved_pid=
stamp_pid=
current=start
PATH=$PATH:/usr/sbin:/sbin # mkfs.ext4 and e2fsck, also without root
copied_out= # how fast
rows=()     # "what|measured" of the table

# ---- small tools

step() { # number, name
  current=$2
  echo "[$1/9] $2"
}
row() { rows+=("$1|$2"); }
die() { echo "quickstart: $*" >&2; exit 1; }
now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
mib() { echo "$((($1 + 1048575) / 1048576)) MiB"; }
rate() { # bytes, start in microseconds
  local took=$(($(now_us) - $2))
  echo "$(mib "$1") in $((took / 1000000)).$(printf %02d $((took / 10000 % 100))) s, $(($1 / (took + 1))) MB/s"
}
varve() { "$bin/varve" --config "$work/node.toml" "$@"; }
uri() { echo "nbd+unix:///$1?socket=$work/nbd.sock"; }

clean() {
  local status=$?
  trap - EXIT
  if ((status != 0)); then
    echo "quickstart: FAILED in step: $current" >&2
    [[ -z $work || ! -f $work/varved.log ]] || tail -n 20 "$work/varved.log" >&2
  fi
  [[ -z $stamp_pid ]] || kill -9 "$stamp_pid" 2>/dev/null || true
  if [[ -z $keep || $status != 0 ]]; then
    [[ -z $varved_pid ]] || kill -9 "$varved_pid" 2>/dev/null || true
    wait 2>/dev/null || true
    [[ -z $work ]] || rm -rf "$work"
  fi
  exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

launch() {
  # In a session of its own: neither Ctrl-C here nor the end of the terminal is meant for it.
  setsid "$bin/varved" --config "$work/node.toml" >>"$work/varved.log" 2>&1 </dev/null &
  varved_pid=$!
}
await_ready() {
  local deadline=$((SECONDS + 60))
  until varve -o json status 2>/dev/null | grep -q '"state": "ready"'; do
    kill -0 "$varved_pid" 2>/dev/null || die "varved ended"
    ((SECONDS < deadline)) || die "varved does not become ready"
    sleep 0.02
  done
}
# fio's JSON: a value of the first job, rounded down.
fio_value() { # file, write|read, key
  python3 -c 'import json,sys
print(int(json.load(open(sys.argv[1]))["jobs"][0][sys.argv[2]][sys.argv[3]]))' "$@"
}
# Copies the volume "image" out; it must equal what was copied in and be a sound file system.
compare_image() {
  local start
  start=$(now_us)
  nbdcopy "$(uri image)" "$work/image.back"
  copied_out=$(rate "$(stat -c %s "$work/image")" "$start")
  cmp "$work/image" "$work/image.back" || die "the image came back different"
  e2fsck -fn "$work/image.back" >"$work/fsck" 2>&1 || die "e2fsck: $(cat "$work/fsck")"
  rm "$work/image.back"
}

# ---- the steps

build() { cmake --build --preset release --target varved varve plugin_nbd stamp; }

prepare_machine() {
  step 1 "install what is missing"
  tests/setup.sh --build-only
  step 2 "build (release)"
  local start output
  start=$(now_us)
  output=$(cmake --preset release 2>&1) || die "$output"
  if [[ -t 1 ]]; then # ninja shows its progress in one line
    build
  else
    output=$(build 2>&1) || die "$output"
  fi
  row "build" "$((($(now_us) - start) / 1000000)) s"
}

make_node() {
  step 3 "make a disk group in a file and start varved"
  # Short, because a unix socket's path has at most 107 bytes; not /tmp, which may be memory.
  work=$(mktemp -d /var/tmp/varve.XXXXXX)
  cat >"$work/node.toml" <<TOML
[node]
name = "quickstart"
admin = "unix:$work/admin.sock"

[[disk_group]]
name = "disk0"
path = "$work/disk0"

[[service]]
plugin = "nbd"
listen = ["unix:$work/nbd.sock"]
TOML
  launch
  await_ready
  local start
  start=$(now_us)
  varve disk add disk0 --size 2GiB
  row "disk group, written once through" "$(rate $((2 << 30)) "$start")"
}

make_image() {
  step 4 "make an ext4 image of $tree"
  local tree_kib file_count image_bytes
  tree_kib=$(du -sk "$tree" | cut -f1)
  file_count=$(find "$tree" | wc -l)
  image_bytes=$(((tree_kib * 17 / 16 / 1024 + 48) << 20))
  truncate -s "$image_bytes" "$work/image"
  mkfs.ext4 -q -F -N $((file_count + 1000)) -d "$tree" "$work/image"
  row "ext4 image" "$(mib "$image_bytes"), $file_count files"
}

copy_image() {
  step 5 "copy the image into a volume and compare it back"
  local bytes start
  bytes=$(stat -c %s "$work/image")
  varve volume create image --size "$bytes" >/dev/null
  start=$(now_us)
  nbdcopy "$work/image" "$(uri image)"
  row "nbdcopy in" "$(rate "$bytes" "$start")"
  compare_image
  row "nbdcopy out" "$copied_out"
  row "compared (cmp, e2fsck)" "equal and sound"
}

run_fio() {
  step 6 "fio with verify"
  varve volume create fio --size 128MiB >/dev/null
  local job=(fio --name=verify --ioengine=nbd "--uri=$(uri fio)" --size=128m --bs=4k --iodepth=32
    --rw=randwrite --verify=crc32c --output-format=json "--aux-path=$work")
  "${job[@]}" --output="$work/fio.json" || die "fio: $(tail -n 5 "$work/fio.json")"
  row "fio random write 4 KiB, depth 32" "$(fio_value "$work/fio.json" write iops) IOPS"
  row "fio verifying read 4 KiB, depth 32" "$(fio_value "$work/fio.json" read iops) IOPS"
}

kill_in_mid_write() {
  step 7 "load that checks itself, kill -9 in mid-write, start again"
  varve volume create stamp --size 256MiB >/dev/null
  mkfifo "$work/announced"
  "$bin/stamp" run "$(uri stamp)" --journal "$work/journal" --seconds 6 --depth 32 --connections 4 \
    --announce-every 1000 --quiet >"$work/announced" &
  stamp_pid=$!
  local announced word number rest
  exec {announced}<"$work/announced"
  until [[ ${word:-} == acknowledged && $number -ge 5000 ]]; do
    read -r -t 60 -u "$announced" word number rest || die "stamp does not get on"
  done
  row "killed after" "$number acknowledged operations, 32 in flight"
  kill -9 "$varved_pid"
  wait "$varved_pid" 2>/dev/null || true
  launch
  until [[ $word == session ]]; do
    read -r -t 60 -u "$announced" word number rest || die "varved does not come back"
  done
  row "serving again" "$rest"
  cat <&"$announced" >"$work/stamp.summary"
  exec {announced}<&-
  wait "$stamp_pid" || die "stamp found violations"
  stamp_pid=
  row "load that checks itself" "$(value operations_per_second "$work/stamp.summary") operations/s"
}
value() { awk -v name="$1" '$1 == name { print $2 }' "$2"; }

verify_all() {
  step 8 "kill -9 again, start again, verify everything acknowledged"
  kill -9 "$varved_pid"
  wait "$varved_pid" 2>/dev/null || true
  launch
  await_ready
  "$bin/stamp" verify "$(uri stamp)" --journal "$work/journal" --quiet >"$work/stamp.verify" ||
    die "stamp verify: $(cat "$work/stamp.verify")"
  row "acknowledged blocks verified" "$(value acknowledged_blocks "$work/stamp.verify"), all right"
  compare_image
  row "image compared again" "equal and sound"
  fio --name=verify --ioengine=nbd "--uri=$(uri fio)" --size=128m --bs=4k --iodepth=32 \
    --rw=randwrite --verify=crc32c --verify_only --output="$work/fio.txt" "--aux-path=$work" ||
    die "fio --verify_only: $(tail -n 5 "$work/fio.txt")"
  row "fio verified again" "128 MiB"
}

finish() {
  step 9 "what was done and measured"
  local line
  for line in "${rows[@]}"; do printf '  %-36s %s\n' "${line%%|*}" "${line#*|}"; done
  if [[ -n $keep ]]; then
    cat <<HELP

The node is up (pid $varved_pid, log $work/varved.log). Use it:
  $bin/varve --config $work/node.toml status
  $bin/varve --config $work/node.toml volume create mine --size 1GiB
  nbdinfo '$(uri mine)'
  nbdcopy FILE '$(uri mine)'
Stop it and remove everything:
  kill $varved_pid; rm -r $work
HELP
    return
  fi
  kill -TERM "$varved_pid"
  wait "$varved_pid" || die "varved did not end cleanly (exit $?)"
  varved_pid=
}

prepare_machine
make_node
make_image
copy_image
run_fio
kill_in_mid_write
verify_all
finish
