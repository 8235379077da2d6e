#!/usr/bin/env python3
"""The measurements of tests/bench/cluster.sh."""

import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile

import bench
import measure
from bench import number

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real/cluster"))
from cluster import Cluster, until  # noqa: E402
from pki import Pki  # noqa: E402

COPIES = 3
REST_MB_MAX = 100  # of each daemon, without the map


@dataclasses.dataclass
class Load:
    what: str
    fio: str
    depth: int
    other_cpu: float | None = None  # us per operation of Vitastor's three OSDs on a like machine
    cpu: float | None = None        # goals, at most; all per operation, of the three together
    calls: float | None = None
    device_writes: float | None = None


LOADS = [
    Load("random write", "randwrite", 1, 297, 180, 20, 3.1),
    Load("random write", "randwrite", 32, 110, 60, 4, 0.6),
    Load("random write", "randwrite", 128, 67, 36),
    Load("random read", "randread", 1, 87, 50),
    Load("random read", "randread", 32, 26, 16),
]


def size_bytes(said):
    match = re.fullmatch(r"(\d+)(MiB|GiB)", said)
    if not match:
        raise argparse.ArgumentTypeError("such as 512MiB or 4GiB")
    return int(match[1]) << (20 if match[2] == "MiB" else 30)


def beside(value, goal, digits):
    """A figure and its goal."""
    if value is None or goal is None:
        return number(value, digits)
    return f"{number(value, digits)} (<= {goal:g}{'' if value <= goal else ' MISSED'})"


class Measured:
    """The cluster, its volume and what they count, as one. The client is at `primary`."""

    def __init__(self, cluster, volume_bytes):
        self.nodes = cluster.nodes
        self.pids = [node.process.pid for node in cluster.nodes]
        self.volume_bytes = volume_bytes
        self.primary = None
        self.uri = None

    def make_volume(self):
        """On the node that is the primary of most groups: all groups of the volume are its own."""
        self.nodes[0].must("volume", "create", "first", "--size", "1MiB", "--copies", str(COPIES))
        until("every group has a primary", lambda: sum(self.offices()) == self.group_count())
        offices = self.offices()
        self.primary = self.nodes[offices.index(max(offices))]
        self.primary.must("volume", "create", "vol", "--size", str(self.volume_bytes),
                          "--copies", str(COPIES))
        self.uri = self.primary.uri("vol")

    def group_count(self):
        return self.nodes[0].status()["cluster"]["group_count"] or -1

    def cpu_seconds(self):
        return sum(measure.cpu_seconds(pid) for pid in self.pids)

    def counters(self):
        sums = {}
        for node in self.nodes:
            for name, value in measure.metrics(node.admin_socket).items():
                sums[name] = sums.get(name, 0) + value
        return sums

    def offices(self):
        return [node.status()["cluster"]["office_count"] for node in self.nodes]

    def memory_mb(self):
        return [node.memory_bytes() / 1e6 for node in self.nodes]

    def map_mb(self):
        return [measure.metrics(node.admin_socket)["varve_disk_group_map_bytes"] / 1e6
                for node in self.nodes]

    def run(self, load, block, depth, seconds):
        return measure.fio("nbd", f"--uri={self.uri}", load, block, depth, seconds,
                           f"--size={self.volume_bytes}")


def figures_of(measured, load, seconds):
    before, cpu = measured.counters(), measured.cpu_seconds()
    result = measured.run(load.fio, 4096, load.depth, seconds)
    cpu, after = measured.cpu_seconds() - cpu, measured.counters()
    operations = result["operations"]
    # On its own: counting each system call slows the daemons down.
    with measure.SystemCalls(*measured.pids) as calls:
        counted = measured.run(load.fio, 4096, load.depth, 1)

    def grown(name):
        return (after[name] - before[name]) / operations

    return {
        "iops": result["iops"], "p50_us": result["p50_us"], "p99_us": result["p99_us"],
        "cpu_us": cpu / operations * 1e6,
        "calls": None if calls.count is None else calls.count / counted["operations"],
        "enters": grown("varve_loop_enters_total"),
        "writes": grown("varve_disk_group_device_writes_total") if load.fio == "randwrite" else None,
    }


def row(mode, load, figures):
    return [
        f"{mode}, {load.what}, depth {load.depth}",
        number(figures["iops"]), number(figures["p50_us"]), number(figures["p99_us"]),
        beside(figures["cpu_us"], load.cpu, 1), number(load.other_cpu),
        beside(figures["calls"], load.calls, 2), number(figures["enters"], 2),
        beside(figures["writes"], load.device_writes, 3),
    ]


