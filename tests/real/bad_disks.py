#!/usr/bin/python3
"""Devices that are not what the config says: a real varved refuses with a clear sentence and leaves
every byte as it was."""

import hashlib
import os
import pathlib
import random
import struct
import subprocess
import time
import unittest

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
        self.node.must("disk", "add", "disk0", "--size", str(SIZE))

    def assert_not_served(self, *words):
        """varved ends, or says in status that it does not serve the disk group: in these words, and
        nothing on the device has changed."""
        before = checksum(self.node.disk)
        self.node.launch()
        deadline = time.monotonic() + 30
        said = ""
        while self.node.process.poll() is None:
            code, said = self.node.varve("status")
            if code == 0:
                break
            self.assertLess(time.monotonic(), deadline, self.node.log())
            time.sleep(0.02)
        if self.node.process.poll() is None:
            self.node.stop()
        else:
            self.assertNotEqual(self.node.process.returncode, 0)
            said = ""
        said += self.node.log()
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(checksum(self.node.disk), before)

    def assert_add_refused(self, *words):
        before = checksum(self.node.disk)
        code, said = self.node.varve("disk", "add", "disk0")
        self.assertEqual(code, 1, said)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(checksum(self.node.disk), before)

    def test_bytes_that_are_no_store(self):
        pathlib.Path(self.node.disk).write_bytes(random.Random(1).randbytes(SIZE))
        self.assert_not_served(self.node.disk)

    def test_a_file_system(self):
        with open(self.node.disk, "wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.node.disk], check=True,
                       env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"})
        self.assert_add_refused("ext4", "--wipe")
        self.assert_not_served(self.node.disk)

    def test_a_store_is_not_formatted_twice(self):
        self.formatted()
        self.assert_add_refused("--wipe")

    def test_a_newer_format(self):
        self.formatted()
        for offset in superblock_offsets(self.node.disk):
            overwrite(self.node.disk, offset + 8, struct.pack("<I", 99))
        self.assert_not_served("99")

    def test_damaged_superblocks(self):
        self.formatted()
        for offset in superblock_offsets(self.node.disk):
            overwrite(self.node.disk, offset + 50, b"damaged")
        self.assert_not_served(self.node.disk)

    def test_a_store_that_was_cut_off(self):
        self.formatted()
        os.truncate(self.node.disk, SIZE // 2)
        self.assert_not_served(str(SIZE // 2))

    def test_a_device_too_small(self):
        with open(self.node.disk, "wb") as file:
            file.write(bytes(256 * 1024))
        self.assert_add_refused("at least")
        self.assert_not_served(self.node.disk)

    def test_no_device_at_all(self):
        code, said = self.node.varve("disk", "add", "disk0")
        self.assertEqual(code, 1, said)
        self.assertFalse(os.path.exists(self.node.disk))

    def test_two_daemons_on_one_disk_group(self):
        self.formatted()
        self.node.start()
        self.node.must("volume", "create", "vol", "--size", "1MiB")
        second = Node(disk=self.node.disk)
        self.addCleanup(second.__exit__)
        before = checksum(self.node.disk)
        code, said = second.varve("disk", "add", "disk0", "--wipe")
        self.assertEqual(code, 1, said)
        second.launch()
        deadline = time.monotonic() + 30
        while second.process.poll() is None and second.varve("status")[0] != 0:
            self.assertLess(time.monotonic(), deadline, second.log())
            time.sleep(0.02)
        self.assertIn(self.node.disk, second.log())
        self.assertEqual(checksum(self.node.disk), before)
        self.assertIn("vol", self.node.must("volume", "list"))
        self.node.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
