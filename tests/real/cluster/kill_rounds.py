#!/usr/bin/python3
"""kill -9 of one or more nodes of a cluster, again and again, under a load that checks itself through a
node that is killed too: nothing acknowledged may be lost, mixed or go back, and the load goes on while
one node is away.
    tests/real/cluster/kill_rounds.py [--rounds 6 (100 with tests/run.sh --long)] [--seed RANDOM]"""

import argparse
import os
import random

from basic_test import Stamp
from cluster import Cluster


def one_round(cluster, stamp, chance):
    """Kills, lets the load go on where it can, starts again in any order."""
    stamp.await_word("acknowledged", 1 + chance.randrange(10))
    killed = chance.sample(cluster.nodes, chance.choice([1, 1, 1, 2, 3]))
    for node in killed:
        node.kill()
    if len(killed) == 1 and killed[0] is not cluster.nodes[1]:
        stamp.await_word("acknowledged", 1 + chance.randrange(10))
    for node in chance.sample(killed, len(killed)):
        node.launch()
    for node in killed:
        cluster.await_ready(node)
    if cluster.nodes[1] in killed:
        stamp.await_word("session")
    stamp.await_word("acknowledged", 1)
    # At times the next kill hits copies that are still being caught up.
    if chance.random() < 0.5:
        cluster.await_healthy()
    return len(killed)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    with Cluster() as cluster:
        cluster.make("--copies", "3")
        cluster.nodes[1].must("volume", "create", "load", "--size", "64MiB")
        stamp = Stamp(cluster.nodes[1].uri("load"), f"{cluster.work}/journal")
        kills = sum(one_round(cluster, stamp, chance) for _ in range(options.rounds))
        stamp.end()
        cluster.kill()
        cluster.launch()
        stamp.verify()
        cluster.await_healthy()
        cluster.stop()
    print(f"cluster kill_rounds: {kills} kills in {options.rounds} rounds, nothing lost, mixed or "
          "going back")


if __name__ == "__main__":
    main()
