#!/usr/bin/python3
"""Nodes with two transports, under stamp load: a cluster moves from one to the other, one node at a
time and by restarts alone; in between, when all have both, the better one is blocked between one node
and the others: these go on over the other one and say why, and return when it is free again. No
operation fails, and in the end every block is read, with each node dead once.

The better transport is the TCP plugin once more, under another name and on another port."""

import pathlib
import shutil
import signal
import subprocess
import sys

from cluster import BIN, Cluster, until
from moving_client import Stamp, metric, verify_with_each_node_dead
from netns import Network, why_not

PORTS = {"better": 7072, "tcp": 7071}


def configure(cluster, node, *names):
    """The transports of its next start, most wanted first."""
    host = node.address.rsplit(":", 1)[0]
    path = {"tcp": "tcp", "better": f"{cluster.work}/better.so"}
    config = pathlib.Path(node.config)
    use = ", ".join(f'"{path[name]}"' for name in names)
    if len(names) == 1:  # as it is written without a list
        own = f'listen = "{host}:{PORTS[names[0]]}"\n'
    else:
        own = "".join(f'[transport.{name}]\nlisten = "{host}:{PORTS[name]}"\n' for name in names)
        use = f"[{use}]"
    text = config.read_text()
    config.write_text(text[:text.index("[transport]")] +
                      f"[transport]\nallow_plaintext = true\nuse = {use}\n{own}")


def move(cluster, stamp, *names):
    for node in reversed(cluster.nodes):  # the client's node last
        configure(cluster, node, *names)
        node.stop()
        node.launch()
        cluster.await_ready(node)
        cluster.await_healthy()
        stamp.await_more(50)


def falls_back_and_returns(cluster, network, stamp):
    first, second, _ = cluster.nodes
    before = metric(first, "varve_peer_fallbacks_total")
    port = PORTS["better"]
    network.nft(1, "table inet cut {\n"
                f"chain i {{ type filter hook input priority 0; tcp dport {port} drop; "
                f"tcp sport {port} drop; }}\n"
                f"chain o {{ type filter hook output priority 0; tcp dport {port} drop; "
                f"tcp sport {port} drop; }}\n}}")
    name = second.status()["node"]
    peer = until("the first node reaches the second over tcp",
                 lambda: next((peer for peer in [cluster.peers(first).get(name, {})]
                               if peer.get("transport") == "tcp"), None))
    assert peer["fallback"].startswith("better: no "), peer
    assert "fallback: better: no " in first.must("status")
    assert metric(first, "varve_peer_fallbacks_total") > before
    assert metric(first, "varve_peer_on_fallback") == 1
    stamp.await_more(300)
    until("the third node is not concerned",
          lambda: cluster.peers(first)["n3"].get("transport") == "better")
    network.heal(1)
    cluster.await_all_over("better")
    assert metric(first, "varve_peer_on_fallback") == 0
    stamp.await_more(100)


def nothing_in_common(cluster):
    """A node whose transport no other node has says so, and what is not to be had is refused."""
    node = cluster.nodes[2]
    node.stop()
    configure(cluster, node, "tcp")
    node.launch()
    until("it says that nothing is in common",
          lambda: any("no transport in common: it has better, this node has tcp" in problem
                      for problem in node.status().get("problems", [])))
    node.kill()
    configure(cluster, node, "better")
    node.launch()
    cluster.await_ready(node)
    cluster.await_healthy()


def check(node, config):
    return subprocess.run([*node.launcher, BIN / "varved", "--config", config, "--check"],
                          text=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)


def checked(cluster, node):
    done = check(node, node.config)
    assert done.returncode == 0, done.stdout
    for name, port in PORTS.items():
        assert f"transport {name}: ready to listen on {node.address.rsplit(':', 1)[0]}:{port}" \
            in done.stdout, done.stdout


def without_a_device(cluster, node):
    """RDMA alone is refused in words where this machine has none; beside TCP it is left out."""
    devices = pathlib.Path("/sys/class/infiniband")
    if devices.exists() and list(devices.iterdir()):
        return
    config = pathlib.Path(node.config).read_text()
    host = node.address.rsplit(":", 1)[0]
    other = pathlib.Path(cluster.work, "rdma.toml")
    for use, code in (('["rdma", "tcp"]', 0), ('"rdma"', 2)):
        own = "".join(f'[transport.{name}]\nlisten = "{host}:{port}"\n'
                      for name, port in (("rdma", 7073), ("tcp", 7071)) if name in use)
        other.write_text(config[:config.index("[transport]")] +
                         f"[transport]\nallow_plaintext = true\nuse = {use}\n{own}")
        done = check(node, other)
        assert done.returncode == code and "RDMA cannot be used here" in done.stdout, done.stdout


def main():
    reason = why_not()
    if reason:
        print(f"SKIPPED: {reason}")
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the namespaces go then, too
    with Network() as network, Cluster(network=network, disk_size="256MiB") as cluster:
        shutil.copy(BIN.parent / "lib/varve/plugins/tcp.so", f"{cluster.work}/better.so")
        for node in cluster.nodes:
            configure(cluster, node, "tcp")
        cluster.make("--copies", "3")
        cluster.nodes[0].must("volume", "create", "load", "--size", "16MiB", "--copies", "3")
        with Stamp(cluster, "load") as stamp:
            stamp.lead_to(cluster.nodes[0])
            stamp.start()
            stamp.await_more(100)
            cluster.await_all_over("tcp")
            move(cluster, stamp, "better", "tcp")
            cluster.await_all_over("better")
            checked(cluster, cluster.nodes[0])
            without_a_device(cluster, cluster.nodes[0])
            falls_back_and_returns(cluster, network, stamp)
            move(cluster, stamp, "better")
            cluster.await_all_over("better")
            stamp.end()
            nothing_in_common(cluster)
            blocks = verify_with_each_node_dead(cluster, stamp)
            stamp.lead_nowhere()
        cluster.stop()
    print(f"cluster mixed: {stamp.total_acknowledged} operations acknowledged, none failed; "
          f"{blocks} blocks verified")


if __name__ == "__main__":
    main()
