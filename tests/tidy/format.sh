#!/bin/bash
# Every C and C++ file is laid out as clang-format 19 does it: tests/tidy/format.sh [--fix]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=(--dry-run --Werror)
[[ ${1:-} == --fix ]] && mode=(-i)
git ls-files -z --cached --others --exclude-standard '*.h' '*.cc' '*.c' |
  xargs -0 -P2 -n32 clang-format-19 "${mode[@]}"
