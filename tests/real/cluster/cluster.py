"""Several real varved on loopback that are one cluster, for tests in Python."""

import contextlib
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from metadata import Sqlite  # noqa: E402
from node import BIN, Node  # noqa: E402, F401
from ports import free_ports  # noqa: E402

SECTIONS = """
[metadata]
{metadata}
[transport]
use = "{transport}"
listen = "{address}"
{options}
"""


def until(what, condition, seconds=30):
    """Waits until the condition holds; the last value of it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Cluster:
    """`nodes` with one disk group each. Use in a `with`: everything is gone behind it. `network`:
    not on loopback; has a transport with its options, and an address and a launcher for each node. `metadata`: where
    the records are, which outlives the cluster; by default a file of its own. `more`: of a node's
    number, what its config and its service have besides."""

    def __init__(self, node_count=3, disk_size="512MiB", disk_options="", network=None,
                 metadata=None, host="127.0.0.1", more=lambda _: ("", "")):
        self.own = contextlib.ExitStack()
        self.metadata = metadata or self.own.enter_context(Sqlite())
        self.work = tempfile.mkdtemp(prefix="varve.", dir="/var/tmp")
        self.disk_size = disk_size
        self.expected_problem = ""  # words of one that does not count
        self.nodes = []
        if network:
            transport, addresses = network.transport, network.addresses
            options = network.options
        else:
            shown = f"[{host}]" if ":" in host else host
            addresses = [f"{shown}:{port}" for port in free_ports(node_count, host)]
            transport, options = "tcp", ""
        for number, address in enumerate(addresses, start=1):
            sections = SECTIONS.format(metadata=self.metadata.section, address=address,
                                       transport=transport, options=options)
            section, service = more(number)
            self.nodes.append(Node(name=f"n{number}", sections=sections + section,
                                   options=service, disk_options=disk_options))
            self.nodes[-1].address = address
            if network:
                self.nodes[-1].launcher = network.launchers[number - 1]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for node in self.nodes:
            if kind is not None:
                print(f"---- {node.work}\n{node.log()[-6000:]}", file=sys.stderr)
            node.__exit__()
        shutil.rmtree(self.work)
        self.own.close()

    def make(self, *options):
        """Starts all nodes, makes the cluster and one disk group on each. Without a `disk_size`
        their files are there already."""
        for node in self.nodes:
            node.launch()
        until("the first node waits for varve cluster init",
              lambda: "cluster init" in self.state(self.nodes[0]))
        self.nodes[0].must("cluster", "init", *options)
        self.await_joined()
        for node in self.nodes:
            size = ["--size", self.disk_size] if self.disk_size else []
            node.must("disk", "add", "disk0", *size)

    def use(self, metadata):
        """Another metadata store, from the next start on."""
        for node in self.nodes:
            node.rewrite_config(self.metadata.section, metadata.section)
        self.metadata = metadata

    def launch(self):
        for node in self.nodes:
            node.launch()
        self.await_joined()

    def await_joined(self):
        for node in self.nodes:
            self.await_ready(node)

    @staticmethod
    def await_ready(node):
        until(f"{node.work} is ready", lambda: Cluster.is_ready(node))

    @staticmethod
    def is_ready(node):
        assert node.process.poll() is None, f"varved ended:\n{node.log()}"
        return node.status().get("state") == "ready"

    @staticmethod
    def state(node):
        assert node.process.poll() is None, f"varved ended:\n{node.log()}"
        return node.status().get("cluster", {}).get("state", "")

    def await_healthy(self, seconds=60):
        """Waits until every group has all its members in sync."""
        until("all members are in sync", lambda: not self.problems(), seconds)

    def problems(self):
        return [problem for node in self.nodes
                for problem in node.status().get("problems", ["no answer"])
                if not self.expected_problem or self.expected_problem not in problem]

    @staticmethod
    def peers(node):
        """How the node reaches each other one, by name."""
        return {peer["node"]: peer for peer in node.status().get("cluster", {}).get("peers", [])}

    def await_all_over(self, transport, seconds=90):
        """Waits until every node reaches all others over this transport."""
        def reached():
            used = [[peer["transport"] for peer in self.peers(node).values()] for node in self.nodes]
            return used == [[transport] * (len(self.nodes) - 1)] * len(self.nodes)
        until(f"all nodes use {transport}", reached, seconds)

    def kill(self):
        for node in self.nodes:
            if node.process:
                node.kill()

    def stop(self):
        for node in self.nodes:
            node.stop()
