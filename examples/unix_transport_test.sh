#!/bin/bash
# Builds the example transport with nothing but a C compiler and runs the conformance suite on it:
#   examples/unix_transport_test.sh
# CC names the compiler (cc), BUILD the build directory (build/release).
set -euo pipefail
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
work=$(mktemp -d /tmp/varve_unix.XXXXXX) # short: the path of a socket has at most 107 bytes
trap 'rm -rf "$work"' EXIT

"${CC:-cc}" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -O2 -fPIC -shared -fvisibility=hidden \
  -I"$root" "$root/examples/unix_transport.c" -o "$work/unix.so"
mkdir "$work/s"
"$root/tests/conformance/transport/run.sh" "$work/unix.so" "unix:$work/s/"

left=$(ls -A "$work/s")
[[ -z $left ]] || { echo "sockets were left behind: $left" >&2; exit 1; }
