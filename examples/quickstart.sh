#!/bin/bash
# A cluster of three varved on this machine, from nothing to volumes that survive kill -9:
#   examples/quickstart.sh [--etcd] [--keep]
# Installs what is missing (Debian 12 or 13, root or sudo), builds, starts three daemons on files, makes
# them one cluster, copies an ext4 image of 2 GiB in through one node and compares it back through
# another, runs fio with verify, kills one node after the other in mid-write while the load goes on, the
# one that serves it among them, kills all three, starts them again and checks every acknowledged block.
# Prints what it did and measured, and leaves nothing behind. All volumes have three copies. --keep
# leaves the cluster up and says how to use it. --etcd: the cluster's records are in an etcd of three
# members, which the script starts, too; without it they are in a file.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"

keep= etcd=
for option in "$@"; do
  case "$option" in
    --keep) keep=yes ;;
    --etcd) etcd=yes ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

bin=$repository/build/release/bin
tree=/usr/include # any real directory tree would do; every machine that builds has this one
work=             # of each node a folder: store, config, log
pids=()           # of the daemons, by the node's number
etcd_pids=()
records='use = "metadata_sqlite"' # what [metadata] has
stamp_pid=
announced= word='' number=0 rest='' # what stamp says
current=start
PATH=$PATH:/usr/sbin:/sbin # mkfs.ext4 and e2fsck, also without root
data_bytes=0 # of the image, without its holes
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
cpu_ms() { # that the daemons have taken since they were started
  local pid fields ticks=0
  for pid in "${pids[@]}"; do
    read -ra fields <"/proc/$pid/stat"
    ticks=$((ticks + fields[13] + fields[14]))
  done
  echo $((ticks * 1000 / $(getconf CLK_TCK)))
}
varve() { "$bin/varve" --config "$work/n1/node.toml" "$@"; }
varve_on() { "$bin/varve" --config "$work/n$1/node.toml" "${@:2}"; } # node, arguments
uri() { echo "nbd+unix:///$1?socket=$work/n$2/nbd.sock"; }           # volume, node

clean() {
  local status=$? pid
  trap - EXIT
  if ((status != 0)); then
    echo "quickstart: FAILED in step: $current" >&2
    [[ -z $work ]] || tail -n 20 "$work"/n?/varved.log >&2 || true
  fi
  [[ -z $stamp_pid ]] || kill -9 "$stamp_pid" 2>/dev/null || true
  if [[ -z $keep || $status != 0 ]]; then
    for pid in "${pids[@]}" "${etcd_pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    [[ -z $work ]] || rm -rf "$work"
  fi
  exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

launch() { # node
  # In a session of its own: neither Ctrl-C here nor the end of the terminal is meant for it.
  setsid "$bin/varved" --config "$work/n$1/node.toml" >>"$work/n$1/varved.log" 2>&1 </dev/null &
  pids[$1]=$!
}
crash() { # node
  kill -9 "${pids[$1]}"
  wait "${pids[$1]}" 2>/dev/null || true
  unset "pids[$1]"
}
await_status() { # node, what status must say
  local deadline=$((SECONDS + 60))
  until varve_on "$1" -o json status 2>/dev/null | grep -q "$2"; do
    kill -0 "${pids[$1]}" 2>/dev/null || die "varved of node $1 ended"
    ((SECONDS < deadline)) || die "node $1 does not say $2"
    sleep 0.02
  done
}
await_ready() { await_status "$1" '"state": "ready"'; } # node
# A client has gone; the node gives the volume back a moment later.
await_free() { # volume
  local deadline=$((SECONDS + 60))
  until varve volume show "$1" | grep -q "no node"; do
    ((SECONDS < deadline)) || die "volume $1 is not detached"
    sleep 0.02
  done
}
# fio's JSON: a value of the first job, rounded down.
fio_value() { # file, write|read, key
  python3 -c 'import json,sys
print(int(json.load(open(sys.argv[1]))["jobs"][0][sys.argv[2]][sys.argv[3]]))' "$@"
}
# Copies the volume "image" out; it must equal what was copied in and be a sound file system.
compare_image() { # node
  local start
  await_free image
  start=$(now_us)
  nbdcopy "$(uri image "$1")" "$work/image.back"
  copied_out=$(rate "$data_bytes" "$start")
  cmp "$work/image" "$work/image.back" || die "the image came back different"
  e2fsck -fn "$work/image.back" >"$work/fsck" 2>&1 || die "e2fsck: $(cat "$work/fsck")"
  rm "$work/image.back"
}

# ---- the steps

build() { cmake --build --preset release --target varved varve plugin_nbd plugin_tcp \
  plugin_metadata_sqlite plugin_metadata_etcd stamp; }

prepare_machine() {
  step 1 "install what is missing"
  tests/setup.sh --build-only
  if [[ -n $etcd ]] && ! command -v etcd >/dev/null; then tests/setup.sh; fi # it is among the tests' packages
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

free_ports() { # count
  python3 -c 'import socket, sys
taken = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in taken: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in taken))' "$1"
}

