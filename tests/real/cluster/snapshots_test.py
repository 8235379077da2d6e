#!/usr/bin/python3
"""Snapshots in a cluster of real daemons: group snapshots of two volumes under a writer that numbers
its writes, and now and then of a third one under stamp load, while a primary is killed; read from every
node, the same ever after."""

import hashlib
import threading

import nbd
from cluster import Cluster, until
from moving_client import Stamp
from operators_test import refused

BLOCK = 4096
MIB = 1 << 20
SLOTS = 1000
CUTS = 12
KILLED_IN = CUTS // 2


def connect(node, export):
    handle = nbd.NBD()
    handle.connect_uri(node.uri(export))
    return handle


def content(node, export):
    handle = connect(node, export)
    data = b"".join(handle.pread(MIB, at) for at in range(0, handle.get_size(), MIB))
    assert handle.is_read_only() == ("@" in export)
    handle.shutdown()
    return data


class Writer(threading.Thread):
    """Numbers its writes over both volumes in turn: each begins when the one before was answered."""

    def __init__(self, node):
        super().__init__()
        self.clients = [connect(node, "v"), connect(node, "w")]
        self.stopping = False
        self.number = 0
        self.error = None

    def run(self):
        try:
            while not self.stopping:
                number = self.number + 1
                self.clients[number % 2].pwrite(number.to_bytes(8, "little") * (BLOCK // 8),
                                                number // 2 % SLOTS * BLOCK)
                self.number = number
        except nbd.Error as error:
            self.error = error


def names_of(cut):
    """The snapshots of a cut: some have one of the stamped volume, too, that of the kill among them."""
    return [f"{volume}@{cut}" for volume in ("v", "w", "stamped")
            if volume != "stamped" or cut % 3 == 0]


def check_cut(node, cut, done_before):
    """A cut may lack the last numbers, but none in the middle, and none from before it."""
    numbers = set()
    digests = {name: hashlib.sha256(content(node, name)).digest()
               for name in names_of(cut) if name.startswith("stamped")}
    for volume in ("v", "w"):
        data = content(node, f"{volume}@{cut}")
        digests[f"{volume}@{cut}"] = hashlib.sha256(data).digest()
        numbers |= {int.from_bytes(data[at:at + 8], "little")
                    for at in range(0, SLOTS * BLOCK, BLOCK)}
    numbers.discard(0)
    newest = max(numbers, default=0)
    missing = set(range(max(1, newest - 2 * SLOTS + 3), newest + 1)) - numbers
    assert not missing, f"cut {cut} has {newest} but lacks {sorted(missing)[:5]}"
    assert newest >= done_before, f"cut {cut} ends at {newest}, {done_before} was done before it"
    return digests


def under_load(cluster):
    first, second, third = cluster.nodes
    for volume in ("v", "w", "stamped"):  # in groups whose primary is the second node
        second.must("volume", "create", volume, "--size", "4MiB", "--copies", "3")
        until("the first knows it", lambda v=volume: v in first.must("volume", "list").split())
    writer = Writer(first)
    done_before = []
    with Stamp(cluster, "stamped", depth=8) as stamp:
        stamp.lead_to(first)
        stamp.start()
        writer.start()
        try:
            for cut in range(CUTS):
                at_least = writer.number + 20
                until("the writer goes on", lambda n=at_least: writer.error or writer.number >= n, 60)
                stamp.await_more(20)
                if cut == KILLED_IN:
                    second.kill()
                done_before.append(writer.number)
                first.must("snapshot", "create", *names_of(cut))
        finally:
            writer.stopping = True
            writer.join()
        stamp.await_more(20)
        stamp.end()
        assert writer.error is None, writer.error
        assert stamp.verify() > 0
    second.launch()
    cluster.await_ready(second)
    cluster.await_healthy()
    digests = {}
    for cut in range(CUTS):
        digests |= check_cut(second, cut, done_before[cut])
    for name, digest in digests.items():
        assert hashlib.sha256(content(third, name)).digest() == digest, name
    return digests, writer


def stay_through_everything(cluster, digests, writer):
    """The members that were there when it was cut go away one by one."""
    first, second, third = cluster.nodes
    for client in writer.clients:
        client.pwrite(bytes(SLOTS * BLOCK), 0)
    for node in (second, third):
        node.kill()
        node.launch()
        cluster.await_ready(node)
        cluster.await_healthy()
        for name, digest in digests.items():
            assert hashlib.sha256(content(node, name)).digest() == digest, name
    for client in writer.clients:
        client.shutdown()
    cluster.kill()
    cluster.launch()
    cluster.await_healthy()
    for name, digest in digests.items():
        assert hashlib.sha256(content(first, name)).digest() == digest, name


def refusals(cluster, digests):
    first, second, _ = cluster.nodes
    refused(first, "has a snapshot 0 already", "snapshot", "create", "v@0")
    refused(first, "no volume", "snapshot", "create", "x@0")
    refused(first, "has no snapshot", "snapshot", "delete", "v@none")
    refused(first, "not built yet", "snapshot", "rollback", "v@0")
    refused(first, "not built yet", "volume", "clone", "v@0", "c")
    refused(first, "not built yet", "snapshot", "changes", "v@0")
    refused(first, "snapshots", "volume", "delete", "v")
    second.must("attach", "w")
    refused(first, "attached on node n2", "snapshot", "create", "v@more", "w@more")
    second.must("snapshot", "create", "w@more")
    second.must("detach", "w")
    reader = connect(first, "v@0")
    refused(first, "in use", "snapshot", "delete", "v@0")
    reader.shutdown()
    assert "v@0" in first.must("snapshot", "list") and "w@more" in first.must("snapshot", "list")
    assert "name:        v@0" in second.must("snapshot", "show", "v@0")
    second.must("snapshot", "delete", "w@more")
    for name in sorted(digests):
        if not name.startswith("v@"):
            continue
        first.must("snapshot", "delete", name)
        try:
            connect(first, name)
            raise AssertionError(f"{name} is gone, and can be opened")
        except nbd.Error:
            pass
    for name, digest in digests.items():
        if name.startswith("w@"):
            assert hashlib.sha256(content(second, name)).digest() == digest, name
    first.must("volume", "delete", "v")


def main():
    with Cluster() as cluster:
        cluster.make()
        digests, writer = under_load(cluster)
        stay_through_everything(cluster, digests, writer)
        refusals(cluster, digests)
        cluster.stop()
    print(f"{CUTS} group snapshots, {writer.number} writes")


if __name__ == "__main__":
    main()
