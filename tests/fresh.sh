#!/bin/bash
# Proves README's two commands on a machine that has nothing: a minimal Debian in a chroot, with a
# clone of HEAD. Root only; needs debootstrap.
#   tests/fresh.sh bookworm|trixie [--ccache] [command]
# --ccache  share this machine's compile cache (a cold one is the default)
# command   what to run in the clone instead, e.g. tests/setup.sh
# Mounts and processes live in namespaces of their own and end with them; the tree is removed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

suite=${1:-}
[[ $suite == bookworm || $suite == trixie ]] || usage
shift
cache=
if [[ ${1:-} == --ccache ]]; then
  cache=${CCACHE_DIR:-$HOME/.cache/ccache}
  mkdir -p "$cache"
  shift
fi
inside=${*:-'examples/quickstart.sh && tests/run.sh'}

((EUID == 0)) || { echo "fresh: run as root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "fresh: apt-get install debootstrap" >&2; exit 1; }

mkdir -p build
root=$(mktemp -d "$PWD/build/fresh-$suite.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$root"

mirror=http://deb.debian.org
echo "fresh: debootstrap $suite"
debootstrap --variant=minbase "$suite" "$root" "$mirror/debian" >"$root.log" 2>&1 ||
  { tail -n 30 "$root.log" >&2; rm -f "$root.log"; exit 1; }
rm -f "$root.log"

rm -f "$root/etc/apt/sources.list"
cat >"$root/etc/apt/sources.list.d/debian.sources" <<SOURCES
Types: deb
URIs: $mirror/debian
Suites: $suite $suite-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $mirror/debian-security
Suites: $suite-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES

# apt inside reaches the mirror as apt outside does.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -E '^Acquire::(http|https|Check-|ForceIPv|Retries)' \
  >"$root/etc/apt/apt.conf.d/99host" || true

git clone -q --no-hardlinks . "$root/root/varve"
[[ -z $cache ]] || mkdir -p "$root/root/.cache/ccache"

proxies=()
for name in http_proxy https_proxy no_proxy; do
  [[ -z ${!name:-} ]] || proxies+=("$name=${!name}")
done
enter=$(
  cat <<'ENTER'
set -e
root=$1 cache=$2 inside=$3
shift 3
mount --rbind "$root" "$root" # "/" is a mount inside, as ip netns wants it
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
[[ -z $cache ]] || mount --bind "$cache" "$root/root/.cache/ccache"
exec chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
  PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" /bin/bash -c "cd /root/varve && $inside"
ENTER
)
echo "fresh: $inside"
unshare --mount --pid --fork --kill-child --propagation private \
  /bin/bash -c "$enter" enter "$root" "$cache" "$inside" ${proxies[@]+"${proxies[@]}"} </dev/null
