#!/usr/bin/python3
"""Nodes that do not hear each other, under stamp load: a node cut off from both others, one that
hears nothing, one that nobody hears, and a pair that does not hear each other; in the end all that at
random. It is the node that the client uses, or another; the client stays, or goes on through another
node by force. All see the metadata store, which is a file. Each time the network heals after some
seconds, the load goes on and all groups get in sync again; then every block is read, with each node
dead once."""

import random
import signal
import sys
import threading
import time

from cluster import Cluster
from moving_client import Stamp, attach, verify_with_each_node_dead
from netns import Network, why_not

# How it is cut: hears the others, is heard by them, by which (None: all others).
CUTS = {
    "cut off": (False, False, None),
    "deaf": (False, True, None),
    "mute": (True, False, None),
    "one peer lost": (False, False, 1),
}
CUT_SECONDS = 5
FLAPPING_SECONDS = 20


def cut_node(network, index, cut):
    hears, heard, peer = CUTS[cut]
    network.cut(index, hears, heard, None if peer is None else [(index + peer) % 3])


def other_is_cut(cluster, network, stamp, cut):
    """The client's node hears one other node, which is enough for groups that keep their primary."""
    index = (cluster.nodes.index(stamp.node) + 1) % 3
    cut_node(network, index, cut)
    time.sleep(CUT_SECONDS)
    network.heal(index)


def serving_is_cut(cluster, network, stamp, cut):
    """The client stays: what is answered meanwhile and afterwards is right."""
    index = cluster.nodes.index(stamp.node)
    cut_node(network, index, cut)
    time.sleep(CUT_SECONDS)
    network.heal(index)


def serving_is_left(cluster, network, stamp, cut):
    """Another node takes the volume while the client's node is cut; that node has requests of the
    client on their way, which must not take effect after it."""
    index = cluster.nodes.index(stamp.node)
    cut_node(network, index, cut)
    time.sleep(1)  # answers that were on their way have come; the rest are in doubt
    stamp.abandon()
    successor = cluster.nodes[(index + 2) % 3]
    # It ends when every group has a primary that the successor reaches.
    taking = threading.Thread(target=attach, args=(successor, stamp.volume, True))
    taking.start()
    time.sleep(CUT_SECONDS)
    network.heal(index)
    taking.join()
    stamp.lead_to(successor)
    stamp.start()


def flapping(network, stamp):
    """Any nodes in any way, for moments, several at once."""
    deadline = time.monotonic() + FLAPPING_SECONDS
    while time.monotonic() < deadline:
        indexes = random.sample(range(3), random.choice([1, 1, 2]))
        for index in indexes:
            cut_node(network, index, random.choice(list(CUTS)))
        time.sleep(random.random() * random.choice([0.2, 2, 4]))
        for index in indexes:
            network.heal(index)
        time.sleep(random.random() * random.choice([0.2, 2]))
    print(f"flapping: {stamp.acknowledged} acknowledged", flush=True)


def run_rounds(cluster, network, stamp):
    for cut in CUTS:
        for scene in (other_is_cut, serving_is_cut, serving_is_left):
            stamp.await_more(500)
            began = time.monotonic()
            scene(cluster, network, stamp, cut)
            stamp.await_more(200)
            cluster.await_healthy()
            print(f"{cut}, {scene.__name__}: {stamp.acknowledged} acknowledged,"
                  f" {time.monotonic() - began:.1f} s", flush=True)
    flapping(network, stamp)
    stamp.await_more(200)
    cluster.await_healthy()
    stamp.end()


def main():
    reason = why_not()
    if reason:
        print(f"SKIPPED: {reason}")
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the namespaces go then, too
    with Network() as network, Cluster(network=network) as cluster:
        cluster.make("--copies", "3")
        cluster.nodes[0].must("volume", "create", "load", "--size", "64MiB", "--copies", "3")
        with Stamp(cluster, "load") as stamp:
            stamp.lead_to(cluster.nodes[0])
            stamp.start()
            run_rounds(cluster, network, stamp)
            blocks = verify_with_each_node_dead(cluster, stamp)
            print(f"cluster partition: {stamp.total_acknowledged} operations acknowledged,"
                  f" {blocks} blocks verified: 0 lost, mixed, stale or going back")
        cluster.stop()


if __name__ == "__main__":
    main()