write_config() { # node, port
  mkdir "$work/n$1"
  cat >"$work/n$1/node.toml" <<TOML
[node]
name = "n$1"
admin = "unix:$work/n$1/admin.sock"

[metadata]
$records

[transport]
use = "tcp"
listen = "127.0.0.1:$2"

[[disk_group]]
name = "disk0"
path = "$work/n$1/disk0"

[[service]]
plugin = "nbd"
listen = ["unix:$work/n$1/nbd.sock"]
TOML
}

start_etcd() {
  local ports member peers='' urls=''
  read -ra ports < <(free_ports 6)
  for member in 0 1 2; do
    peers+="${peers:+,}m$member=http://127.0.0.1:${ports[member + 3]}"
    urls+="${urls:+, }\"http://127.0.0.1:${ports[member]}\""
  done
  for member in 0 1 2; do
    local url=http://127.0.0.1:${ports[member]} peer=http://127.0.0.1:${ports[member + 3]}
    setsid etcd --name "m$member" --data-dir "$work/etcd$member" --listen-client-urls "$url" \
      --advertise-client-urls "$url" --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
      --initial-cluster "$peers" --max-request-bytes 6291456 --logger zap --log-level error \
      >"$work/etcd$member.log" 2>&1 </dev/null &
    etcd_pids+=($!)
  done
  for member in 0 1 2; do await_etcd "$member" "${ports[member]}"; done
  records="use = \"metadata_etcd\"
endpoints = [$urls]"
}
await_etcd() { # member, port
  local deadline=$((SECONDS + 60))
  until ETCDCTL_API=3 etcdctl --endpoints "http://127.0.0.1:$2" endpoint health &>/dev/null; do
    kill -0 "${etcd_pids[$1]}" 2>/dev/null || die "etcd ended: $(tail -n 5 "$work/etcd$1.log")"
    ((SECONDS < deadline)) || die "etcd does not answer"
    sleep 0.1
  done
}

make_cluster() {
  step 3 "start three varved, make them one cluster, a disk group in a file on each"
  # Short, because a unix socket's path has at most 107 bytes; not /tmp, which may be memory.
  work=$(mktemp -d /var/tmp/varve.XXXXXX)
  local ports node start
  records+=$'\n'"path = \"$work/cluster.db\""
  [[ -z $etcd ]] || start_etcd
  read -ra ports < <(free_ports 3)
  for node in 1 2 3; do
    write_config "$node" "${ports[node - 1]}"
    launch "$node"
  done
  await_status 1 "waiting for varve cluster init"
  varve cluster init --copies 3
  for node in 1 2 3; do await_ready "$node"; done
  start=$(now_us)
  for node in 1 2 3; do varve_on "$node" disk add disk0 --size 1536MiB; done
  row "three disk groups, written once through" "$(rate $((3 * 1536 << 20)) "$start")"
  varve node list
}

make_image() {
  step 4 "make an ext4 image of $tree"
  local file_count
  file_count=$(find "$tree" | wc -l)
  truncate -s 2GiB "$work/image"
  mkfs.ext4 -q -F -N $((file_count + 1000)) -d "$tree" "$work/image"
  data_bytes=$(($(du -k "$work/image" | cut -f1) * 1024))
  row "ext4 image of 2 GiB" "$(mib "$data_bytes") in $file_count files"
}

copy_image() {
  step 5 "copy the image in through node 1, compare it through node 3"
  local start cpu
  varve volume create image --size 2GiB >/dev/null
  start=$(now_us) cpu=$(cpu_ms)
  nbdcopy "$work/image" "$(uri image 1)"
  row "nbdcopy in, three copies" "$(rate "$data_bytes" "$start")"
  row "  CPU time of the three daemons" "$(($(cpu_ms) - cpu)) ms"
  cpu=$(cpu_ms)
  compare_image 3
  row "nbdcopy out, through another node" "$copied_out"
  row "  CPU time of the three daemons" "$(($(cpu_ms) - cpu)) ms"
  row "compared (cmp, e2fsck)" "equal and sound"
}

