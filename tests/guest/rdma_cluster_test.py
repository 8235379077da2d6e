#!/usr/bin/python3
"""Three daemons on one software RDMA device, a volume with three copies under stamp load: a node that
is killed does not stop it, returns, and in the end every block that was acknowledged is there, with
each node dead once. Runs inside a guest that with_rdma.sh has made ready."""

import pathlib
import sys

REAL = pathlib.Path(__file__).resolve().parents[1] / "real"
sys.path[:0] = [str(REAL), str(REAL / "cluster")]
from cluster import Cluster  # noqa: E402
from moving_client import Stamp, verify_with_each_node_dead  # noqa: E402

COUNTERS = pathlib.Path("/sys/class/infiniband/rxe0/ports/1/hw_counters")


class RdmaNetwork:
    """The addresses of with_rdma.sh."""

    transport = "rdma"
    addresses = [f"10.9.0.{number}:7071" for number in (1, 2, 3)]
    launchers = [[], [], []]


def sent_packets():
    return int((COUNTERS / "sent_pkts").read_text())


def main():
    with Cluster(network=RdmaNetwork, disk_size="128MiB") as cluster:
        cluster.make("--copies", "3")
        cluster.nodes[0].must("volume", "create", "load", "--size", "16MiB", "--copies", "3")
        before = sent_packets()
        with Stamp(cluster, "load", depth=8) as stamp:
            stamp.lead_to(cluster.nodes[0])
            stamp.start()
            stamp.await_more(300)
            dead = cluster.nodes[1]
            dead.kill()
            stamp.await_more(300)
            dead.launch()
            cluster.await_ready(dead)
            stamp.await_more(100)
            cluster.await_healthy(120)
            stamp.end()
            assert sent_packets() - before > 2 * stamp.total_acknowledged, "it was not RDMA"
            blocks = verify_with_each_node_dead(cluster, stamp)
            assert blocks > 0
            print(f"rdma cluster: {stamp.total_acknowledged} operations acknowledged, one node "
                  f"killed meanwhile; {blocks} blocks verified with each node dead once: "
                  "0 violations")


if __name__ == "__main__":
    main()
