#!/bin/bash
# nbdinfo tells what the volume can do and which parts hold data; nbdcopy copies in and out.
# shellcheck source-path=SCRIPTDIR source=../node.sh
source "$(dirname "${BASH_SOURCE[0]}")/../node.sh"
# shellcheck source-path=SCRIPTDIR source=ext4_image.sh
source "$(dirname "${BASH_SOURCE[0]}")/ext4_image.sh"

node_make 1GiB
node_start
image=$work/image
ext4_image "$image"
varve volume create vol --size 192MiB >/dev/null
varve volume create other --size 1MiB >/dev/null

[[ $(nbdinfo --size "$(uri vol)") == 201326592 ]] || fail "nbdinfo --size"
nbdinfo --list --json "nbd+unix:///?socket=$socket" >"$work/list"
for name in vol other; do
  grep -q "\"export-name\": \"$name\"" "$work/list" || fail "nbdinfo --list does not name $name"
done
for ability in flush fua trim zero multi-conn; do
  nbdinfo --can "$ability" "$(uri vol)" || fail "nbdinfo --can $ability"
done
nbdinfo "$(uri vol)" >"$work/info"
grep -q 'block_size_minimum: 1$' "$work/info" || fail "$(cat "$work/info")"
grep -q 'block_size_preferred: 4096' "$work/info" || fail "$(cat "$work/info")"
if nbdinfo "$(uri nobody)" 2>/dev/null; then fail "a volume that does not exist was served"; fi

# A fresh volume is one hole; afterwards what the map calls a hole is zeroes in the image, too.
[[ $(nbdinfo --map --totals "$(uri vol)" | awk '{ print $1, $3 }') == "201326592 3" ]] ||
  fail "a fresh volume is not one hole: $(nbdinfo --map "$(uri vol)")"
nbdcopy "$image" "$(uri vol)"
nbdinfo --map "$(uri vol)" >"$work/map"
covered=0 holes=0
while read -r offset bytes type _; do
  ((offset == covered)) || fail "nbdinfo --map leaves a gap before $offset"
  ((covered += bytes))
  ((type == 0)) && continue
  ((type == 3)) || fail "nbdinfo --map: unknown type $type"
  cmp -n "$bytes" -i "$offset:0" "$image" /dev/zero || fail "the map calls data a hole"
  ((holes += 1))
done <"$work/map"
((covered == 201326592)) || fail "nbdinfo --map covers $covered bytes"
((holes > 0)) || fail "nbdcopy left no hole"

nbdcopy "$(uri vol)" "$work/back"
cmp "$image" "$work/back"
nbdcopy --connections=4 --requests=64 --request-size=1048576 "$(uri vol)" "$work/back_again"
cmp "$image" "$work/back_again"
node_stop
echo "nbdcopy: the map is right ($holes holes), in and out are alike"
