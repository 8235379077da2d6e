#!/usr/bin/python3
"""Disk groups with HDDs and the real programs: what sinks survives kill -9, space comes back on both
tiers, HDDs are added online, and whatever is wrong with them is told and leaves every byte alone."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import time
import unittest

import nbd
from node import BIN, Node

KIB, MIB = 1 << 10, 1 << 20
BLOCK = 4096
PIECE = 64 * KIB
SSD, HDD = 48 * MIB, 64 * MIB
IN_FLIGHT_MAX = 8
VOLUME = 80 * MIB
HOT = 8 * MIB


def checksum(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def content(piece, version):
    return f"{piece:07}:{version:07}\n".encode() * (PIECE // 16)


class Writer:
    """Writes pieces with stamps, so that each block tells which write it is of; knows for each piece
    the last version that was acknowledged, and the last that was sent."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.acknowledged = [0] * pieces
        self.sent = [0] * pieces
        self.busy = set()
        self.handle = None

    def connect(self, node):
        self.handle = nbd.NBD()
        self.handle.connect_uri(node.uri("vol"))
        self.busy.clear()

    def write(self, piece):
        while len(self.busy) >= IN_FLIGHT_MAX or piece in self.busy:
            assert self.handle.poll(30_000) == 1, "writes wait"
        self.sent[piece] += 1
        version = self.sent[piece]
        self.busy.add(piece)

        def end(error):
            self.busy.discard(piece)
            if error.value == 0:
                self.acknowledged[piece] = version
            return 1

        data = nbd.Buffer.from_bytearray(bytearray(content(piece, version)))
        self.handle.aio_pwrite(data, piece * PIECE, completion=end)

    def finish(self):
        while self.busy:
            assert self.handle.poll(30_000) == 1, "writes wait"

    def versions(self, piece):
        """What a block of the piece may be."""
        return range(self.acknowledged[piece], self.sent[piece] + 1)

    def check(self):
        """Every block of the volume; what a crash left is what counts from here on."""
        for piece in range(self.pieces):
            data = self.handle.pread(PIECE, piece * PIECE)
            for at in range(0, PIECE, BLOCK):
                allowed = [content(piece, version)[:BLOCK] if version else bytes(BLOCK)
                           for version in self.versions(piece)]
                assert data[at:at + BLOCK] in allowed, \
                    f"piece {piece}, byte {at}: {bytes(data[at:at + 16])}, not " \
                    f"{list(self.versions(piece))}"


