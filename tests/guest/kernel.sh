#!/bin/bash
# Unpacks a Debian kernel for the guest into build/guest/kernel: vmlinuz, and the modules of
# modules.txt with what they need, uncompressed. The package is not installed: this machine's own
# kernel and boot loader stay alone. Already there: does nothing.
#   tests/guest/kernel.sh
# Debian 12's own kernel is too old for some of what the guest is for: it takes that of
# bookworm-backports, as tests/setup.sh has enabled it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
to=$(realpath -m "$here/../../build/guest/kernel")
wanted=$(sha256sum "$here/modules.txt" "$here/kernel.sh" | sha256sum)
[[ ! -f $to/made-from || $(<"$to/made-from") != "$wanted" ]] || exit 0

fail() { echo "kernel.sh: $*" >&2; exit 1; }
[[ $(uname -m) == x86_64 ]] || fail "this machine is $(uname -m); the guest is x86-64"
for tool in apt-get depmod modprobe xz; do
  command -v "$tool" >/dev/null || fail "no $tool: tests/setup.sh installs what is needed"
done

# The newest kernel that the releases which are enabled here have.
package=$(apt-cache show linux-image-amd64 2>/dev/null |
  sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | sort -V | tail -n 1)
[[ -n $package ]] || fail "apt knows no linux-image-amd64; try apt-get update"
mkdir -p "$(dirname "$to")"
work=$(mktemp -d "$(dirname "$to")/kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -q -q -o APT::Sandbox::User=root download "$package" >&2) ||
  fail "cannot download $package"
dpkg-deb -x "$work/$package"_*.deb "$work/root"

version=${package#linux-image-}
modules=$work/root/lib/modules/$version
[[ -d $modules ]] || modules=$work/root/usr/lib/modules/$version
out=$work/out/modules/lib/modules/$version
mkdir -p "$out"
cp "$work/root/boot/vmlinuz-$version" "$work/out/vmlinuz"
cp "$modules"/modules.{builtin,builtin.modinfo,order} "$out"
depmod -b "${modules%/lib/modules/*}" "$version"
mapfile -t names < <(grep -v '^#' "$here/modules.txt")
modprobe -d "${modules%/lib/modules/*}" -S "$version" --show-depends -a "${names[@]}" |
  sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
  path=$out/${file#"$modules/"}
  mkdir -p "$(dirname "$path")"
  case $file in
    *.xz) xz -dc "$file" >"${path%.xz}" ;;
    *) cp "$file" "$path" ;;
  esac
done
depmod -b "$work/out/modules" "$version"
echo "$version" >"$work/out/version"
echo "$wanted" >"$work/out/made-from"
rm -rf "$to"
mv "$work/out" "$to"
