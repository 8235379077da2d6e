#!/usr/bin/python3
"""kill -9, again and again, of one node or of all three, under stamp load on a volume with three
copies. Kinds of rounds: the node that the client uses dies, and the client goes on through another
one, by force or once the dead node is silent; all three die in mid-write; two die; any node dies and
returns while the load goes on. Every other time what has just returned dies once more, while it
recovers or learns. After each round all groups get in sync again. In the end every block is read, with
each node dead once. Nothing acknowledged may be lost, mixed, stale or go back. With the records in etcd
one of its three members dies in each round, too, and returns at its end.
  tests/real/cluster/kill_rounds_test.py [--metadata sqlite|etcd] [--rounds 20] [--seed N]"""

import argparse
import collections
import os
import pathlib
import random
import subprocess
import time

from cluster import Cluster, until
from metadata import STORES
from moving_client import Stamp, attach, metric, others, verify_with_each_node_dead

MIB = 1 << 20
# Of ten rounds. "any" may hit the node that the client uses as well; it returns to it then.
KINDS = ["serving by force", "any", "all", "serving silent", "two", "any", "serving by force",
         "all", "any", "serving silent"]


def launch(*nodes):
    """Starts them; every other time the first dies again, at a random moment."""
    for node in nodes:
        node.launch()
    if random.random() < 0.5:
        time.sleep(random.random() * random.choice([0.1, 1]))
        nodes[0].kill()
        nodes[0].launch()


def serving_dies(cluster, stamp, force):
    dead, sessions = stamp.node, stamp.sessions
    dead.kill()
    stamp.lead_nowhere()
    successor = random.choice(others(cluster, dead))
    attach(successor, stamp.volume, force)
    stamp.lead_to(successor)
    stamp.await_session(sessions)
    stamp.await_more(random.randrange(20, 400))
    launch(dead)


def any_dies(cluster, stamp):
    dead = random.choice(cluster.nodes)
    sessions = stamp.sessions
    dead.kill()
    if dead is not stamp.node:
        # Back before the others take over from it, or after.
        stamp.await_more(random.choice([20, 600]))
    launch(dead)
    if dead is stamp.node:
        stamp.await_session(sessions)


def two_die(cluster, stamp):
    """The client's node is left, and alone: no write may be acknowledged until one is back, but those
    that the second to die had written, too. They count when the first is taken out, and the client
    hears of them when what was sent to the dead has ended. Reads go on, and so do trims of what is
    empty already."""
    dead = others(cluster, stamp.node)
    random.shuffle(dead)
    for node in dead:
        node.kill()
    time.sleep(0.5)  # answers that were on their way are announced by then
    before = stamp.writes
    until("the node knows that it is alone", lambda: is_alone(stamp.node))
    time.sleep(1 + random.random() * 3)  # enough for thousands
    more = stamp.writes - before
    assert more <= stamp.depth + stamp.announce_every, f"one copy was enough for {more} writes"
    launch(*dead)


def is_alone(node):
    groups = node.status().get("cluster", {}).get("groups", [])
    return groups and all(len(group["in_sync"]) == 1 for group in groups)


def all_die(cluster, stamp):
    sessions = stamp.sessions
    for node in random.sample(cluster.nodes, len(cluster.nodes)):
        node.kill()
    launch(*random.sample(cluster.nodes, len(cluster.nodes)))
    stamp.await_session(sessions)


def run_round(cluster, stamp, kind):
    stamp.await_more(random.randrange(20, 1500))
    with cluster.metadata.disturbed():
        run_scene(cluster, stamp, kind)
        stamp.await_more(20)
        cluster.await_joined()
    cluster.await_healthy()


def run_scene(cluster, stamp, kind):
    if kind == "all":
        all_die(cluster, stamp)
    elif kind == "two":
        two_die(cluster, stamp)
    elif kind == "any":
        any_dies(cluster, stamp)
    else:
        serving_dies(cluster, stamp, force=kind == "serving by force")


def returning_node_receives(cluster):
    """How much a node gets that was away while `changed` bytes of a larger volume were written."""
    size, changed = 48 * MIB, 8 * MIB
    first, second, away = random.sample(cluster.nodes, 3)
    image = pathlib.Path(cluster.work, "image")
    image.write_bytes(os.urandom(size))
    first.must("volume", "create", "quiet", "--size", str(size), "--copies", "3")
    copy(image, first.uri("quiet"))
    cluster.await_healthy()
    until_quiet(away)
    away.kill()
    image.write_bytes(os.urandom(changed))
    copy(image, second.uri("quiet"))
    away.start()
    cluster.await_healthy()
    received = metric(away, "varve_disk_group_user_blocks_written_total") * 4096
    second.must("volume", "delete", "quiet")
    print(f"returning node: {changed} bytes of {size} changed while it was away,"
          f" {received} bytes received", flush=True)
    assert changed <= received <= 1.3 * changed, "not what it lacked"


def until_quiet(node):
    """Members learn with a beacon what is committed, and keep that about once a second: until then
    they write."""
    last, since = None, time.monotonic()
    deadline = time.monotonic() + 30
    while time.monotonic() - since < 1.5:
        assert time.monotonic() < deadline, "an idle store goes on writing"
        count = metric(node, "varve_disk_group_device_writes_total")
        if count != last:
            last, since = count, time.monotonic()
        time.sleep(0.05)


def copy(image, uri):
    done = subprocess.run(["nbdcopy", "--destination-is-zero", str(image), uri], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    assert done.returncode == 0, f"nbdcopy to {uri}: {done.stdout}"


def run(cluster, rounds):
    cluster.make("--copies", "3")
    returning_node_receives(cluster)
    cluster.nodes[0].must("volume", "create", "load", "--size", "64MiB", "--copies", "3")
    counts = collections.Counter()
    with Stamp(cluster, "load") as stamp:
        stamp.lead_to(cluster.nodes[0])
        stamp.start()
        for number in range(rounds):
            kind = KINDS[number % len(KINDS)]
            began = time.monotonic()
            run_round(cluster, stamp, kind)
            counts[kind] += 1
            print(f"round {number + 1}: {kind}, {stamp.acknowledged} acknowledged,"
                  f" {time.monotonic() - began:.1f} s", flush=True)
        stamp.end()
        blocks = verify_with_each_node_dead(cluster, stamp)
        stamp.lead_nowhere()
    cluster.stop()
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items())))
    print(f"cluster kill rounds: {rounds} rounds, {stamp.total_acknowledged} operations"
          f" acknowledged, {blocks} blocks verified: 0 lost, mixed, stale or going back")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata", choices=STORES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    random.seed(options.seed)
    with STORES[options.metadata]() as metadata, Cluster(metadata=metadata) as cluster:
        run(cluster, options.rounds)


if __name__ == "__main__":
    main()
