#!/bin/bash
# Checks the models in core/replication/model: the protocol as it is has no error in any state, each
# rule left out has one, and what the protocol is for is reached. One line each.
#   tests/model/check.sh [name...]   only those
set -euo pipefail
models=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../core/replication/model" && pwd)
for tool in spin gcc; do
  command -v $tool >/dev/null || { echo "check: no $tool: tests/setup.sh installs it" >&2; exit 1; }
done

# name, model, what to find, defines. clean: every state searched, no error; broken: an error.
runs() {
  cat <<'LIST'
group            group  clean
group_no_1a      group  broken  -DNO_RULE_1A
group_no_1b      group  broken  -DNO_RULE_1B
group_no_1c      group  broken  -DNO_RULE_1C
group_no_1d      group  broken  -DNO_RULE_1D
group_no_2a      group  broken  -DNO_RULE_2A
group_no_2b      group  broken  -DNO_RULE_2B
group_no_3a      group  broken  -DNO_RULE_3A
group_no_7       group  broken  -DNO_RULE_7
group_take_over  group  broken  -DREACH=TAKE_OVER_DONE
group_admitted   group  broken  -DREACH=ADMITTED
group_settled    group  broken  -DREACH=SETTLED
group_unknown    group  broken  -DREACH=UNKNOWN_RESULT
group_refused    group  broken  -DREACH=REFUSED
group_read       group  broken  -DREACH=READ_UNDER_LEASE
group_late       group  broken  -DREACH=LATE_RESULT
group_parted     group  broken  -DREACH=PARTED
group_blackout   group  broken  -DREACH=BLACKOUT_SERVED
group_held_back  group  broken  -DREACH=HELD_BACK
group_returned   group  broken  -DREACH=RETURNED
group_grace      group  broken  -DAS_WRITTEN_1
loss             group  clean   -DLOSS -DRESTARTS=0
loss_no_3b       group  broken  -DLOSS -DRESTARTS=0 -DNO_RULE_3B
loss_own_value   group  broken  -DLOSS -DRESTARTS=0 -DAS_WRITTEN_2
attach           attach clean   -DRESTARTS=0
attach_learner   attach clean   -DSTART=3 -DEPOCHS=3 -DWRITES=1 -DRESTARTS=0
attach_no_4a     attach broken  -DNO_RULE_4A
attach_no_4b     attach broken  -DNO_RULE_4B
attach_no_4c     attach broken  -DNO_RULE_4C
attach_no_4d     attach broken  -DNO_RULE_4D
attach_no_4e     attach broken  -DNO_RULE_4E
attach_no_4f     attach broken  -DNO_RULE_4F
attach_no_order  attach broken  -DNO_ORDER
attach_catalog   attach broken  -DSTART=3 -DEPOCHS=3 -DWRITES=1 -DRESTARTS=0 -DAS_WRITTEN_4
attach_returned  attach broken  -DREACH=ATTACHED
attach_fenced    attach broken  -DREACH=FENCED
attach_office    attach broken  -DREACH=OTHER_OFFICE
attach_old_link  attach broken  -DREACH=OLD_CONNECTION
attach_wrote     attach broken  -DREACH=WROTE_AFTER_ATTACH
attach_caught_up attach broken  -DSTART=3 -DEPOCHS=3 -DREACH=CAUGHT_UP
LIST
}

check() { # name model expected defines...
  local name=$1 model=$2 expected=$3 begin=$EPOCHREALTIME found states
  shift 3
  mkdir "$work/$name"
  cd "$work/$name"
  spin "$@" -a "$models/$model.pml" >spin.log 2>&1 || { cat spin.log; return 1; }
  gcc -O1 -w -DSAFETY -DNOREDUCE -DMEMLIM=3500 -o pan pan.c
  ./pan -n -m2000 -w22 >pan.log 2>&1 || true
  # An error that counts is an assertion; a search that was cut short never counts as clean.
  found=clean
  if ! grep -q 'errors: 0$' pan.log; then
    found=broken
    grep -q '^pan:1: assertion violated' pan.log || found=failed
  elif grep -qE 'not completed|max search depth too small|out of memory' pan.log; then
    found=failed
  fi
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
  printf '%-18s %-7s %12s states %4d s\n' "$name" "$found" "${states:-?}" \
    $(((${EPOCHREALTIME/./} - ${begin/./}) / 1000000))
  [[ $found == "$expected" ]] && { cd "$work"; rm -r "${work:?}/$name"; return 0; }
  echo "$name: expected $expected" >&2
  tail -n 40 pan.log >&2
  return 1
}

if [[ ${1:-} == --one ]]; then
  work=$2
  shift 2
  check "$@"
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs | while read -r name rest; do
  (($#)) && [[ " $* " != *" $name "* ]] || echo "$name $rest"
done >"$work/runs"
xargs -P2 -L1 "${BASH_SOURCE[0]}" --one "$work" <"$work/runs"
echo "check: $(wc -l <"$work/runs") runs as expected"
