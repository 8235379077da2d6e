#!/usr/bin/python3
"""A full store seen by clients: writes wait and nothing else does; a trim, a client that goes and a
shutdown each end the wait as they should; nothing acknowledged is lost."""

import pathlib
import sys
import time
import unittest

import nbd

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from node import Node  # pylint: disable=wrong-import-position

MIB = 1 << 20
SIZE = 512 * MIB
DISK_MIB = 128
IN_FLIGHT_MAX = 8


def waiting_count(node):
    return node.status()["disk_groups"][0]["waiting_write_count"]


def until(condition, what, seconds=30):
    """Waits for something that the node only tells when asked."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Writer:
    """Writes one MiB after the other, each filled with a number of its own, until told to wait."""

    def __init__(self, node):
        self.node = node
        self.handle = nbd.NBD()
        self.handle.connect_uri(node.uri("vol"))
        self.errors = 0
        self.in_flight = 0

    def write(self, place, acknowledged):
        value = (place % 255) + 1

        def end(error):
            self.in_flight -= 1
            if error.value == 0:
                acknowledged[place] = value
            else:
                self.errors += 1
            return 1

        self.in_flight += 1
        buffer = nbd.Buffer.from_bytearray(bytearray([value]) * MIB)
        self.handle.aio_pwrite(buffer, place * MIB, completion=end)

    def fill(self, place, acknowledged):
        """Ends with writes that wait. Returns the next place."""
        while True:
            while self.in_flight < IN_FLIGHT_MAX:
                self.write(place, acknowledged)
                place += 1
            assert place * MIB < SIZE - MIB, "the store never became full"
            if self.handle.poll(300) == 0 and waiting_count(self.node) > 0:
                return place

    def finish(self):
        while self.in_flight > 0:
            assert self.handle.poll(30_000) == 1, "writes still wait"


class FullStore(unittest.TestCase):
    def setUp(self):
        self.node = self.enterContext(Node())
        self.node.start()
        self.node.must("disk", "add", "disk0", "--size", f"{DISK_MIB}MiB")
        self.node.must("volume", "create", "vol", "--size", f"{SIZE // MIB}MiB")
        self.acknowledged = {}
        self.reader = self.connect()
        self.writer = Writer(self.node)
        self.next = self.writer.fill(0, self.acknowledged)

    def connect(self):
        handle = nbd.NBD()
        handle.connect_uri(self.node.uri("vol"))
        return handle

    def check_acknowledged(self):
        for place, value in self.acknowledged.items():
            data = self.reader.pread(MIB, place * MIB)
            self.assertEqual(data, bytes([value]) * MIB, f"the MiB at {place}")

    def trim(self, places):
        for place in places:
            self.acknowledged.pop(place, None)
        self.reader.trim(len(places) * MIB, places[0] * MIB)

    def test_reads_go_on_and_the_status_says_why_writes_wait(self):
        self.assertGreater(len(self.acknowledged), DISK_MIB // 2)
        self.assertEqual(self.writer.errors, 0)
        self.check_acknowledged()
        self.assertRegex(self.node.varve("status")[1], "disk0 is full")

    def test_a_trim_makes_room_for_those_who_wait(self):
        self.trim(range(32))
        self.writer.finish()
        self.assertEqual(self.writer.errors, 0)
        self.assertEqual(waiting_count(self.node), 0)
        self.check_acknowledged()

    def test_a_client_that_goes_takes_its_waiting_writes_along(self):
        self.writer.handle = None
        until(lambda: waiting_count(self.node) == 0, "writes of a client that is gone wait")
        self.trim(range(32))
        again = Writer(self.node)
        again.write(self.next, self.acknowledged)
        again.finish()
        self.assertEqual(again.errors, 0)
        self.check_acknowledged()

    def test_a_shutdown_does_not_wait_for_space(self):
        self.node.stop()
        self.node.start()
        self.reader = self.connect()
        self.check_acknowledged()


if __name__ == "__main__":
    unittest.main()
