"""A stamp client that moves from node to node of a cluster, and what the tests ask the nodes."""

import http.client
import os
import pathlib
import random
import socket
import subprocess
import threading
import time

from cluster import BIN, until


class Stamp:
    """`stamp run` behind a symbolic link to the NBD socket of the node that it is to use. It
    reconnects by itself where the link leads to; while there is no link, nobody listens."""

    announce_every = 20  # acknowledgements

    def __init__(self, cluster, volume, depth=32):
        self.link = pathlib.Path(cluster.work, f"{volume}.sock")
        self.journal = f"{cluster.work}/{volume}.journal"
        self.uri = f"nbd+unix:///{volume}?socket={self.link}"
        self.volume, self.depth = volume, depth
        self.node = None
        self.acknowledged = self.writes = self.sessions = 0
        self.total_acknowledged = 0
        self.changed = threading.Condition()
        self.process = self.reader = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.abandon()

    def start(self):
        self.acknowledged = self.writes = self.sessions = 0
        self.process = subprocess.Popen(
            [BIN / "stamp", "run", self.uri, "--journal", self.journal, "--depth", str(self.depth),
             "--announce-every", str(self.announce_every), "--quiet", "--reconnect-timeout-ms", "60000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, args=(self.process,))
        self.reader.start()
        self.await_session(0)

    def _read(self, process):
        for line in process.stdout:
            words = line.split()
            with self.changed:
                if words[0] == "acknowledged":
                    self.acknowledged, self.writes = int(words[1]), int(words[3])
                if words[0] == "session":
                    self.sessions += 1
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def _await(self, what, condition, seconds):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"stamp on {self.volume}: not within {seconds} s: {what}"
                assert self.reader.is_alive(), f"stamp ended: exit {self.process.wait()}"
                self.changed.wait(left)

    def await_more(self, count, seconds=60):
        """Waits until so many more operations are acknowledged."""
        goal = self.acknowledged + count
        self._await(f"{count} more acknowledged", lambda: self.acknowledged >= goal, seconds)

    def await_session(self, former, seconds=60):
        self._await("a new session", lambda: self.sessions > former, seconds)

    def lead_to(self, node):
        """From now on the client finds this node."""
        new = self.link.with_suffix(".new")
        new.symlink_to(node.nbd_socket)
        os.rename(new, self.link)
        self.node = node

    def lead_nowhere(self):
        self.link.unlink()
        self.node = None

    def end(self):
        """Lets it answer for everything that it saw."""
        self.process.terminate()
        code = self.process.wait(60)
        self._forget()
        assert code == 0, f"stamp run: exit {code}"

    def abandon(self):
        """For a client whose node does not answer any more: its journal says what it saw."""
        self.process.kill()
        self.process.wait()
        self._forget()

    def _forget(self):
        self.reader.join()
        self.total_acknowledged += self.acknowledged
        self.process.stdout.close()
        self.process = None

    def verify(self):
        """Reads every block; how many of them hold something that was acknowledged."""
        done = subprocess.run(
            [BIN / "stamp", "verify", self.uri, "--journal", self.journal, "--quiet"], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            check=False)
        assert done.returncode == 0, f"stamp verify: exit {done.returncode}: {done.stdout}"
        facts = dict(line.split() for line in done.stdout.splitlines())
        return int(facts["acknowledged_blocks"])


def attach(node, volume, force):
    """Takes the volume from a node that is gone: at once, or as soon as that is silent."""
    if force:
        node.must("attach", volume, "--force")
    else:
        until(f"{volume} is attached", lambda: node.varve("attach", volume)[0] == 0)


def others(cluster, *nodes):
    return [node for node in cluster.nodes if node not in nodes]


def verify_with_each_node_dead(cluster, stamp):
    """Reads are served by primaries; so that the copies of all nodes are read, each is dead once."""
    count = 0
    for dead in cluster.nodes:
        cluster.await_healthy()
        dead.kill()
        serving = random.choice(others(cluster, dead))
        stamp.lead_to(serving)
        attach(serving, stamp.volume, force=True)
        count = stamp.verify()
        dead.launch()
        cluster.await_ready(dead)
    cluster.await_healthy()
    return count


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def metric(node, name):
    """The sum of a metric's samples."""
    connection = _UnixConnection(node.admin_socket)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(name)]
    assert values, f"no metric {name}"
    return sum(int(value) for value in values)
