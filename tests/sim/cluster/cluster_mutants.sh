#!/bin/bash
# For each planted bug of the replication protocol a seed that finds it: with the bug the seed must
# fail, without it must pass.  cluster_mutants.sh BIN_FOLDER
# A change of the simulation gives the seeds other contents; then find new ones:
#   cluster_sim_mutants --mutant NAME --seeds 1000000 --seconds 600 --jobs 2
# Rare ones want seeds with the faults that they need: accept-former-office
# --needs linger,hand-over,partition; trust-read-after-unknown-cas --needs md-unknown,md-stale;
# take-unheard-generation --needs snapshots.
set -euo pipefail
bin=${1:?usage: cluster_mutants.sh BIN_FOLDER}
here=$(dirname "${BASH_SOURCE[0]}")

missed=0
while read -r mutant seed; do
  begin=$SECONDS
  if "$bin/cluster_sim_mutants" --mutant "$mutant" --seed "$seed" >/dev/null 2>&1; then
    echo "MISSED $mutant at seed $seed"
    missed=1
  elif ! "$bin/cluster_sim_mutants" --seed "$seed" >/dev/null 2>&1; then
    echo "FAILED seed $seed fails without $mutant, too"
    missed=1
  else
    printf 'caught %-30s seed %4d, %d s\n' "$mutant" "$seed" $((SECONDS - begin))
  fi
done < <(grep -v '^#' "$here/cluster_mutants.txt")
exit "$missed"
