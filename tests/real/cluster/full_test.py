#!/usr/bin/python3
"""All three stores are at 95 %, where writes wait, when the node dies that is the primary of all of
the volume's groups: others take over, reads and trims go on, and the writes that wait for room go
on when trims have made some. Then the node comes back to a full cluster and is in sync again; what
was acknowledged is what is read, on every node."""

import time

import nbd
from cluster import Cluster, until
from moving_client import metric, others

MIB = 1 << 20
VOLUME_MIB = 1024
DISK = "384MiB"
FULL = 0.94  # less than a write below the limit
IN_FLIGHT_MAX = 8
TRIMMED_MIB = 64


def fullness(node):
    return metric(node, "varve_disk_group_live_bytes") / metric(
        node, "varve_disk_group_capacity_bytes")


class Writer:
    """Writes one MiB after the other; the volume is larger than the stores."""

    def __init__(self, node):
        self.nbd = nbd.NBD()
        self.nbd.connect_uri(node.uri("vol"))
        self.acknowledged = {}  # place -> the byte that fills it
        self.in_flight = 0
        self.next_place = 0

    def write(self):
        place, value = self.next_place, self.next_place % 251 + 1
        self.next_place += 1
        assert place < VOLUME_MIB, "the stores never became full"

        def end(error):
            assert error.value == 0, f"a write failed: {error.value}"
            self.acknowledged[place] = value
            self.in_flight -= 1
            return 1

        self.in_flight += 1
        self.nbd.aio_pwrite(nbd.Buffer.from_bytearray(bytearray([value]) * MIB), place * MIB,
                            completion=end)

    def fill(self, seconds=60):
        """Ends when all that it has on its way waits: nothing was answered for two seconds."""
        deadline = time.monotonic() + seconds
        while True:
            while self.in_flight < IN_FLIGHT_MAX:
                self.write()
            assert time.monotonic() < deadline, "writes are neither done nor waiting"
            if self.nbd.poll(2000) == 0:
                return

    def await_waiting(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self.in_flight > 0:
            assert time.monotonic() < deadline, f"{self.in_flight} writes still wait"
            self.nbd.poll(500)

    def trim(self, count):
        for place in sorted(self.acknowledged)[:count]:
            self.nbd.trim(MIB, place * MIB)
            self.acknowledged[place] = 0

    def check(self, reader=None):
        for place, value in self.acknowledged.items():
            read = (reader or self.nbd).pread(MIB, place * MIB)
            assert read == bytes([value]) * MIB, f"MiB {place} is not what was written"


def make_volume(cluster):
    """On the second node, once the groups have primaries: it gets groups of that node."""
    client, primary, _ = cluster.nodes
    client.must("volume", "create", "first", "--size", "1MiB", "--copies", "3")
    cluster.await_healthy()
    primary.must("volume", "create", "vol", "--size", f"{VOLUME_MIB}MiB", "--copies", "3")
    return client, primary


def fail_over_when_full(cluster):
    client, dead = make_volume(cluster)
    writer = Writer(client)
    writer.fill()
    levels = [fullness(node) for node in cluster.nodes]
    assert min(levels) >= FULL, f"not full: {levels}"
    dead.kill()
    began = time.monotonic()
    writer.check()
    read_after = time.monotonic() - began
    waiting = writer.in_flight
    writer.trim(TRIMMED_MIB)
    trimmed_after = time.monotonic() - began
    writer.await_waiting()
    written_after = time.monotonic() - began
    writer.check()
    print(f"stores at {', '.join(f'{level:.1%}' for level in levels)}; primary killed: everything "
          f"read after {read_after:.1f} s, {TRIMMED_MIB} MiB trimmed after {trimmed_after:.1f} s, "
          f"the {waiting} MiB that waited written after {written_after:.1f} s")
    return writer, dead


def come_back_to_a_full_cluster(cluster, writer, dead):
    writer.fill()  # full again, without it
    dead.launch()
    cluster.await_ready(dead)
    writer.trim(2 * TRIMMED_MIB)
    writer.await_waiting()
    cluster.await_healthy()
    writer.check()
    del writer.nbd
    for gone in cluster.nodes:
        cluster.await_healthy()
        gone.stop()
        serving = others(cluster, gone)[0]
        until("the volume is attached", lambda: serving.varve("attach", "vol", "--force")[0] == 0)
        reader = nbd.NBD()
        reader.connect_uri(serving.uri("vol"))
        writer.check(reader)
        del reader
        gone.launch()
        cluster.await_ready(gone)
    cluster.await_healthy()


def main():
    with Cluster(disk_size=DISK) as cluster:
        cluster.make()
        writer, dead = fail_over_when_full(cluster)
        come_back_to_a_full_cluster(cluster, writer, dead)
        cluster.stop()
    print("full cluster: nothing lost, everybody back in sync")


if __name__ == "__main__":
    main()
