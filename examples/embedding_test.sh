#!/bin/bash
# Installs into a folder, moves it, and builds the examples on it as their authors would: with CMake,
# in C++ and in C, and with pkg-config and a C compiler. BUILD names the build directory (build/release).
set -euo pipefail
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
build=$(realpath "${BUILD:-$root/build/release}")
work=$(mktemp -d "$build/embedding.XXXXXX") # not /tmp, which may have no direct I/O
trap 'rm -rf "$work"' EXIT
fail() { echo "embedding: $*" >&2; exit 1; }
# Runs a command quietly; all it said when it fails.
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "failed: $*"; }; }

quietly cmake --install "$build" --prefix "$work/installed"
mv "$work/installed" "$work/prefix"
prefix=$work/prefix
named=$(grep -rlF -e "$root" -e "$build" "$prefix" || true)
[[ -z $named ]] || fail "these name the folder that they were built in: $named"

# The programs run from there and find their plugins.
quietly "$prefix/bin/varve" --version
for plugin in nbd tcp metadata_sqlite; do
  quietly "$prefix/bin/varved" --describe-plugin "$prefix/lib/varve/plugins/$plugin.so"
done
quietly "$prefix/bin/varved" --check --config "$root/conf/node.toml"

# Each header compiles alone: C++20 all of them, C11 those in C.
cd "$prefix/include/varve"
alone() { # compiler, include folder, headers from there
  local compiler=$1 folder=$2
  shift 2
  printf '%s\0' "$@" | xargs -0 -P2 -I{} sh -c \
    "printf '#include <%s>\n' {} | $compiler -I'$folder' -Wall -Werror -fsyntax-only -" ||
    fail "an installed header does not compile alone"
}
mapfile -t headers < <(find core plugins -name '*.h')
alone "${CXX:-c++} -x c++ -std=c++20" "$PWD" "${headers[@]}"
alone "${CXX:-c++} -x c++ -std=c++20" "$prefix/include" varve/varve.h
alone "${CC:-cc} -x c -std=c11 -pedantic" "$PWD" plugins/abi/*.h
alone "${CC:-cc} -x c -std=c11 -pedantic" "$prefix/include" varve/varve.h
cd "$work"

warnings='-Wall -Wextra -Werror -Wno-missing-field-initializers' # as in this tree
quietly cmake -S "$root/examples/embedding" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_C_FLAGS="$warnings" -DCMAKE_CXX_FLAGS="$warnings"
quietly cmake --build "$work/cmake"

# A project in C alone finds a linker for what was written in C++.
mkdir "$work/c"
cp "$root/examples/embedding/custom_device.c" "$work/c"
cat >"$work/c/CMakeLists.txt" <<'LISTS'
cmake_minimum_required(VERSION 3.25)
project(only_c LANGUAGES C)
find_package(varve 0.1 REQUIRED COMPONENTS c)
add_executable(custom_device custom_device.c)
target_link_libraries(custom_device PRIVATE varve::c)
LISTS
quietly cmake -S "$work/c" -B "$work/c/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
quietly cmake --build "$work/c/build"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# shellcheck disable=SC2046
quietly "${CC:-cc}" -std=c11 -D_GNU_SOURCE $warnings "$work/c/custom_device.c" -o "$work/custom_device" \
  $(pkg-config --cflags --libs varve)

for program in "$work/cmake/custom_device" "$work/c/build/custom_device" "$work/custom_device"; do
  output=$(timeout 60 "$program")
  expected='read back: written once, read after a restart
while the device refuses: device error
afterwards: written once, read after a restart
with one bit changed: damaged'
  [[ $output == "$expected" ]] || fail "$program said: $output"
done

"$root/examples/embed_engine_test.sh" "$work/cmake/embed_engine" >/dev/null
output=$(timeout 60 "$work/cmake/snapshot_tour" "$work/tour.img")
expected='the table now: spoiled by a bug
the table before: one hundred rows
rolled back: one hundred rows
the clone: an experiment
snapshots of the table: 0'
[[ $output == "$expected" ]] || fail "snapshot_tour said: $output"
kv() { timeout 60 "$work/cmake/kv_store" "$work/kv.img" "$@"; }
kv put color blue
kv put shape 'a circle'
kv put color red # each command opens the store anew
[[ $(kv get color) == red ]] || fail "the second put must win"
[[ $(kv list) == $'color\nshape' ]] || fail "the list is: $(kv list)"
kv delete color
if kv get color 2>/dev/null; then fail "a deleted key must not be there"; fi
[[ $(kv get shape) == 'a circle' ]] || fail "the other key must stay"

# What is missing is named.
refuses() { # expected words, then arguments of cmake
  local expected=$1
  shift
  if cmake -S "$work/c" -B "$work/refused" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" "$@" \
    >"$work/log" 2>&1; then fail "must not configure: $*"; fi
  # CMake breaks long lines.
  tr -s ' \n' ' ' <"$work/log" | grep -qF "$expected" || { cat "$work/log"; fail "must say: $expected"; }
  rm -rf "$work/refused"
}
refuses 'varve lacks spdlog (Debian: libspdlog-dev)' -DCMAKE_DISABLE_FIND_PACKAGE_spdlog=ON
sed -i 's/COMPONENTS c/COMPONENTS d/' "$work/c/CMakeLists.txt"
refuses 'varve lacks a component "d"'
sed -i 's/varve 0.1/varve 0.2/' "$work/c/CMakeLists.txt"
refuses 'compatible with requested version "0.2"'
