# shellcheck shell=bash
# Sourced by the tests with a real varved: one node in a temporary directory.
#   node_make SIZE    directory $work, config $config, formatted disk group
#   node_start        starts varved and waits until it serves
#   node_kill         kill -9, as a crash of the process would
#   node_stop         SIGTERM; fails unless varved ends cleanly
# BUILD names the build directory (build/release). Everything is removed at exit.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${BUILD:-$repository/build/release}/bin
varved_pid=
client_pids=()

fail() {
  echo "FAILED: $*" >&2
  [[ -z ${work:-} || ! -f $work/varved.log ]] || tail -n 20 "$work/varved.log" >&2
  exit 1
}

node_cleanup() {
  local status=$? pid
  trap - EXIT
  for pid in ${varved_pid:-} "${client_pids[@]}"; do
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [[ -z ${work:-} ]] || rm -rf "$work"
  exit "$status"
}

varve() { "$bin/varve" --config "$config" "$@"; }

node_make() { # size
  # A short path (a unix socket's has at most 107 bytes) on the build's own disk: /tmp may be memory.
  work=$(mktemp -d /var/tmp/varve.XXXXXX)
  trap node_cleanup EXIT
  trap 'exit 130' INT TERM
  config=$work/node.toml
  socket=$work/nbd.sock
  cat >"$config" <<TOML
[node]
name = "test"
admin = "unix:$work/admin.sock"
[[disk_group]]
name = "disk0"
path = "$work/disk0"
[[service]]
plugin = "nbd"
listen = ["unix:$socket"]
TOML
  node_start
  varve disk add disk0 --size "$1" >"$work/disk_add.log" 2>&1 ||
    { cat "$work/disk_add.log" >&2; fail "varve disk add"; }
  node_stop
}

node_launch() {
  "$bin/varved" --config "$config" >>"$work/varved.log" 2>&1 &
  varved_pid=$!
}

node_await() {
  local deadline=$((SECONDS + 30))
  until varve -o json status 2>/dev/null | grep -q '"state": "ready"'; do
    kill -0 "$varved_pid" 2>/dev/null || fail "varved ended at its start"
    ((SECONDS < deadline)) || fail "varved does not become ready"
    sleep 0.02
  done
}

node_start() {
  node_launch
  node_await
}

node_kill() {
  kill -9 "$varved_pid"
  wait "$varved_pid" 2>/dev/null || true
  varved_pid=
}

node_stop() {
  kill -TERM "$varved_pid"
  wait "$varved_pid" || fail "varved did not end cleanly on SIGTERM (exit $?)"
  varved_pid=
}

uri() { echo "nbd+unix:///$1?socket=$socket"; }
