#!/bin/bash
# Runs one fuzzer of build/fuzz for VARVE_FUZZ_SECONDS (20): tests/fuzz/run.sh fuzz_toml
# New inputs stay in build/fuzz/corpus/<fuzzer>; a crash leaves its input in build/fuzz/crashes and
# prints the command that replays it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
name=${1:?usage: tests/fuzz/run.sh FUZZER}
seconds=${VARVE_FUZZ_SECONDS:-20}

corpora=("build/fuzz/corpus/$name")
mkdir -p "${corpora[0]}" build/fuzz/crashes
[[ -d tests/fuzz/corpus/$name ]] && corpora+=("tests/fuzz/corpus/$name")

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "build/fuzz/bin/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
  -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" \
  "${corpora[@]}" >"$log" 2>&1 </dev/null; then
  tail -n 100 "$log"
  input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  echo "replay: build/fuzz/bin/$name $input"
  exit 1
fi
echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
