#!/bin/bash
# clang-tidy over core and plugins with the rules of .clang-tidy: tests/tidy/clang_tidy.sh [FILE...]
# Needs build/release configured. Two files at a time, about two seconds each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
files=("$@")
((${#files[@]})) || mapfile -t files < <(git ls-files 'core/*.cc' 'plugins/*.cc')
if ! output=$(printf '%s\n' "${files[@]}" |
  xargs -P2 -n4 clang-tidy-19 -p build/release --quiet \
    --extra-arg=-Wno-deprecated-declarations 2>/dev/null); then
  printf '%s\n' "$output"
  exit 1
fi
