#!/usr/bin/python3
"""A node that stands still for 10 s (SIGSTOP) and does not know it: primaries of the volume's groups
are on it and a client uses it. Another node takes the volume by force, and the load goes on there.
A read that was sent to the stopped node after newer writes were acknowledged elsewhere is, when the
node runs again, answered with the newer value or an error, never with the older one."""

import os
import signal
import time

import nbd
from cluster import Cluster, until
from moving_client import Stamp, attach, verify_with_each_node_dead

BLOCK = 4096
STOPPED_SECONDS = 10
MIB = 1 << 20


class Client:
    """An NBD connection whose answers are awaited, with a bound."""

    def __init__(self, node, volume):
        self.nbd = nbd.NBD()
        self.nbd.connect_uri(node.uri(volume))

    def close(self):
        del self.nbd

    def read_later(self, offset):
        """Sends the read; the answer is for `answer`."""
        buffer = nbd.Buffer(BLOCK)
        return self.nbd.aio_pread(buffer, offset), buffer

    def answer(self, sent, seconds=30):
        """What was read; None after an error or when the server closed the connection."""
        cookie, buffer = sent
        deadline = time.monotonic() + seconds
        try:
            while not self.nbd.aio_command_completed(cookie):
                assert time.monotonic() < deadline, "a read is not answered"
                self.nbd.poll(200)
        except nbd.Error:
            return None
        return bytes(buffer.to_bytearray())


def value(round_number, block):
    return f"{round_number:8}{block:8}".encode() * (BLOCK // 16)


def busiest(cluster):
    """The node that is the primary of most groups."""
    return max(cluster.nodes, key=lambda node: sum(
        group["office_here"] for group in node.status()["cluster"]["groups"]))


def write_all(client, round_number):
    for block in range(16):
        client.nbd.pwrite(value(round_number, block), block * MIB)


def run_round(cluster, stamp, number):
    """Both volumes are used on the node that stops. The other client writes newer values elsewhere."""
    stopped = busiest(cluster)
    successor = cluster.nodes[(cluster.nodes.index(stopped) + 1) % 3]
    stamp.lead_to(stopped)
    attach(stopped, "load", force=True)
    attach(stopped, "values", force=True)
    stamp.start()
    before = Client(stopped, "values")
    write_all(before, 2 * number)
    stamp.await_more(500)
    os.kill(stopped.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    early = [before.read_later(block * MIB) for block in range(16)]
    stamp.abandon()
    for volume in ("load", "values"):
        attach(successor, volume, force=True)
    stamp.lead_to(successor)
    after = Client(successor, "values")
    write_all(after, 2 * number + 1)
    away_seconds = time.monotonic() - began
    late = [before.read_later(block * MIB) for block in range(16)]
    stamp.start()
    stamp.await_more(1000)
    until("it stood still for long enough",
          lambda: time.monotonic() - began >= STOPPED_SECONDS, STOPPED_SECONDS + 1)
    os.kill(stopped.process.pid, signal.SIGCONT)
    answers = [before.answer(sent) for sent in late]
    newer = [value(2 * number + 1, block) for block in range(16)]
    for block, answer in enumerate(answers):
        assert answer is None or answer == newer[block], \
            f"block {block}: the older value after a newer one was acknowledged: {answer[:16]}"
    for block, sent in enumerate(early):  # sent before: either value
        answer = before.answer(sent)
        assert answer in (None, newer[block], value(2 * number, block)), answer[:16]
    stamp.await_more(1000)
    cluster.await_healthy()
    for block in range(16):
        assert after.nbd.pread(BLOCK, block * MIB) == newer[block], f"block {block} went back"
    after.nbd.shutdown()
    stamp.end()
    before.close()
    return away_seconds, sum(answer is None for answer in answers)


def main():
    with Cluster() as cluster:
        cluster.make("--copies", "3")
        for volume in ("load", "values"):
            cluster.nodes[0].must("volume", "create", volume, "--size", "64MiB", "--copies", "3")
        with Stamp(cluster, "load") as stamp:
            for number in range(2):
                away_seconds, errors = run_round(cluster, stamp, number)
                print(f"round {number + 1}: written through another node after {away_seconds:.1f} s;"
                      f" {errors} of 16 late reads failed, the others are new", flush=True)
            blocks = verify_with_each_node_dead(cluster, stamp)
        cluster.stop()
        print(f"cluster pause: {stamp.total_acknowledged} operations acknowledged, {blocks} blocks"
              " verified, no old value read")


if __name__ == "__main__":
    main()
