#!/bin/bash
# ext4 on a volume, through nbdfuse and a loop device: what was written is there after unmounting,
# a crash of varved, and mounting again; and fsck finds nothing.
# shellcheck source-path=SCRIPTDIR source=../node.sh
source "$(dirname "${BASH_SOURCE[0]}")/../node.sh"

skip() { echo "SKIPPED: $*"; exit 77; }
[[ $EUID == 0 ]] || skip "mounting needs root"
[[ -c /dev/fuse ]] || skip "no /dev/fuse"
[[ -c /dev/loop-control ]] || skip "no loop devices"

loop=
# Not mountpoint(1): it fails where the server of a mount is dead, and that must be unmounted, too.
is_mounted() { grep -q " $1 " /proc/mounts; }
detach() {
  if is_mounted "$work/mounted"; then umount "$work/mounted"; fi
  [[ -z $loop ]] || losetup --detach "$loop"
  loop=
  if is_mounted "$work/fuse"; then fusermount3 -u "$work/fuse"; fi
  [[ -z ${nbdfuse_pid:-} ]] || wait "$nbdfuse_pid" || true
  nbdfuse_pid=
  client_pids=()
}

attach() {
  nbdfuse --pidfile "$work/nbdfuse.pid" "$work/fuse/disk" "$(uri vol)" 2>"$work/nbdfuse.log" &
  nbdfuse_pid=$!
  client_pids+=("$nbdfuse_pid")
  local deadline=$((SECONDS + 20))
  until [[ -s $work/nbdfuse.pid ]]; do # nbdfuse writes it when it serves
    kill -0 "$nbdfuse_pid" 2>/dev/null || fail "nbdfuse: $(cat "$work/nbdfuse.log")"
    ((SECONDS < deadline)) || fail "nbdfuse does not become ready"
    sleep 0.02
  done
  rm "$work/nbdfuse.pid"
  loop=$(losetup --find --show "$work/fuse/disk") || skip "no loop device can be set up"
}

node_make 1GiB
trap 'status=$?; set +e; detach; (exit "$status"); node_cleanup' EXIT
mkdir "$work/fuse" "$work/mounted"
node_start
varve volume create vol --size 256MiB >/dev/null

attach
mkfs.ext4 -q "$loop"
mount "$loop" "$work/mounted"
cp -a /usr/include/c++ "$work/mounted"
sync -f "$work/mounted"
rm -r "$work/mounted/c++/"*/bits
cp -a /usr/include/linux "$work/mounted"
fstrim "$work/mounted" || echo "fstrim: not through this chain"
(cd "$work/mounted" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/sums"
(($(wc -l <"$work/sums") > 100)) || fail "hardly a file was written"
detach

node_kill
node_start
attach
fsck.ext4 -f -n "$loop" >"$work/fsck.log" 2>&1 || fail "fsck: $(cat "$work/fsck.log")"
mount "$loop" "$work/mounted"
(cd "$work/mounted" && sha256sum --quiet --check "$work/sums") || fail "files changed"
detach
node_stop
echo "nbdfuse_ext4: $(wc -l <"$work/sums") files unharmed, fsck clean"
