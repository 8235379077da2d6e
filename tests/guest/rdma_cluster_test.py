#!/usr/bin/python3
"""Three daemons with certificates and one software RDMA device, a volume with three copies under stamp load:
the cluster moves from TCP by way of both to RDMA alone, one node at a time, some of them by a kill: all that
changes is the line `use`, and the table that allows RDMA. A node with a certificate of another authority is
let in by nobody, and so is one without; with its own it is back. All are killed, and are back with both. Then
the device vanishes: all go on over TCP and say why, and so do all that are killed and start without it. In
the end every block that was acknowledged is there, with each node dead once. Runs inside a guest that
with_rdma.sh has made ready."""

import contextlib
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

REAL = pathlib.Path(__file__).resolve().parents[1] / "real"
sys.path[:0] = [str(REAL), str(REAL / "cluster")]
from cluster import BIN, Cluster, until  # noqa: E402
from moving_client import Stamp, metric, verify_with_each_node_dead  # noqa: E402
from pki import Pki  # noqa: E402

COUNTERS = pathlib.Path("/sys/class/infiniband/rxe0/ports/1/hw_counters")
TCP, BOTH, RDMA = 'use = "tcp"', 'use = ["rdma", "tcp"]', 'use = "rdma"'
# Emulated, a handshake takes its time.
TABLE = "[transport.rdma]\nallow_plaintext = true\nconnect_timeout_ms = 20000\n"


class RdmaNetwork:
    """The addresses of with_rdma.sh."""

    transport = "tcp"
    options = ""
    addresses = [f"10.9.0.{number}:7071" for number in (1, 2, 3)]
    launchers = [[], [], []]


def first_connection():
    """At its first TCP connection the kernel changes its own code. Under emulation that goes wrong
    when another processor comes by in this moment: nothing else is going on yet."""
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_connection(server.getsockname()), server.accept()[0]:
        time.sleep(1)


def sent_packets():
    return int((COUNTERS / "sent_pkts").read_text())


def tell(what):
    """Guests are slow: how far it has come."""
    print(f"{time.monotonic():5.0f} s after boot: {what}", flush=True)


def section(node, use):
    return f'{use}\nlisten = "{node.address}"\n' + (TABLE if "rdma" in use else "")


def change(node, old, new):
    node.rewrite_config(section(node, old), section(node, new))


def restart(cluster, stamp, node, old, new, end):
    change(node, old, new)
    end()
    node.launch()
    cluster.await_ready(node)
    stamp.await_more(50)
    cluster.await_healthy(120)
    tell(f"{node.address} is back with {new}")


def moves_to_rdma(cluster, stamp):
    first, second, third = cluster.nodes
    # The last one that leaves TCP needs it no more: all others have RDMA then.
    for node, old, new, end in ((third, TCP, BOTH, third.stop), (second, TCP, BOTH, second.kill),
                                (first, TCP, RDMA, first.stop), (third, BOTH, RDMA, third.kill),
                                (second, BOTH, RDMA, second.stop)):
        restart(cluster, stamp, node, old, new, end)
    cluster.await_all_over("rdma")
    checked = subprocess.run([BIN / "varved", "--config", first.config, "--check"], text=True, timeout=60,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout
    assert "nodes prove over TLS who they are and what they send; nothing is encrypted" in checked, checked
    before, acknowledged = sent_packets(), stamp.acknowledged
    stamp.await_more(200)
    assert sent_packets() - before > 2 * (stamp.acknowledged - acknowledged), "not RDMA"
    tell("all over RDMA, and nothing else")


def strangers_are_refused(cluster, pki, stamp):
    """A node in the place of the third that cannot prove that it is one of these: both sides say why."""
    first, third = cluster.nodes[0], cluster.nodes[2]
    own = pki.section(pki.folder / "node-n3")
    elsewhere = Pki(pki.folder / "elsewhere")
    for other, told, tells in (
            (elsewhere.section(elsewhere.issue("node", "n3")), ("it refuses this side", "certificate is not good"),
             ("it refuses this side", "certificate is not good")),
            ("", ("it has no [tls], and this node has",), ("it has [tls], and this node has not",))):
        third.stop()
        third.rewrite_config(own, other or "# no certificate\n")
        seen, said = len(first.log()), len(third.log())
        third.launch()
        until("the first node says why it refuses",
              lambda: any(why in first.log()[seen:] for why in told), 60)
        until("the refused node says why", lambda: any(why in third.log()[said:] for why in tells), 60)
        stamp.await_more(50)
        assert not any(peer.get("transport") for peer in cluster.peers(third).values()), \
            cluster.peers(third)
        third.kill()
        third.rewrite_config(other or "# no certificate\n", own)
        tell(f"refused: {told[-1]}")
        third.launch()
        cluster.await_ready(third)
        cluster.await_healthy(120)


def all_restart(cluster, stamp, old, new):
    for node in cluster.nodes:
        change(node, old, new)
    cluster.kill()
    cluster.launch()
    stamp.await_more(50)
    tell(f"all are back with {new}")


def device_vanishes(cluster, stamp, stack):
    # It ends when no process has the device open any more.
    deletion = stack.enter_context(subprocess.Popen(["rdma", "link", "delete", "rxe0"]))
    stamp.await_more(200)
    cluster.await_all_over("tcp")
    for node in cluster.nodes:
        for peer in cluster.peers(node).values():
            assert peer["fallback"].startswith("rdma: "), peer
        assert metric(node, "varve_peer_fallbacks_total") >= 2
    tell(f"fallback: {cluster.peers(cluster.nodes[0])['n2']['fallback']}")
    return deletion


def main():
    first_connection()
    with contextlib.ExitStack() as stack:
        pki = Pki(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        sections = [pki.section(pki.issue("node", f"n{number}")) for number in (1, 2, 3)]
        cluster = stack.enter_context(Cluster(network=RdmaNetwork, disk_size="128MiB",
                                              more=lambda number: (sections[number - 1], "")))
        first = cluster.nodes[0]
        cluster.make("--copies", "3")
        first.must("volume", "create", "load", "--size", "16MiB", "--copies", "3")
        stamp = stack.enter_context(Stamp(cluster, "load", depth=8))
        stamp.lead_to(first)
        stamp.start()
        stamp.await_more(100)
        tell("load over TCP")
        moves_to_rdma(cluster, stamp)
        strangers_are_refused(cluster, pki, stamp)
        all_restart(cluster, stamp, RDMA, BOTH)
        cluster.await_all_over("rdma")
        deletion = device_vanishes(cluster, stamp, stack)
        stamp.end()
        cluster.kill()
        assert deletion.wait(60) == 0
        cluster.expected_problem = "transport rdma is not used: "
        cluster.launch()
        for node in cluster.nodes:
            assert any(cluster.expected_problem in problem for problem in node.status()["problems"])
        tell("all started without the device")
        blocks = verify_with_each_node_dead(cluster, stamp)
        assert blocks > 0
        print(f"rdma cluster: {stamp.total_acknowledged} operations acknowledged, none failed: over "
              "TCP, RDMA, and TCP again when the device was gone, some nodes killed meanwhile; "
              f"{blocks} blocks verified with each node dead once: 0 violations")


if __name__ == "__main__":
    main()