def tls_row(mode, load, plain, tls):
    """With TLS over without."""
    return [f"{mode}, {load.what}, depth {load.depth}",
            *(number(tls[key] / plain[key], 2) for key in ("iops", "p50_us", "p99_us", "cpu_us"))]


def make_disks(cluster, disk_bytes):
    """Written once through: what a file system does at a block's first write is not measured."""
    for node in cluster.nodes:
        subprocess.run(["dd", "if=/dev/zero", f"of={node.disk}", "bs=4M",
                        f"count={disk_bytes >> 22}", "oflag=direct", "conv=fsync", "status=none"],
                       check=True)


def bench_cluster(mode, durability, more, options):
    """Loads and their figures, and rows of memory. `more`: as Cluster's."""
    with Cluster(disk_size=None, disk_options=f'durability = "{durability}"', more=more) as cluster:
        make_disks(cluster, max(2 * options.size, 256 << 20))
        cluster.make("--copies", str(COPIES))
        measured = Measured(cluster, options.size)
        measured.make_volume()
        cluster.await_healthy()
        rest, offices = measured.memory_mb(), measured.offices()
        measured.run("write", 1 << 20, 4, None)
        loads = [(load, figures_of(measured, load, options.seconds)) for load in LOADS
                 if load.depth == 32 or not options.smoke]
        end, maps = measured.memory_mb(), measured.map_mb()
        if measured.offices() != offices or cluster.problems():
            print(f"{mode}: members were lost or primaries moved; the figures say little")
        memory = [[f"{mode}, node {i + 1}", beside(rest[i], REST_MB_MAX, 0),
                   number(end[i]), number(maps[i]), beside(end[i] - maps[i], REST_MB_MAX, 0)]
                  for i in range(len(rest))]
        cluster.stop()
    return loads, memory


def bench_both(durability, options):
    """Rows of loads, of memory, and of what TLS costs."""
    loads, memory = bench_cluster(durability, durability, lambda _: ("", ""), options)
    rows = [row(durability, load, figures) for load, figures in loads]
    if not options.tls:
        return rows, memory, []
    mode = f"{durability}, TLS"
    with tempfile.TemporaryDirectory(prefix="varve.", dir="/var/tmp") as work:
        pki = Pki(f"{work}/pki")
        of_tls, memory_tls = bench_cluster(
            mode, durability, lambda number: (pki.section(pki.issue("node", f"n{number}")), ""),
            options)
    # The goals are for plain text, as what they are taken from.
    rows += [row(mode, Load(load.what, load.fio, load.depth), figures) for load, figures in of_tls]
    ratios = [tls_row(durability, load, plain, tls)
              for (load, plain), (_, tls) in zip(loads, of_tls)]
    return rows, memory + memory_tls, ratios


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/cluster.sh")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement (5)")
    parser.add_argument("--size", type=size_bytes, default=4 << 30, help="of the volume (4GiB)")
    parser.add_argument("--durability", choices=["plp", "flush", "both"], default="both")
    parser.add_argument("--tls", action="store_true", help="once more with TLS between the nodes")
    parser.add_argument("--smoke", action="store_true", help="1 s, depth 32, plp, 64MiB")
    options = parser.parse_args()
    if options.smoke:
        options.seconds, options.size, options.durability = 1, 64 << 20, "plp"
    modes = ["plp", "flush"] if options.durability == "both" else [options.durability]
    bench.describe_machine("/var/tmp")
    rows, memory, ratios = [], [], []
    for durability in modes:
        of_loads, of_memory, of_tls = bench_both(durability, options)
        rows += of_loads
        memory += of_memory
        ratios += of_tls
    bench.table(f"Three daemons, {COPIES} copies, NBD at the primary, 4 KiB, {options.seconds} s"
                " each; costs are per operation, of the three daemons together",
                ["load", "IOPS", "p50 us", "p99 us", "CPU us", "Vitastor", "system calls",
                 "io_uring_enter", "device writes"], rows)
    if ratios:
        bench.table("The cluster with TLS over the one without, which ran before it",
                    ["load", "IOPS", "p50", "p99", "CPU"], ratios)
    bench.table("Resident memory in MB",
                ["daemon", "at rest", "at the end", "of it the map", "without the map"], memory)


if __name__ == "__main__":
    main()
