#!/usr/bin/python3
"""Clients that are slow, half-open or talk garbage: a real varved drops them and serves the others.

Bounded descriptors and memory, no data that nobody wrote, and a node that is alive behind it.
"""

import contextlib
import random
import resource
import struct
import time
import unittest

import nbd
import nbd_raw
from node import Node

MIB = 1 << 20
VOLUME_BYTES = 16 * MIB


def await_that(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class BadConnections(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        cls.stack = contextlib.ExitStack()
        timeouts = "handshake_timeout_ms = 1000\nrequest_timeout_ms = 1000"
        cls.node = cls.stack.enter_context(Node(options=timeouts))
        cls.addClassCleanup(cls.stack.close)
        cls.node.start()
        cls.node.must("disk", "add", "disk0", "--size", "256MiB")
        cls.node.must("volume", "create", "vol", "--size", "16MiB")

    def setUp(self):
        self.sockets = contextlib.ExitStack()
        self.addCleanup(self.sockets.close)
        self.assert_served()
        self.fd_count = self.node.fd_count()

    def connect(self, path=None):
        return self.sockets.enter_context(nbd_raw.connect(path or self.node.nbd_socket))

    def assert_served(self):
        """A good client gets its answers, soon."""
        begin = time.monotonic()
        handle = nbd.NBD()
        handle.connect_uri(self.node.uri("vol"))
        block = random.randbytes(4096)
        handle.pwrite(block, 0)
        self.assertEqual(handle.pread(4096, 0), block)
        handle.shutdown()
        self.assertLess(time.monotonic() - begin, 2)

    def assert_all_dropped(self):
        """Descriptors are back to what they were, so is the service."""
        self.assertTrue(await_that(lambda: self.node.fd_count() <= self.fd_count),
                        f"{self.node.fd_count()} descriptors, {self.fd_count} before")
        self.assert_served()
        self.assertEqual(self.node.varve("status")[0], 0)

    def test_half_open_handshakes(self):
        for i in range(300):
            sock = self.connect()
            if i % 3 > 0:
                nbd_raw.greet(sock)
            if i % 3 == 2:
                sock.sendall(nbd_raw.go("vol")[:-3])
        self.assert_served()
        self.assert_all_dropped()

    def test_more_connections_than_there_is_room_for(self):
        for _ in range(1500):
            try:
                self.connect()
            except (BlockingIOError, TimeoutError, ConnectionError):
                break  # the listen queue is full: refused by the kernel
        self.assert_all_dropped()

    def test_one_byte_at_a_time_is_no_way_to_stay(self):
        """Bytes alone do not keep a handshake open for ever."""
        sock = self.connect()
        nbd_raw.greet(sock)
        begin = time.monotonic()
        with self.assertRaises(OSError):
            for byte in nbd_raw.option(nbd_raw.OPT_GO, bytes(4096)):
                sock.sendall(bytes([byte]))
                self.assertLess(time.monotonic() - begin, 20)
                time.sleep(0.01)
        self.assert_all_dropped()

    def test_half_a_write_writes_nothing(self):
        offset = 8 * MIB
        for i in range(20):
            sock = self.sockets.enter_context(nbd_raw.open_volume(self.node.nbd_socket, "vol"))
            sock.sendall(nbd_raw.request(nbd_raw.CMD_WRITE, i, offset, MIB) + b"x" * (MIB // 2 + i))
        self.assert_served()
        self.assert_all_dropped()
        handle = nbd.NBD()
        handle.connect_uri(self.node.uri("vol"))
        self.assertEqual(bytes(handle.pread(MIB, offset)), bytes(MIB))
        handle.shutdown()

    def test_replies_that_nobody_takes(self):
        before = self.node.memory_bytes()
        for _ in range(4):
            sock = self.sockets.enter_context(nbd_raw.open_volume(self.node.nbd_socket, "vol"))
            sock.sendall(b"".join(nbd_raw.request(nbd_raw.CMD_READ, i, 0, 8 * MIB)
                                  for i in range(200)))
        self.assert_served()
        # 64 MiB a connection (plugins/nbd/limits.h), and some slack.
        self.assertLess(self.node.memory_bytes() - before, (4 * 64 + 64) * MIB)
        self.assert_all_dropped()

    def test_garbage_on_the_nbd_port(self):
        chance = random.Random(1)
        for round_number in range(300):
            sock = self.connect()
            try:
                if round_number % 3 > 0:
                    nbd_raw.greet(sock)
                if round_number % 3 == 2:  # well-formed options of any kind and length
                    claimed = chance.choice([0, 1, 16, 5000, 1 << 20, 0xFFFFFFFF])
                    sock.sendall(struct.pack(">QII", nbd_raw.IHAVEOPT, chance.randrange(20), claimed))
                sock.sendall(chance.randbytes(chance.randrange(1, 3000)))
            except ConnectionError:
                pass  # it saw enough
            sock.close()
        self.assert_all_dropped()

    def test_garbage_instead_of_requests(self):
        chance = random.Random(2)
        for round_number in range(100):
            sock = self.sockets.enter_context(nbd_raw.open_volume(self.node.nbd_socket, "vol"))
            try:
                if round_number % 2:  # good magic, senseless request: far out, huge, unknown command
                    sock.sendall(struct.pack(">IHHQQI", nbd_raw.REQUEST_MAGIC, chance.randrange(65536),
                                             chance.randrange(2, 65536), 1, chance.randrange(1 << 64),
                                             chance.randrange(1 << 32)))
                else:
                    sock.sendall(chance.randbytes(4000))
                    self.assertTrue(nbd_raw.closed_by_server(sock))
            except ConnectionError:
                pass
            sock.close()
        self.assert_all_dropped()

    def test_garbage_on_the_admin_port(self):
        chance = random.Random(3)
        requests = [
            b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 5000, b"GET " + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
            b"GET /v1/status HTTP/1.1\r\n" + b"x: y\r\n" * 20000 + b"\r\n",
            b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{\"name\": ",
            b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{",
            b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        ]
        for round_number in range(60):
            sock = self.connect(self.node.admin_socket)
            data = chance.randbytes(chance.randrange(1, 20000))
            if round_number % 2:
                data = requests[round_number // 2 % len(requests)]
            with contextlib.suppress(OSError):
                sock.sendall(data)
            sock.close()
        self.assert_all_dropped()
        self.assertIn("vol", self.node.must("volume", "list"))

    def test_half_open_admin_connections(self):
        for _ in range(64):
            self.connect(self.node.admin_socket).sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        begin = time.monotonic()
        self.node.must("status")
        self.assertLess(time.monotonic() - begin, 20)
        self.assert_served()
        self.sockets.close()
        self.assert_all_dropped()


if __name__ == "__main__":
    unittest.main(verbosity=2)
