#!/bin/bash
# Runs one fuzzer of build/fuzz for VARVE_FUZZ_SECONDS (12): tests/fuzz/run.sh nbd_handshake
# Inputs that it finds stay in build/fuzz/corpus/NAME; one that crashes, hangs or leaks stays in
# build/fuzz/crashes, and the command that replays it is printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
name=${1:?usage: tests/fuzz/run.sh NAME}
seconds=${VARVE_FUZZ_SECONDS:-12}
program=build/fuzz/bin/fuzz_$name

corpora=("build/fuzz/corpus/$name")
mkdir -p "${corpora[0]}" build/fuzz/crashes
[[ ! -d tests/fuzz/corpus/$name ]] || corpora+=("tests/fuzz/corpus/$name")

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="build/fuzz/crashes/$name-" "${corpora[@]}" >"$log" 2>&1 </dev/null; then
  tail -n 100 "$log"
  echo "replay: $program $(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)"
  exit 1
fi
echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
