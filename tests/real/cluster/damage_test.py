#!/usr/bin/python3
"""Blocks rot on every disk of a cluster, on each disk others, while nobody looks. Whoever reads gets
what was written: the primary fetches a damaged block from another member and all write it again. In
the end every copy is whole, which is seen by reading while each node is gone once. Then the same with
a scrub in place of the reads: each node mends its own copies from others, and nobody reads at all."""

import mmap
import random

import nbd
from cluster import Cluster, until
from moving_client import metric, others

BLOCK = 4096
BLOCKS = 1024
DAMAGED_ON_EACH = 40


def content(block):
    return f"{block:16}".encode() * (BLOCK // 16)


def write_all(node):
    client = nbd.NBD()
    client.connect_uri(node.uri("vol"))
    for block in range(BLOCKS):
        client.pwrite(content(block), block * BLOCK)
    client.shutdown()


def read_all(node):
    client = nbd.NBD()
    client.connect_uri(node.uri("vol"))
    for first in range(0, BLOCKS, 64):
        data = client.pread(64 * BLOCK, first * BLOCK)
        for i in range(64):
            assert data[i * BLOCK:(i + 1) * BLOCK] == content(first + i), f"block {first + i}"
    client.shutdown()


def rot(node, blocks):
    """Flips a byte in every copy of the blocks that the disk has."""
    with open(node.disk, "r+b") as disk, mmap.mmap(disk.fileno(), 0) as image:
        for block in blocks:
            at = image.find(content(block))
            # Not there: it rotted before, and nobody has read this copy since.
            while at >= 0:
                image[at + random.randrange(BLOCK)] ^= 0x40
                at = image.find(content(block), at + BLOCK)


def rot_everywhere(cluster):
    cluster.kill()
    chosen = random.sample(range(BLOCKS), DAMAGED_ON_EACH * len(cluster.nodes))
    for number, node in enumerate(cluster.nodes):
        rot(node, chosen[number::len(cluster.nodes)])
    cluster.launch()


def missing(node):
    """Blocks of which the disk has no whole copy."""
    with open(node.disk, "rb") as disk, mmap.mmap(disk.fileno(), 0, prot=mmap.PROT_READ) as image:
        return [block for block in range(BLOCKS) if image.find(content(block)) < 0]


def scrub_all(cluster):
    """Returns how many bad blocks the scrubs met. Nobody reads; the cluster is down afterwards."""
    rot_everywhere(cluster)
    cluster.await_healthy()
    for node in cluster.nodes:
        said = node.must("disk", "scrub", "disk0", "--rate", "1GiB")
        assert "0 blocks are damaged now" in said, said
    found = sum(metric(node, "varve_disk_group_scrub_bad_blocks_total") for node in cluster.nodes)
    cluster.stop()
    for node in cluster.nodes:
        assert not missing(node), f"{node.disk}: still damaged: {missing(node)}"
    return found


def repaired(cluster):
    return sum(metric(node, "varve_disk_group_repaired_blocks_total") for node in cluster.nodes)


def attach(node):
    until("the volume is attached", lambda: node.varve("attach", "vol", "--force")[0] == 0)


def run(cluster):
    cluster.make()
    first = cluster.nodes[0]
    first.must("volume", "create", "vol", "--size", str(BLOCKS * BLOCK), "--copies", "3")
    cluster.await_healthy()
    write_all(first)
    rot_everywhere(cluster)
    attach(first)
    read_all(first)
    at_first = repaired(cluster)
    assert at_first > 0, "the primaries found nothing to repair"
    for gone in cluster.nodes:
        gone.stop()
        serving = others(cluster, gone)[0]
        attach(serving)
        read_all(serving)
        gone.launch()
        cluster.await_ready(gone)
        until("the node's members are in sync", lambda: first.status()["cluster"].get(
            "degraded_group_count") == 0)
    for node in cluster.nodes:
        until("what is known to be damaged is mended, by a scrub if by nobody else",
              lambda node=node: metric(node, "varve_disk_group_damaged_blocks") == 0)
    found = scrub_all(cluster)
    assert found > 0, "the scrubs met nothing"
    count = DAMAGED_ON_EACH * len(cluster.nodes)
    print(f"{count} blocks damaged, {DAMAGED_ON_EACH} on each of {len(cluster.nodes)} disks: "
          f"{at_first} repaired when all was read, all whole after each node was gone once; "
          f"the same again: {found} found by scrub, every copy whole though nobody had read")


def main():
    with Cluster(disk_size="96MiB") as cluster:
        run(cluster)


if __name__ == "__main__":
    main()