run_fio() {
  step 6 "fio with verify"
  varve volume create fio --size 128MiB >/dev/null
  local cpu job=(fio --name=verify --ioengine=nbd "--uri=$(uri fio 1)" --size=128m --bs=4k --iodepth=32
    --rw=randwrite --verify=crc32c --output-format=json "--aux-path=$work")
  cpu=$(cpu_ms)
  "${job[@]}" --output="$work/fio.json" || die "fio: $(tail -n 5 "$work/fio.json")"
  row "fio random write 4 KiB, depth 32" "$(fio_value "$work/fio.json" write iops) IOPS"
  row "fio verifying read 4 KiB, depth 32" "$(fio_value "$work/fio.json" read iops) IOPS"
  row "  CPU time of the three daemons" "$((($(cpu_ms) - cpu) * 1000 / 65536)) us for each of 65536 operations"
}

# Reads what stamp announces up to so many acknowledged operations; sets $word, $number, $rest.
await_acknowledged() { # count
  until [[ $word == acknowledged && $number -ge $1 ]]; do
    read -r -t 60 -u "$announced" word number rest || die "stamp does not get on"
  done
}

# The load goes on without the node, which then comes back.
kill_in_mid_write() { # node
  local killed_after=$number start
  crash "$1"
  start=$(now_us)
  await_acknowledged $((killed_after + 2000))
  row "node $1 killed after" "$killed_after acknowledged operations, 32 in flight"
  row "  2000 further operations without it" "$((($(now_us) - start) / 1000)) ms"
  launch "$1"
  await_status "$1" '"problems": \[\]'
  row "  back, all copies in sync" "$((($(now_us) - start) / 1000)) ms after the kill"
}
# It comes back as fast as it can, and the client to it.
kill_the_serving() { # node
  local killed_after=$number start
  crash "$1"
  start=$(now_us)
  launch "$1"
  await_session
  row "node $1, which serves, killed after" "$killed_after acknowledged operations, 32 in flight"
  row "  serving again" "$rest"
  await_status "$1" '"problems": \[\]'
  row "  back, all copies in sync" "$((($(now_us) - start) / 1000)) ms after the kill"
  await_acknowledged $((killed_after + 2000))
}
await_session() {
  until [[ $word == session ]]; do
    read -r -t 60 -u "$announced" word number rest || die "the cluster does not come back"
  done
}

kill_one_after_the_other() {
  step 7 "load that checks itself through node 2, kill -9 of each node in mid-write"
  varve_on 2 volume create stamp --size 256MiB >/dev/null
  mkfifo "$work/announced"
  "$bin/stamp" run "$(uri stamp 2)" --journal "$work/journal" --depth 32 --connections 4 \
    --announce-every 500 --quiet >"$work/announced" &
  stamp_pid=$!
  exec {announced}<"$work/announced"
  await_acknowledged 2000
  kill_in_mid_write 1
  kill_the_serving 2
  kill_in_mid_write 3
}
value() { awk -v name="$1" '$1 == name { print $2 }' "$2"; }

kill_all() {
  step 8 "kill -9 of all three in mid-write, start again, verify everything acknowledged"
  local node
  for node in 1 2 3; do crash "$node"; done
  for node in 1 2 3; do launch "$node"; done
  await_session
  row "all killed, serving again" "$rest"
  await_acknowledged 1
  kill -TERM "$stamp_pid"
  cat <&"$announced" >"$work/stamp.summary"
  exec {announced}<&-
  wait "$stamp_pid" || die "stamp found violations"
  stamp_pid=
  await_free stamp
  "$bin/stamp" verify "$(uri stamp 3)" --journal "$work/journal" --quiet >"$work/stamp.verify" ||
    die "stamp verify: $(cat "$work/stamp.verify")"
  row "acknowledged blocks verified" "$(value acknowledged_blocks "$work/stamp.verify"), all right"
  compare_image 2
  row "image compared again" "equal and sound"
  await_free fio
  fio --name=verify --ioengine=nbd "--uri=$(uri fio 3)" --size=128m --bs=4k --iodepth=32 \
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

The cluster is up (pids ${pids[*]}, logs $work/n?/varved.log). Use it, through any of n1, n2 and n3:
  $bin/varve --config $work/n1/node.toml status
  $bin/varve --config $work/n1/node.toml volume create mine --size 1GiB
  nbdinfo '$(uri mine 1)'
  nbdcopy FILE '$(uri mine 2)'
Stop it and remove everything:
  kill ${pids[*]} ${etcd_pids[*]}; rm -r $work
HELP
    return
  fi
  local node
  kill -TERM "${pids[@]}"
  for node in 1 2 3; do
    wait "${pids[$node]}" || die "varved of node $node did not end cleanly (exit $?)"
    unset "pids[$node]"
  done
  [[ -z $etcd ]] || kill -TERM "${etcd_pids[@]}"
}

prepare_machine
make_cluster
make_image
copy_image
run_fio
kill_one_after_the_other
kill_all
finish
