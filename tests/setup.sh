#!/bin/bash
# Installs the Debian packages of tests/packages.txt that are missing, and unpacks a kernel for the
# guest. Nothing missing: does nothing.
# --build-only: only what the build and examples/quickstart.sh need.
# Debian 12 has Catch2 v2; v3 comes from bookworm-backports, enabled in a file of its own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

stop_at='^$'
case "${1:-}" in
  '') ;;
  --build-only) stop_at='^# tests only' ;;
  *) echo "usage: $0 [--build-only]" >&2; exit 2 ;;
esac
command -v apt-get >/dev/null || { echo "setup: no apt-get: this needs Debian 12 or 13" >&2; exit 1; }

wanted=() # each: one package, or alternatives with a space between
while read -r line; do
  [[ $line =~ $stop_at ]] && break
  [[ $line == \#* ]] || wanted+=("$line")
done < <(grep . "$here/packages.txt")

declare -A have=() # package -> installed version
while read -r state package version; do
  [[ $state == installed ]] && have[$package]=$version
done < <(dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\n' ${wanted[*]} 2>/dev/null)
if [[ -n ${have[catch2]:-} ]] && dpkg --compare-versions "${have[catch2]}" lt 3; then
  unset "have[catch2]"
fi

missing=()
for alternatives in "${wanted[@]}"; do
  found=
  for package in $alternatives; do [[ -z ${have[$package]:-} ]] || found=yes; done
  [[ -n $found ]] || missing+=("$alternatives")
done
guest_kernel() { # without one the tests in the guest say that they are skipped
  [[ $stop_at == '^$' ]] || return 0
  "$here/guest/kernel.sh" || echo "setup: no kernel for the guest; its tests will be skipped" >&2
}
if ((${#missing[@]} == 0)); then
  guest_kernel
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo" >&2; exit 1; }
  as_root=(sudo)
fi
# Quiet when it works; everything apt said when it does not.
apt() {
  local output
  output=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null 2>&1) ||
    { printf '%s\n' "$output" >&2; exit 1; }
}

codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
if [[ $codename == bookworm ]]; then
  "${as_root[@]}" tee /etc/apt/sources.list.d/varve-backports.sources >/dev/null <<'SOURCE'
Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCE
fi
apt update

install=()
for alternatives in "${missing[@]}"; do
  for package in $alternatives; do
    [[ -z $(apt-cache madison "$package") ]] || break
  done
  [[ $package == catch2 && $codename == bookworm ]] && package=catch2/bookworm-backports
  install+=("$package")
done
echo "setup: installing ${install[*]}"
apt install --no-install-recommends "${install[@]}"
guest_kernel
