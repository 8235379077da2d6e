#!/usr/bin/python3
"""Three machines, as far as one can be three: a network namespace each, with an address, a varved and a
member of etcd. The link of one goes down under stamp load, of one that the client does not use and of
the one that it uses; another node then takes the volume by force. Each time the machine returns, and all
groups get in sync again; then every block is read, with each node dead once."""

import random
import signal
import sys
import time

from cluster import Cluster
from metadata import Etcd
from moving_client import Stamp, attach, others, verify_with_each_node_dead
from netns import Network, why_not

AWAY_SECONDS = 5


def other_is_away(cluster, network, stamp):
    index = cluster.nodes.index(random.choice(others(cluster, stamp.node)))
    network.set_link(index, "down")
    stamp.await_more(500)  # the others have taken over and went on
    time.sleep(AWAY_SECONDS)
    network.set_link(index, "up")


def serving_is_away(cluster, network, stamp):
    left = stamp.node
    network.set_link(cluster.nodes.index(left), "down")
    time.sleep(1)
    stamp.abandon()
    successor = random.choice(others(cluster, left))
    attach(successor, stamp.volume, force=True)
    stamp.lead_to(successor)
    stamp.start()
    stamp.await_more(500)
    network.set_link(cluster.nodes.index(left), "up")


def main():
    reason = why_not()
    if reason:
        print(f"SKIPPED: {reason}")
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the namespaces go then, too
    with Network() as network, Etcd(network=network) as etcd, \
            Cluster(network=network, metadata=etcd) as cluster:
        for node in cluster.nodes:  # one config for all of them
            node.rewrite_config(f'"{node.address}"', f'"{network.subnet}:7071"')
        cluster.make("--copies", "3")
        assert all(ip in cluster.nodes[0].must("node", "list") for ip in network.ips)
        cluster.nodes[0].must("volume", "create", "load", "--size", "64MiB", "--copies", "3")
        with Stamp(cluster, "load") as stamp:
            stamp.lead_to(cluster.nodes[0])
            stamp.start()
            for scene in (other_is_away, serving_is_away):
                stamp.await_more(500)
                scene(cluster, network, stamp)
                stamp.await_more(200)
                cluster.await_healthy()
                print(f"{scene.__name__}: {stamp.acknowledged} acknowledged", flush=True)
            stamp.end()
            blocks = verify_with_each_node_dead(cluster, stamp)
            stamp.lead_nowhere()
        cluster.stop()
    print(f"cluster machines: {stamp.total_acknowledged} operations acknowledged, {blocks} blocks verified")


if __name__ == "__main__":
    main()
