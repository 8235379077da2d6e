#!/usr/bin/python3
"""Three daemons, a volume with three copies: written through one node and read through another; a
node that dies under load does not stop the I/O; after kill -9 of all three everything that was
acknowledged is there."""

import os
import pathlib
import subprocess

from cluster import BIN, Cluster, until


def nbdcopy(source, target):
    done = subprocess.run(["nbdcopy", source, target], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    assert done.returncode == 0, f"nbdcopy {source} {target}: {done.stdout}"


class Stamp:
    """The load that checks itself, and the thread of what it announces."""

    def __init__(self, uri, journal):
        self.uri, self.journal = uri, journal
        self.process = subprocess.Popen(
            [BIN / "stamp", "run", uri, "--journal", journal, "--announce-every", "50", "--quiet",
             "--reconnect-timeout-ms", "60000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def await_word(self, word, count=1):
        for line in self.process.stdout:
            if line.startswith(word):
                count -= 1
                if count == 0:
                    return
        raise AssertionError(f"stamp ended: exit {self.process.wait()}")

    def end(self):
        self.process.terminate()
        self.process.stdout.read()
        assert self.process.wait(60) == 0, f"stamp: exit {self.process.returncode}"

    def verify(self):
        done = subprocess.run(
            [BIN / "stamp", "verify", self.uri, "--journal", self.journal, "--quiet"], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            check=False)
        assert done.returncode == 0, f"stamp verify: exit {done.returncode}: {done.stdout}"


def write_here_read_there(cluster):
    first, second, _ = cluster.nodes
    original = pathlib.Path(cluster.work, "original")
    original.write_bytes(os.urandom(24 << 20))
    first.must("volume", "create", "data", "--size", "24MiB", "--copies", "3")
    nbdcopy(str(original), first.uri("data"))
    until("the volume is detached", lambda: "n1" not in first.must("volume", "show", "data"))
    copy = pathlib.Path(cluster.work, "copy")
    nbdcopy(second.uri("data"), str(copy))
    assert copy.read_bytes() == original.read_bytes(), "node 2 reads what node 1 did not write"


def held_is_refused(cluster):
    first, second, _ = cluster.nodes
    first.must("attach", "data")
    code, said = second.varve("attach", "data")
    assert code != 0 and "n1" in said, f"attached twice: {said}"
    info = subprocess.run(["nbdinfo", "--size", second.uri("data")], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert info.returncode != 0 and "policy" in info.stdout, info.stdout
    second.must("attach", "data", "--force")
    second.must("detach", "data")


def node_dies_under_load(cluster, stamp):
    first = cluster.nodes[0]
    stamp.await_word("acknowledged", 4)
    first.kill()
    stamp.await_word("acknowledged", 40)
    first.launch()
    cluster.await_ready(first)
    stamp.await_word("acknowledged", 10)
    cluster.await_healthy()


def all_die(cluster, stamp):
    stamp.await_word("acknowledged", 10)
    cluster.kill()
    cluster.launch()
    stamp.await_word("session")
    stamp.await_word("acknowledged", 4)
    stamp.end()
    cluster.kill()
    cluster.launch()
    stamp.verify()


def main():
    with Cluster() as cluster:
        cluster.make("--copies", "3")
        assert cluster.nodes[2].must("node", "list").count("n") >= 3
        write_here_read_there(cluster)
        held_is_refused(cluster)
        cluster.nodes[1].must("volume", "create", "load", "--size", "64MiB", "--copies", "3")
        stamp = Stamp(cluster.nodes[1].uri("load"), f"{cluster.work}/journal")
        stamp.await_word("session")
        node_dies_under_load(cluster, stamp)
        all_die(cluster, stamp)
        cluster.stop()
    print("cluster basic: written here, read there; one node and all nodes killed, nothing lost")


if __name__ == "__main__":
    main()