class Tier(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.addCleanup(self.node.__exit__)
        self.node.rewrite_config(f'path = "{self.node.disk}"\n',
                                 f'path = "{self.node.disk}"\nhdd = []\n')
        self.hdds = []

    def hdd(self, name):
        return f"{self.node.work}/{name}"

    def configure(self, *names):
        """The HDDs of the disk group, from the next start on."""
        self.node.rewrite_config(f"hdd = {json.dumps(self.hdds)}",
                                 f"hdd = {json.dumps([self.hdd(name) for name in names])}")
        self.hdds = [self.hdd(name) for name in names]

    def make(self, *names):
        self.configure(*names)
        self.node.start()
        said = self.node.must("disk", "add", "disk0", "--size", str(SSD), "--hdd-size", str(HDD))
        self.assertIn("is serving", said)

    def group(self):
        return self.node.status()["disk_groups"][0]

    def devices(self):
        return {pathlib.Path(device["path"]).name: device for device in self.group()["devices"]}

    def until(self, what, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"{what}: {self.group()}")
            time.sleep(0.05)

    def assert_not_served(self, *words):
        """Nothing was touched, and the reason says what is missing."""
        disks = [path for path in [self.node.disk, *self.hdds] if os.path.exists(path)]
        before = [checksum(path) for path in disks]
        self.node.start()
        group = self.group()
        self.assertEqual(group["state"], "not served")
        for word in words:
            self.assertIn(word, group["reason"])
        self.node.stop()
        self.assertEqual([checksum(path) for path in disks], before)

    def assert_refused(self, *arguments, words, hdd=None):
        before = checksum(hdd) if hdd else None
        code, said = self.node.varve(*arguments)
        self.assertEqual(code, 1, said)
        for word in words:
            self.assertIn(word, said)
        if hdd:
            self.assertEqual(checksum(hdd), before)


class Sinking(Tier):
    """What clients and the operator see while blocks sink."""

    def demoted(self):
        return self.group()["stats"]["demoted_blocks_written"]

    def test_kill_9_while_blocks_sink_loses_nothing_and_space_comes_back(self):
        self.make("h1", "h2")
        self.node.must("volume", "create", "vol", "--size", str(VOLUME))
        writer = Writer(VOLUME // PIECE)
        writer.connect(self.node)
        generator = random.Random(1)
        order = list(range(VOLUME // PIECE))
        demoted = []
        for at, piece in enumerate(order):
            writer.write(piece)
            writer.write(generator.randrange(HOT // PIECE))
            if at % (len(order) // 4) == len(order) // 4 - 1:
                demoted.append(self.demoted())
                self.node.kill()
                self.node.start()
                writer.connect(self.node)
                writer.check()
        writer.finish()
        self.assertGreaterEqual(sum(count > 0 for count in demoted), 3, demoted)
        self.assertGreater(sum(demoted), VOLUME // BLOCK // 4)
        print(f"blocks that had sunk at each kill: {demoted}")
        self.check_status()
        writer.check()
        self.check_read_cache(writer)
        writer.handle.shutdown()
        self.node.stop()
        self.configure("h2", "h1")
        self.node.start()
        writer.connect(self.node)
        writer.check()
        writer.handle.trim(VOLUME // 2, 0)
        self.assertEqual(writer.handle.pread(PIECE, 0), bytes(PIECE))
        writer.handle.shutdown()
        self.node.must("volume", "delete", "vol")
        self.until("all space comes back", lambda: all(
            device["live_bytes"] == 0 for device in self.devices().values()) and all(
            self.devices()[name]["free_slot_count"] == self.devices()[name]["slot_count"]
            for name in ["h1", "h2"]))
        self.node.stop()

    def check_read_cache(self, writer):
        hits = self.group()["stats"]["read_cache_hit_blocks"]
        for _ in range(4):
            for piece in range(0, VOLUME // PIECE, VOLUME // PIECE // 64):
                writer.handle.pread(BLOCK, piece * PIECE)
        stats = self.group()["stats"]
        print({name: count for name, count in stats.items() if name.startswith("read_cache_")})
        self.assertGreater(stats["read_cache_hit_blocks"], hits)
        self.assertEqual(stats["read_cache_bad_blocks"], 0)
        self.assertIn("came from the SSD's read cache", self.node.must("status"))

    def check_status(self):
        group, devices = self.group(), self.devices()
        for part in ["live_bytes", "dead_bytes", "capacity_bytes", "device_bytes"]:
            self.assertEqual(group[part], sum(device[part] for device in devices.values()), part)
        self.assertEqual([devices[name]["tier"] for name in ["disk0", "h1", "h2"]],
                         ["ssd", "hdd", "hdd"])
        self.assertGreater(devices["h1"]["live_bytes"] + devices["h2"]["live_bytes"], VOLUME // 2)
        self.assertEqual(devices["h1"]["device_bytes"], HDD)
        self.assertEqual(devices["h1"]["reserved_bytes"] + devices["h1"]["capacity_bytes"], HDD)
        self.assertIsInstance(group["sinking"], bool)
        said = self.node.must("status")
        self.assertRegex(said, rf"{self.hdd('h1')} +disk0 +hdd +\S+ +\S+ +\S+ +\S+ +\S+ +serving")
        self.assertIn("have sunk to HDDs", said)
        metrics = self.curl("metrics")
        self.assertIn(f'varve_device_live_bytes{{disk_group="disk0",device="{self.hdd("h1")}",'
                      'tier="hdd"}', metrics)
        self.assertIn('varve_disk_group_demoted_blocks_written_total{disk_group="disk0"}', metrics)
        self.assertIn('varve_disk_group_read_cache_missed_blocks_total{disk_group="disk0"}', metrics)

    def curl(self, path):
        return subprocess.run(["curl", "-s", "--unix-socket", self.node.admin_socket,
                               f"http://varved/{path}"], stdout=subprocess.PIPE, text=True,
                              timeout=30, check=True).stdout


class Told(Tier):
    """Volumes whose tier the operator says."""

    SIZE = 4 * MIB

    def open(self, name):
        handle = nbd.NBD()
        handle.connect_uri(self.node.uri(name))
        return handle

    def write(self, name, size, value):
        handle = self.open(name)
        for at in range(0, size, MIB):
            handle.pwrite(bytes([value]) * MIB, at)
        handle.shutdown()

    def press(self):
        """What was written before, and may sink, sinks."""
        for value in [1, 2]:
            self.write("filler", 64 * MIB, value)
        self.until("nothing sinks", lambda: not self.group()["sinking"])

    def read(self, name, value):
        """Some of its blocks, again and again; how many were read from an HDD, and how many cached
        then."""
        before = self.group()["stats"]
        handle = self.open(name)
        for at in [*range(0, self.SIZE, 64 * KIB)] * 4:
            self.assertEqual(handle.pread(BLOCK, at), bytes([value]) * BLOCK)
        handle.shutdown()
        after = self.group()["stats"]
        return [after[f"read_cache_{what}_blocks"] - before[f"read_cache_{what}_blocks"]
                for what in ["missed", "filled"]]

    def tier(self, name):
        shown = json.loads(self.node.must("volume", "show", name, "-o", "json"))["volume"]["tier"]
        self.assertRegex(self.node.must("volume", "list"), rf"(?m)^{name} .* {shown} ")
        self.assertIn(f"tier:        {shown}\n", self.node.must("volume", "show", name))
        return shown

    def test_blocks_are_kept_where_the_operator_says(self):
        self.make("h1", "h2")
        size = ["--size", str(self.SIZE)]
        self.node.must("volume", "create", "kept", *size, "--tier", "ssd")
        self.node.must("volume", "create", "archive", *size, "--tier", "hdd")
        self.node.must("volume", "create", "filler", "--size", "64MiB")
        self.write("kept", self.SIZE, 7)
        self.write("archive", self.SIZE, 8)
        self.press()
        self.assertEqual(self.read("kept", 7), [0, 0])
        missed, filled = self.read("archive", 8)
        self.assertGreater(missed, self.SIZE // (64 * KIB))
        self.assertEqual(filled, 0)
        self.node.kill()
        self.node.start()
        self.assertEqual([self.tier(name) for name in ["kept", "archive", "filler"]],
                         ["ssd", "hdd", "auto"])
        self.press()
        self.assertEqual(self.read("kept", 7), [0, 0])
        self.assertIn("tier is auto now", self.node.must("volume", "set", "archive", "--tier", "auto"))
        self.until("its blocks are cached", lambda: self.read("archive", 8)[1] > 0)
        self.node.must("volume", "set", "kept", "--tier", "auto")
        self.press()
        self.assertGreater(self.read("kept", 7)[0], 0)
        self.node.must("volume", "set", "kept", "--tier", "ssd")
        self.write("kept", self.SIZE, 9)
        self.press()
        self.assertEqual(self.read("kept", 9), [0, 0])
        self.node.stop()

    def test_what_cannot_be_is_refused_in_words(self):
        self.make("h1")
        create = ["volume", "create", "v", "--size", "8MiB"]
        self.assert_refused(*create[:-1], "40MiB", "--tier", "ssd",
                            words=["would have 40MiB together; the SSD has room for"])
        self.node.must(*create, "--tier", "ssd")
        self.assertIn("exists already", self.node.must(*create, "--tier", "ssd"))
        self.assertIn("exists already", self.node.must(*create))
        self.assert_refused(*create, "--tier", "hdd", words=["exists with tier ssd", "volume set"])
        code, said = self.node.varve("volume", "set", "v", "--tier", "nvme")
        self.assertEqual(code, 2, said)
        self.assertIn("{auto,ssd,hdd}", said)
        self.assertIn("has tier ssd already", self.node.must("volume", "set", "v", "--tier", "ssd"))
        self.assert_refused("volume", "set", "w", "--tier", "ssd", words=["no volume w"])
        self.assert_refused("volume", "resize", "v", "--size", "40MiB", words=["room for"])
        self.node.must("volume", "create", "w", "--size", "16MiB")
        self.assert_refused("volume", "set", "w", "--tier", "ssd",
                            words=["would have 24MiB together", "other volumes take 8MiB"])
        self.assertEqual([self.tier("v"), self.tier("w")], ["ssd", "auto"])
        self.node.must("snapshot", "create", "v@s")
        self.node.must("volume", "clone", "v@s", "heir")
        self.node.must("volume", "clone", "v@s", "other", "--tier", "hdd")
        self.assertEqual([self.tier("heir"), self.tier("other")], ["ssd", "hdd"])
        self.assertNotIn("PROBLEM", self.node.must("status"))
        self.node.stop()


class Adding(Tier):
    def start_with_ssd(self, *names):
        self.node.start()
        self.node.must("disk", "add", "disk0", "--size", str(SSD))
        self.node.must("volume", "create", "vol", "--size", "8MiB")
        self.node.stop()
        self.configure(*names)

    def test_an_hdd_is_added_to_a_disk_group_that_serves(self):
        self.start_with_ssd("h1", "h2")
        self.node.start()
        self.assertFalse(self.devices()["h1"]["serving"])
        self.assertIn("does not exist", self.devices()["h1"]["reason"])
        self.assertRegex(self.node.must("status"), "PROBLEM: disk group disk0 does not use HDD "
                         rf"{self.hdd('h1')}: .* varve disk add disk0 adds it")
        self.assert_refused("disk", "add", "disk0", words=["--hdd-size"])
        self.assert_refused("disk", "add", "disk0", "--size", "64MiB", words=["only HDDs"])
        self.assert_refused("disk", "add", "disk0", "--hdd", "/nowhere", words=["config has no HDD"])
        add = ["disk", "add", "disk0", "--hdd", self.hdd("h1")]
        self.assertIn("with 1 more HDD", self.node.must(*add, "--hdd-size", str(HDD)))
        self.assertIn("is an HDD of disk group disk0 already", self.node.must(*add))
        self.assertEqual((self.devices()["h1"]["serving"], self.devices()["h2"]["serving"]),
                         (True, False))
        self.assertIn("with 1 more HDD",
                      self.node.must("disk", "add", "disk0", "--hdd-size", str(HDD)))
        self.assert_refused("disk", "add", "disk0", words=["serving, with all its HDDs"])
        self.node.kill()
        self.node.start()
        self.assertNotIn("PROBLEM", self.node.must("status"))
        self.assertIn("vol", self.node.must("volume", "list"))

    def test_what_is_on_an_hdd_is_overwritten_with_consent_only(self):
        self.start_with_ssd("h1")
        hdd = self.hdd("h1")
        with open(hdd, "wb") as file:
            file.truncate(HDD)
        subprocess.run(["mkfs.ext4", "-q", "-F", hdd], check=True,
                       env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"})
        self.node.start()
        self.assert_refused("disk", "add", "disk0", words=["ext4", "--wipe"], hdd=hdd)
        self.node.must("disk", "add", "disk0", "--wipe")
        self.node.stop()
        # To another disk group it belongs to somebody.
        other = Node()
        self.addCleanup(other.__exit__)
        other.rewrite_config(f'path = "{other.disk}"\n', f'path = "{other.disk}"\nhdd = ["{hdd}"]\n')
        other.start()
        before = checksum(hdd)
        code, said = other.varve("disk", "add", "disk0", "--size", str(SSD))
        self.assertEqual(code, 1, said)
        self.assertIn("an HDD of another disk group", said)
        self.assertIn("--wipe", said)
        self.assertFalse(os.path.exists(other.disk))
        other.stop()
        self.assertEqual(checksum(hdd), before)
        self.node.start()
        self.assertTrue(self.devices()["h1"]["serving"])

    def test_an_hdd_that_was_not_added_to_the_end_is_added_again(self):
        self.start_with_ssd("h1")
        shutil.copy(self.node.disk, self.hdd("before"))
        self.node.start()
        self.node.must("disk", "add", "disk0", "--hdd-size", str(HDD))
        self.node.stop()
        os.rename(self.hdd("before"), self.node.disk)  # as if the catalog had not been reached
        self.node.start()
        self.assertIn("not added to the end", self.devices()["h1"]["reason"])
        self.node.must("disk", "add", "disk0")
        self.assertTrue(self.devices()["h1"]["serving"])

    def test_an_end_while_the_file_of_an_hdd_is_being_made(self):
        self.start_with_ssd("h1")
        self.node.start()
        with subprocess.Popen([BIN / "varve", "--config", self.node.config, "disk", "add", "disk0",
                               "--hdd-size", "768MiB"], text=True, stderr=subprocess.PIPE) as adding:
            while "writing" not in adding.stderr.readline():
                pass
            self.assert_refused("disk", "add", "disk0", words=["right now"])
            self.node.stop()
            self.assertEqual(adding.wait(30), 1)
        self.node.start()
        self.assertEqual(self.group()["state"], "serving")

    def test_a_device_that_is_too_small_keeps_what_it_holds(self):
        self.start_with_ssd("h1")
        pathlib.Path(self.hdd("h1")).write_bytes(random.Random(1).randbytes(MIB))
        self.node.start()
        self.assert_refused("disk", "add", "disk0", "--wipe", words=["at least"], hdd=self.hdd("h1"))
        self.assertEqual(self.group()["state"], "serving")


class Missing(Tier):
    def test_a_disk_group_does_not_open_without_an_hdd_and_says_which(self):
        self.make("h1", "h2")
        self.node.stop()
        os.rename(self.hdd("h2"), self.hdd("away"))
        self.assert_not_served("HDD 2 of the disk group", self.hdd("h2"), "does not exist")
        os.rename(self.hdd("away"), self.hdd("h2"))
        self.configure("h1")
        self.assert_not_served("HDD 2 of the disk group", "not among the 1 given")
        self.configure()
        self.assert_not_served("HDD 1 of the disk group", "the config names none")
        self.configure("h2", "h1")
        with open(self.hdd("h1"), "r+b") as file:  # core/format/superblock.h
            saved = {at: os.pread(file.fileno(), 4096, at) for at in [0, 65536, HDD - 65536]}
            for at in saved:
                os.pwrite(file.fileno(), struct.pack("<I", 99), at + 8)
        self.assert_not_served("HDD 1 of the disk group", self.hdd("h1"), "format 99")
        with open(self.hdd("h1"), "r+b") as file:
            for at, data in saved.items():
                os.pwrite(file.fileno(), data, at)
        self.node.start()
        self.assertEqual(self.group()["state"], "serving")

    def test_a_device_is_named_once_whatever_its_path(self):
        os.mkdir(self.hdd("by-id"))
        pathlib.Path(self.hdd("h1")).touch()
        pathlib.Path(self.node.disk).touch()
        os.symlink(self.hdd("h1"), self.hdd("by-id/a"))
        os.symlink(self.node.disk, self.hdd("by-id/b"))
        for names, same in [(["h1", "by-id/a"], "h1"), (["by-id/b"], "disk0")]:
            self.configure(*names)
            done = subprocess.run([BIN / "varved", "--config", self.node.config, "--check"],
                                  stderr=subprocess.PIPE, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, rf'^{self.node.config}:\d+:\d+: disk_group.hdd: '
                             rf'"{self.hdd(names[-1])}" is the same device as "{self.hdd(same)}"')


if __name__ == "__main__":
    unittest.main(verbosity=2)
