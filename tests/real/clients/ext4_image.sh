# shellcheck shell=bash
# Sourced: a real ext4 image made from a real directory tree.
#   ext4_image FILE    the headers of the C++ library in a file system of 192 MiB
ext4_image() {
  truncate --size 192M "$1"
  mkfs.ext4 -q -F -E root_owner=0:0 -d /usr/include/c++ "$1"
}
