#!/bin/bash
# Every C and C++ file is laid out as clang-format 19 does it: tests/tidy/format.sh [--fix]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=(--dry-run --Werror --ferror-limit=1)
[[ ${1:-} == --fix ]] && mode=(-i)
if ! git ls-files -z --cached --others --exclude-standard '*.h' '*.cc' '*.c' |
  xargs -0 -n32 clang-format-19 "${mode[@]}" 2>&1 | { grep -E '^[^ ]+:[0-9]+:' && exit 1 || exit 0; }
then
  echo "tests/tidy/format.sh --fix repairs this"
  exit 1
fi
