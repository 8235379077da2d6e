#!/bin/bash
# Prints what cleaning costs: blocks written, user's and relocated, per user block, for uniform,
# 80/20 and zipf 0.99 overwrites at 70, 80 and 90 % live, beside the goal (docs/performance.md):
#   tests/bench/cleaning.sh [overwrite_run options, e.g. --times 4 or --depth 32]
# A disk in memory: 1024 segments of 2 MiB, 256 writes in flight. About five minutes and 5 GiB of
# memory. Fails only when something does not work, never for a number. BUILD names the build
# directory (build/release).
set -euo pipefail
run="${BUILD:-build/release}/bin/overwrite_run"
[ -x "$run" ] || { echo "build the target overwrite_run first: $run" >&2; exit 1; }
rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT

measure() {  # workload, percent; two at a time
  "$run" --row --device-mib 2049 --segment-kib 2048 --depth 256 --long --workload "$1" --live "$2" \
    "${@:3}" >"$rows/$2-${1%%/*}" || grep -q '^|' "$rows/$2-${1%%/*}"
}

for percent in 70 80 90; do
  for workload in uniform 80/20 zipf; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    measure "$workload" "$percent" "$@" &
  done
done
while [ "$(jobs -p | wc -l)" -gt 0 ]; do wait -n; done

echo "| overwrites | % live | goal | measured | ratio | headers | footers |"
echo "|---|---|---|---|---|---|---|"
for workload in uniform 80 zipf; do
  for percent in 70 80 90; do grep '^|' "$rows/$percent-$workload"; done
done
