#!/usr/bin/python3
"""Without etcd, all of whose members are dead, groups that are whole go on serving: what runs goes on, also
reads, and nothing is lost. When etcd is back a node may die again, as before.
  tests/real/cluster/etcd_away_test.py [--seconds 10]"""

import argparse
import time

from cluster import Cluster
from metadata import Etcd
from moving_client import Stamp, others, verify_with_each_node_dead


def go_on_without(cluster, stamp, seconds):
    with cluster.metadata.away():
        began, before, sessions = time.monotonic(), stamp.acknowledged, stamp.sessions
        while time.monotonic() - began < seconds:
            stamp.await_more(200)
        count = stamp.acknowledged - before
        assert stamp.sessions == sessions, "the client lost its connection"
    print(f"{seconds} s without etcd: {count} operations acknowledged", flush=True)


def one_dies(cluster, stamp):
    dead = others(cluster, stamp.node)[0]
    dead.kill()
    stamp.await_more(500)
    dead.launch()
    cluster.await_ready(dead)
    cluster.await_healthy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    with Etcd() as etcd, Cluster(metadata=etcd) as cluster:
        cluster.make("--copies", "3")
        cluster.nodes[0].must("volume", "create", "load", "--size", "64MiB", "--copies", "3")
        cluster.await_healthy()
        with Stamp(cluster, "load") as stamp:
            stamp.lead_to(cluster.nodes[0])
            stamp.start()
            stamp.await_more(500)
            go_on_without(cluster, stamp, options.seconds)
            one_dies(cluster, stamp)
            stamp.end()
            blocks = verify_with_each_node_dead(cluster, stamp)
            stamp.lead_nowhere()
        cluster.stop()
    print(f"cluster etcd away: {stamp.total_acknowledged} operations acknowledged, {blocks} blocks verified")


if __name__ == "__main__":
    main()
