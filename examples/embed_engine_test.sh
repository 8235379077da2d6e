#!/bin/bash
# Runs the example in a folder of its own: it must end well and tell what it read.
set -euo pipefail
folder=$(mktemp -d "${TMPDIR:-/tmp}/varve-example.XXXXXX")
trap 'rm -rf "$folder"' EXIT
output=$("$1" "$folder/disk.img")
echo "$output"
grep -q '^read back: laid down once, never rewritten$' <<<"$output"
grep -q '^after the trim the first byte is 0$' <<<"$output"
if "$1" "$folder/disk.img" 2>/dev/null; then
  echo "the second run must refuse a file that exists" >&2
  exit 1
fi
