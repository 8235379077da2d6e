# shellcheck shell=bash
# Sourced: a real ext4 image made from a real directory tree.
#   ext4_image FILE    the C++ library's headers and Python's in a file system of 192 MiB
ext4_image() {
  # shellcheck disable=SC2154  # $work is of node.sh
  local tree=$work/tree
  mkdir "$tree"
  cp -a /usr/include/c++ /usr/lib/python3 "$tree"
  truncate --size 192M "$1"
  mkfs.ext4 -q -F -E root_owner=0:0 -d "$tree" "$1"
  rm -rf "$tree"
}
