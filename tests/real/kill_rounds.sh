#!/bin/bash
# kill -9 of varved, again and again, under stamp load: nothing acknowledged may be lost, mixed or go
# back. Each round waits for a random number of acknowledged operations, kills in mid-write, starts
# varved again (in every fourth round after killing a recovery), and waits for stamp's next session. At
# the end every block is read and checked.
#   tests/real/kill_rounds.sh [--rounds 20 (500 with tests/run.sh --long)] [--depth 32] [--connections 4]
# shellcheck source-path=SCRIPTDIR source=node.sh
source "$(dirname "${BASH_SOURCE[0]}")/node.sh"

rounds=$((${VARVE_LONG:-0} ? 500 : 20)) depth=32 connections=4
while (($#)); do
  case "$1" in
    --rounds) rounds=$2; shift 2 ;;
    --depth) depth=$2; shift 2 ;;
    --connections) connections=$2; shift 2 ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

# Reads stamp's announcements up to the next one of this kind; its second word is in $number.
await() { # session|acknowledged
  local word
  while true; do
    read -r -t 60 -u "$announced" word number rest || fail "stamp announces nothing any more"
    [[ $word != "$1" ]] || return 0
  done
}

node_make 512MiB
node_start
varve volume create vol --size 128MiB >/dev/null

mkfifo "$work/announced"
"$bin/stamp" run "$(uri vol)" --journal "$work/journal" --depth "$depth" \
  --connections "$connections" --announce-every 50 --quiet >"$work/announced" &
stamp_pid=$!
client_pids+=("$stamp_pid")
exec {announced}<"$work/announced"
await session

worst_ms=0
for ((round = 1; round <= rounds; ++round)); do
  # 1 to 40 times 50 operations; always with more of them in flight at the kill.
  for ((more = 1 + RANDOM % 40; more > 0; --more)); do await acknowledged; done
  node_kill
  if ((round % 4 == 0)); then # recovery is killed, too, at a random moment
    node_launch
    sleep "0.0$((RANDOM % 6))"
    node_kill
  fi
  node_launch
  acknowledged=$number
  await session # "session N after M ms"
  [[ $rest =~ after\ ([0-9]+)\ ms ]] || fail "unexpected announcement: session $number $rest"
  ms=${BASH_REMATCH[1]}
  ((ms <= worst_ms)) || worst_ms=$ms
  echo "round $round: killed after $acknowledged acknowledged, serving again after $ms ms"
done
await acknowledged

kill -TERM "$stamp_pid"
grep -v -e '^acknowledged ' -e '^session ' <&"$announced" || true
wait "$stamp_pid" || fail "stamp: exit $?"

node_kill # once more, so that the last round is checked by a recovered store too
node_start
"$bin/stamp" verify "$(uri vol)" --journal "$work/journal" || fail "stamp verify"
node_stop
echo "kill_rounds: $rounds rounds, nothing lost, mixed or going back; serving again within $worst_ms ms"
