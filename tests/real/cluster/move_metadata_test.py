#!/usr/bin/python3
"""varve cluster move-metadata, from SQLite into etcd: refused while a daemon runs or where anything else is,
ended by the next when it was killed at any moment; afterwards the volumes are there with their data, and
the former store serves nobody. An older copy of it is refused by the nodes whose disks know more."""

import pathlib
import random
import shutil
import subprocess

from basic_test import Stamp
from cluster import BIN, Cluster, until
from metadata import Etcd, Sqlite

KILLED_MOVES = 12


class Move:
    """The command for the node's present config, into another store."""

    def __init__(self, cluster, target):
        self.node = cluster.nodes[0]
        self.new_config = f"{cluster.work}/new.toml"
        text = pathlib.Path(self.node.config).read_text()
        pathlib.Path(self.new_config).write_text(
            text.replace(cluster.metadata.section, target.section))
        self.words = ["cluster", "move-metadata", "--to", self.new_config]

    def must(self):
        return self.node.must(*self.words)

    def refused(self, why):
        code, said = self.node.varve(*self.words)
        assert code == 1 and why in said, f"exit {code}: {said}"

    def killed_after(self, seconds):
        """Whether it ended by itself before."""
        process = subprocess.Popen([BIN / "varve", "--config", self.node.config, *self.words],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False


def under_prefix(etcd, prefix):
    """The same etcd for another cluster."""
    other = Etcd()
    other.section = f'{etcd.section}prefix = "{prefix}"\n'
    return other


def load_some(cluster):
    first = cluster.nodes[0]
    first.must("volume", "create", "load", "--size", "64MiB", "--copies", "3")
    stamp = Stamp(first.uri("load"), f"{cluster.work}/journal")
    stamp.await_word("acknowledged", 20)
    stamp.end()
    return stamp


def older_copy(cluster):
    """What a backup would be: the store of now, before each node takes other epochs."""
    cluster.stop()
    copy = Sqlite()
    copy.__enter__()
    shutil.copy(cluster.metadata.path, copy.path)
    cluster.launch()
    cluster.await_healthy()
    cluster.nodes[1].kill()
    until("all groups go on without it",
          lambda: "groups are degraded" in cluster.nodes[0].must("status"))
    cluster.nodes[1].launch()
    cluster.await_joined()
    cluster.await_healthy()
    return copy


def refused_while_one_runs(cluster, move):
    move.refused("every varved of the cluster must be stopped")
    for node in cluster.nodes[:2]:
        node.stop()
    move.refused("is in use by another process")
    cluster.nodes[2].stop()


def refused_into_what_is_used(cluster, etcd):
    cluster.use(under_prefix(etcd, "/other/"))
    first = cluster.nodes[0]
    first.launch()
    until("it waits for varve cluster init", lambda: "cluster init" in cluster.state(first))
    first.must("cluster", "init")
    first.stop()


def killed_and_ended(move):
    """Kill it at any moment, again and again, unless it was faster; then let it end."""
    kill_count = 0
    while kill_count < KILLED_MOVES and not move.killed_after(random.random() * 0.1):
        kill_count += 1
    said = move.must()
    assert "is moved: " in said or "was moved already" in said, said
    assert "was moved already" in move.must()
    print(f"moved, after it was killed {kill_count} times", flush=True)


def former_store_refuses(cluster):
    first = cluster.nodes[0]
    first.launch()
    assert first.process.wait(30) == 1, "varved serves from a store that was moved"
    assert "the cluster was moved to metadata_etcd http://127.0.0.1:" in first.log(), first.log()
    first.process = None


def older_is_refused(cluster, copy, etcd):
    """Moved or not: each node's disk knows of later epochs."""
    target = under_prefix(etcd, "/older/")
    now = cluster.metadata
    cluster.use(copy)
    Move(cluster, target).must()
    cluster.use(target)
    cluster.launch()
    for node in cluster.nodes:
        said = node.must("status")
        assert "records are older than this disk group" in said, said
        assert "stop all nodes and give them the newest" in said, said
    cluster.stop()
    cluster.use(now)
    copy.__exit__()


def main():
    with Etcd() as etcd, Cluster() as cluster:
        cluster.make("--copies", "3")
        copy = older_copy(cluster)
        stamp = load_some(cluster)
        sqlite = cluster.metadata
        move = Move(cluster, etcd)
        refused_while_one_runs(cluster, move)
        older_is_refused(cluster, copy, etcd)
        refused_into_what_is_used(cluster, etcd)
        other = cluster.metadata
        cluster.use(sqlite)
        Move(cluster, other).refused("is not empty: it has another cluster")
        killed_and_ended(Move(cluster, etcd))
        Move(cluster, under_prefix(etcd, "/third/")).refused("was moved to metadata_etcd")
        former_store_refuses(cluster)
        cluster.use(etcd)
        cluster.launch()
        cluster.await_healthy()
        stamp.uri = cluster.nodes[2].uri("load")
        stamp.verify()
        cluster.nodes[1].must("volume", "create", "new", "--size", "8MiB", "--copies", "3")
        cluster.stop()
    print("cluster metadata moved from SQLite to etcd: data and volumes are there, the old serves nobody")


if __name__ == "__main__":
    main()
