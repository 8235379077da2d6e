#!/usr/bin/env python3
"""The measurements of tests/bench/snapshots.sh."""

import argparse
import http.client
import json
import pathlib
import random
import socket
import statistics
import sys
import time

import nbd

import bench
import measure
from bench import number

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
from node import Node  # noqa: E402

VOLUME_MIB = 64
BLOCKS = VOLUME_MIB * 256
IN_FLIGHT_MAX = 32
ROUNDS = 3


def call(node, method, path, body=None):
    """Asks the node's admin API; returns how long the answer took, in microseconds."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(node.admin_socket)
    connection.request(method, path, body and json.dumps(body),
                       {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    assert answer.status < 300, said
    return (time.perf_counter() - begin) * 1e6


class Writer:
    def __init__(self, node, volume):
        self.handle = nbd.NBD()
        self.handle.connect_uri(node.uri(volume))
        self.data = nbd.Buffer.from_bytearray(bytearray(random.Random(1).randbytes(4096)))
        self.in_flight = 0

    def write(self, blocks):
        for block in blocks:
            self.wait(IN_FLIGHT_MAX - 1)
            self.in_flight += 1
            self.handle.aio_pwrite(self.data, block * 4096, completion=self.end)
        self.wait(0)

    def end(self, error):
        assert error.value == 0
        self.in_flight -= 1
        return 1

    def wait(self, most):
        while self.in_flight > most:
            self.handle.poll(-1)


def overwrite_and_take(node, count):
    generator = random.Random(2)
    writers = [Writer(node, volume) for volume in ("with", "without")]
    took = []
    for snapshot in range(count):
        blocks = [generator.randrange(BLOCKS) for _ in range(BLOCKS // 100)]
        for writer in writers:
            writer.write(blocks)
        took.append(call(node, "POST", "/v1/snapshots", {"snapshots": [f"with@s{snapshot}"]}))
    for writer in writers:
        writer.handle.shutdown()
    return took


def head(node, kind, seconds):
    """Of both volumes, by turns."""
    rounds = [[measure.fio("nbd", f"--uri={node.uri(volume)}", kind, 4096, 32, seconds,
                           f"--size={VOLUME_MIB}MiB")["iops"] for volume in ("with", "without")]
              for _ in range(ROUNDS)]
    return [f"{kind} of the head, depth 32: IOPS with them, without",
            *(number(statistics.median(iops)) for iops in zip(*rounds)),
            number(statistics.median(ours / theirs for ours, theirs in rounds), 2)]


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/snapshots.sh")
    parser.add_argument("--snapshots", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.smoke:
        options.snapshots, options.seconds = 50, 1
    bench.describe_machine("/var/tmp")
    with Node() as node:
        node.start()
        node.must("disk", "add", "disk0", "--size", "4GiB")
        for volume in ("with", "without"):
            node.must("volume", "create", volume, "--size", f"{VOLUME_MIB}MiB")
            Writer(node, volume).write(range(BLOCKS))
        took = overwrite_and_take(node, options.snapshots)
        tenth = max(options.snapshots // 10, 1)
        first, last = (statistics.median(part) for part in (took[:tenth], took[-tenth:]))
        rows = [[f"taking one, us: the first {tenth}, the last {tenth}", number(first), number(last),
                 number(last / first, 2)]]
        rows += [head(node, kind, options.seconds) for kind in ("randread", "randwrite")]
        half = list(range(0, options.snapshots, 2))
        random.Random(3).shuffle(half)
        deleted = [call(node, "DELETE", f"/v1/snapshots/with@s{snapshot}") for snapshot in half]
        first, last = (statistics.median(part) for part in (deleted[:tenth], deleted[-tenth:]))
        rows += [["deleting every second one in random order, us: first, last", number(first),
                  number(last), number(last / first, 2)]]
        node.stop()
    bench.table(f"{options.snapshots} snapshots of a volume of {VOLUME_MIB} MiB",
                ["what", "one", "other", "ratio"], rows)


if __name__ == "__main__":
    main()
