#!/usr/bin/python3
"""Snapshots, roll-backs and clones as an operator and NBD clients see them, on a real daemon."""

import hashlib
import random
import signal
import threading
import unittest

import nbd

from node import Node

MIB = 1 << 20
BLOCK = 4096


def pattern(seed, size):
    return random.Random(seed).randbytes(size)


class Snapshots(unittest.TestCase):
    def setUp(self):
        self.node = self.enterContext(Node())
        self.node.start()
        self.node.must("disk", "add", "disk0", "--size", "256MiB")
        self.node.must("volume", "create", "v", "--size", "16MiB")

    def client(self, export):
        handle = nbd.NBD()
        handle.connect_uri(f"nbd+unix:///{export}?socket={self.node.nbd_socket}")
        return handle

    def content(self, export):
        handle = self.client(export)
        data = handle.pread(handle.get_size(), 0)
        handle.shutdown()
        return data

    def refused(self, *arguments):
        code, said = self.node.varve(*arguments)
        self.assertEqual(code, 1, said)
        return said

    def test_a_snapshot_is_read_only_and_stays_through_writes_kill_and_start(self):
        before = pattern(1, 16 * MIB)
        client = self.client("v")
        client.pwrite(before, 0)
        self.node.must("snapshot", "create", "v@one")
        client.pwrite(pattern(2, 8 * MIB), 4 * MIB)
        client.trim(MIB, 0)
        self.assertEqual(self.content("v@one"), before)
        self.assertTrue(self.client("v@one").is_read_only())
        self.assertFalse(client.is_read_only())
        self.node.process.send_signal(signal.SIGKILL)
        self.node.process.wait()
        self.node.start()
        self.assertEqual(self.content("v@one"), before)
        now = self.content("v")
        self.assertEqual(now[4 * MIB:12 * MIB], pattern(2, 8 * MIB))
        self.assertEqual(now[:MIB], bytes(MIB))
        shown = self.node.must("snapshot", "show", "v@one")
        self.assertIn("used:        16MiB", shown)
        self.assertIn("of its own:  9MiB", shown)
        self.assertIn("v@one", self.node.must("snapshot", "list"))

    def test_changes_name_what_differs_and_no_more(self):
        client = self.client("v")
        client.pwrite(pattern(1, 4 * MIB), 0)
        self.node.must("snapshot", "create", "v@a")
        client.pwrite(bytes([7]) * BLOCK, 8192)
        self.node.must("snapshot", "create", "v@b")
        client.pwrite(bytes([8]) * BLOCK, 5 * MIB)
        client.trim(2 * BLOCK, MIB)
        self.assertEqual(self.node.must("snapshot", "changes", "v@a", "--until", "v@b"),
                         "8192 4096\n")
        self.assertEqual(self.node.must("snapshot", "changes", "v@a"),
                         f"8192 4096\n{MIB} 8192\n{5 * MIB} 4096\n")
        self.assertEqual(self.node.must("snapshot", "changes", "v@b"),
                         f"{MIB} 8192\n{5 * MIB} 4096\n")
        self.assertEqual(self.node.must("snapshot", "changes", "v@b", "--until", "v@b"), "")

    def test_roll_back_keeps_later_snapshots_and_needs_the_volume_to_itself(self):
        client = self.client("v")
        client.pwrite(pattern(1, 4 * MIB), 0)
        self.node.must("snapshot", "create", "v@a")
        client.pwrite(pattern(2, 4 * MIB), 2 * MIB)
        self.node.must("snapshot", "create", "v@b")
        later = self.content("v@b")
        self.assertIn("in use", self.refused("snapshot", "rollback", "v@a"))
        client.shutdown()
        self.node.must("snapshot", "rollback", "v@a")
        self.assertEqual(self.content("v"), self.content("v@a"))
        self.assertEqual(self.content("v@b"), later)
        self.node.must("snapshot", "rollback", "v@b")
        self.assertEqual(self.content("v"), later)

    def test_a_clone_lives_on_when_snapshot_and_parent_are_gone(self):
        client = self.client("v")
        base = pattern(1, 16 * MIB)
        client.pwrite(base, 0)
        self.node.must("snapshot", "create", "v@a")
        self.node.must("volume", "clone", "v@a", "c", "--size", "20MiB")
        client.pwrite(bytes(MIB), 0)
        client.shutdown()
        copy = self.client("c")
        self.assertEqual(copy.pread(16 * MIB, 0), base)
        self.assertEqual(copy.pread(4 * MIB, 16 * MIB), bytes(4 * MIB))
        copy.pwrite(pattern(3, MIB), 2 * MIB)
        copy.trim(MIB, 4 * MIB)
        wanted = bytearray(base + bytes(4 * MIB))
        wanted[2 * MIB:3 * MIB] = pattern(3, MIB)
        wanted[4 * MIB:5 * MIB] = bytes(MIB)
        copy.shutdown()
        self.assertIn("has 1 snapshot", self.refused("volume", "delete", "v"))
        self.node.must("snapshot", "delete", "v@a")
        self.node.must("volume", "delete", "v")
        self.assertEqual(self.content("c"), bytes(wanted))
        self.node.must("volume", "delete", "c")
        self.assertEqual(self.node.must("-o", "json", "volume", "list").split(),
                         ['{', '"volumes":', '[]', '}'])

    def test_what_is_wrong_is_told(self):
        self.node.must("snapshot", "create", "v@a")
        self.assertIn("has a snapshot a already", self.refused("snapshot", "create", "v@a"))
        self.assertIn("VOLUME@SNAPSHOT", self.refused("snapshot", "create", "v"))
        self.assertIn("no volume w", self.refused("snapshot", "create", "w@a"))
        self.assertIn("has no snapshot b", self.refused("snapshot", "delete", "v@b"))
        self.assertIn("not a snapshot name", self.refused("snapshot", "create", "v@a b"))
        self.assertIn("cannot shrink", self.refused("volume", "clone", "v@a", "c", "--size", "1MiB"))
        self.assertIn("exists already", self.refused("volume", "clone", "v@a", "v"))
        reader = self.client("v@a")
        self.assertIn("in use", self.refused("snapshot", "delete", "v@a"))
        reader.shutdown()
        with self.assertRaises(nbd.Error):
            self.client("v@nothing")
        self.node.must("snapshot", "delete", "v@a")

    def test_snapshots_of_two_volumes_are_of_one_instant_under_writes(self):
        """A writer numbers its writes over both volumes in turn: each begins when the one before was
        acknowledged. A cut may lack the last ones, but none in the middle."""
        self.node.must("volume", "create", "w", "--size", "16MiB")
        clients = [self.client("v"), self.client("w")]
        stop = threading.Event()
        slots = 2000

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                offset = (number // 2 % slots) * BLOCK
                clients[number % 2].pwrite(number.to_bytes(8, "little") * (BLOCK // 8), offset)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for cut in range(20):
                self.node.must("snapshot", "create", f"v@{cut}", f"w@{cut}")
        finally:
            stop.set()
            writer.join()
        digests = {}
        for cut in range(20):
            numbers = set()
            for volume in ("v", "w"):
                data = self.content(f"{volume}@{cut}")
                digests[f"{volume}@{cut}"] = hashlib.sha256(data).digest()
                numbers |= {int.from_bytes(data[at:at + 8], "little")
                            for at in range(0, slots * BLOCK, BLOCK)}
            numbers.discard(0)
            newest = max(numbers, default=0)
            oldest = max(1, newest - 2 * slots + 3)
            missing = set(range(oldest, newest + 1)) - numbers
            self.assertFalse(missing, f"cut {cut} has {newest} but lacks {sorted(missing)[:5]}")
        for name, digest in digests.items():
            self.assertEqual(hashlib.sha256(self.content(name)).digest(), digest, name)


if __name__ == "__main__":
    unittest.main()
