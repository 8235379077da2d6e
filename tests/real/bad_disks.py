#!/usr/bin/python3
"""Devices that are not what the config says: a real varved refuses them with a clear sentence, goes
on without them, and leaves every byte as it was."""

import hashlib
import os
import pathlib
import random
import struct
import subprocess
import unittest

import nbd
from node import Node

MIB = 1 << 20
SIZE = 128 * MIB


def checksum(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def superblock_offsets(path):
    """core/format/superblock.h: at 0, 64 KiB and 64 KiB before the end."""
    return [0, 65536, os.path.getsize(path) - 65536]


class BadDisks(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.addCleanup(self.node.__exit__)

    def formatted(self):
        """A disk group with a volume in it, varved stopped."""
        self.node.start()
        self.node.must("disk", "add", "disk0", "--size", str(SIZE))
        self.node.must("volume", "create", "vol", "--size", "1MiB")
        self.node.stop()

    def pwrite(self, data, offset):
        client = nbd.NBD()
        client.connect_uri(self.node.uri("vol"))
        client.pwrite(data, offset)
        client.shutdown()

    def assert_refused(self, node, *arguments, words):
        """The command says why not, and the device is as it was."""
        before = checksum(self.node.disk)
        code, said = node.varve(*arguments)
        self.assertEqual(code, 1, said)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(checksum(self.node.disk), before)

    def assert_not_served(self, node, words, state="not served"):
        """A daemon that starts says in status and log why it does not serve the disk group."""
        before = checksum(self.node.disk)
        node.start()
        group = node.status()["disk_groups"][0]
        self.assertEqual(group["state"], state)
        for word in words:
            self.assertIn(word, group["reason"])
        self.assertIn(node.disk, node.log())
        self.assertEqual(node.varve("volume", "create", "new", "--size", "1MiB")[0], 1)
        self.assertEqual(checksum(self.node.disk), before)

    def test_bytes_that_are_no_store(self):
        pathlib.Path(self.node.disk).write_bytes(random.Random(1).randbytes(SIZE))
        self.assert_not_served(self.node, [], state="not formatted")

    def test_a_file_system(self):
        with open(self.node.disk, "wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.node.disk], check=True,
                       env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"})
        self.assert_not_served(self.node, [], state="not formatted")
        self.assert_refused(self.node, "disk", "add", "disk0", words=["ext4", "--wipe"])
        self.assert_refused(self.node, "disk", "add", "disk0", "--size", "64MiB", words=["--wipe"])

    def test_a_store_is_not_formatted_twice(self):
        self.formatted()
        self.node.start()
        self.assert_refused(self.node, "disk", "add", "disk0", words=["disk0"])
        self.assert_refused(self.node, "disk", "add", "disk0", "--wipe", words=["disk0"])
        self.assertIn("vol", self.node.must("volume", "list"))

    def test_a_newer_format(self):
        self.formatted()
        for offset in superblock_offsets(self.node.disk):
            overwrite(self.node.disk, offset + 8, struct.pack("<I", 99))
        self.assert_not_served(self.node, ["format 99"])
        self.assert_refused(self.node, "disk", "add", "disk0", words=["--wipe"])

    def test_damaged_superblocks(self):
        self.formatted()
        for offset in superblock_offsets(self.node.disk):
            overwrite(self.node.disk, offset + 50, b"damaged")
        self.assert_not_served(self.node, ["superblock"])
        self.assert_refused(self.node, "disk", "add", "disk0", words=["--wipe"])

    def test_one_superblock_of_three_is_enough(self):
        self.formatted()
        for offset in superblock_offsets(self.node.disk)[:2]:
            overwrite(self.node.disk, offset, bytes(4096))
        self.node.start()
        self.assertIn("vol", self.node.must("volume", "list"))

    def test_a_scrub_finds_a_flipped_bit(self):
        self.formatted()
        self.node.start()
        content = random.Random(2).randbytes(4096)
        self.pwrite(content, 8192)
        self.node.stop()
        image = pathlib.Path(self.node.disk).read_bytes()
        self.assertEqual(image.count(content), 1)
        overwrite(self.node.disk, image.index(content) + 7, bytes([content[7] ^ 1]))
        self.node.start()
        said = self.node.must("disk", "scrub", "disk0", "--rate", "1GiB")
        self.assertIn("1 blocks are damaged now", said)
        self.assertEqual(self.node.status()["disk_groups"][0]["damaged_blocks"], 1)
        self.pwrite(bytes(4095) + b"x", 8192)
        said = self.node.must("disk", "scrub", "disk0", "--rate", "1GiB")
        self.assertIn("0 blocks are damaged now", said)
        self.assertEqual(self.node.varve("disk", "scrub", "disk1")[0], 1)

    def test_a_store_that_was_cut_off(self):
        self.formatted()
        os.truncate(self.node.disk, SIZE // 2)
        self.assert_not_served(self.node, [str(SIZE // 2)])

    def test_a_device_too_small(self):
        pathlib.Path(self.node.disk).write_bytes(bytes(256 * 1024))
        self.assert_not_served(self.node, [], state="not formatted")
        self.assert_refused(self.node, "disk", "add", "disk0", words=["at least"])

    def test_no_device_at_all(self):
        self.node.start()
        code, said = self.node.varve("disk", "add", "disk0")
        self.assertEqual(code, 1, said)
        self.assertIn("--size", said)
        self.assertFalse(os.path.exists(self.node.disk))

    def test_two_daemons_on_one_disk_group(self):
        self.formatted()
        self.node.start()
        second = Node(disk=self.node.disk)
        self.addCleanup(second.__exit__)
        self.assert_not_served(second, ["in use"])
        self.assert_refused(second, "disk", "add", "disk0", "--size", "64MiB", "--wipe",
                            words=["in use"])
        self.assertIn("vol", self.node.must("volume", "list"))
        self.node.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
