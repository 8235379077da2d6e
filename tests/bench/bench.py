#!/usr/bin/env python3
"""The measurements of tests/bench/run.sh."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable

import measure

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
import node  # noqa: E402

FILE_BYTES = 1 << 30
VOLUME_BYTES = 512 << 20
ENGINE_BENCH = node.BIN / "engine_bench"

# (what, fio's load, block bytes, depth, goal: engine over raw)
ENGINE_LOADS = [
    ("durable random write", "randwrite", 4096, 1, 0.9),
    ("durable random write", "randwrite", 4096, 32, 1.5),
    ("durable random write", "randwrite", 4096, 128, None),
    ("random read", "randread", 4096, 1, 0.9),
    ("random read", "randread", 4096, 32, 0.9),
    ("random read", "randread", 4096, 128, 0.9),
    ("durable sequential write", "write", 1 << 20, 8, 0.9),
    ("sequential read", "read", 1 << 20, 8, 0.9),
]


def table(title, heads, rows):
    """Prints rows of strings in columns; the first is to the left."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    print(f"\n{title}")
    for row in [heads, *rows]:
        cells = [row[0].ljust(widths[0])] + [row[i].rjust(widths[i]) for i in range(1, len(row))]
        print("  ".join(cells).rstrip())
    sys.stdout.flush()


def number(value, digits=0):
    return "" if value is None else f"{value:.{digits}f}"


def median(results):
    """Of each value of the rounds' results."""
    return {name: statistics.median(result[name] for result in results) for name in results[0]}


def raw(file, load, block, depth, seconds):
    sync = ["--sync=dsync"] if "write" in load else []
    return measure.fio("io_uring", f"--filename={file}", load, block, depth, seconds,
                       "--direct=1", f"--size={FILE_BYTES}", *sync)


def engine(file, load, block, depth, seconds):
    command = [ENGINE_BENCH, "--file", file, "--load", load, "--blocks", str(block // 4096),
               "--depth", str(depth), "--seconds", str(seconds), "--json"]
    return json.loads(subprocess.run(command, check=True, text=True, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE).stdout)


def bench_engine(file, options):
    """Raw and engine by turns, so that a machine that drifts harms both alike."""
    rows = []
    for what, load, block, depth, goal in ENGINE_LOADS:
        if options.smoke and depth not in (8, 32):
            continue
        rounds = [(raw(file, load, block, depth, options.seconds),
                   engine(file, load, block, depth, options.seconds))
                  for _ in range(options.rounds)]
        ratio = statistics.median(ours["iops"] / theirs["iops"] for theirs, ours in rounds)
        theirs, ours = median([one for one, _ in rounds]), median([one for _, one in rounds])
        rows.append([
            f"{what} {block // 1024} KiB, depth {depth}",
            number(theirs["iops"]), number(ours["iops"]), number(ratio, 2),
            "" if goal is None else f"{goal} {'met' if ratio >= goal else 'MISSED'}",
            number(theirs["p50_us"]), number(ours["p50_us"]),
            number(theirs["p99_us"]), number(ours["p99_us"]),
            number(ours["cpu_us_per_op"], 1), number(ours["enters_per_op"], 2),
            number(ours["device_writes_per_op"], 3) if "write" in load else "",
        ])
    table(f"The engine alone, median of {options.rounds} rounds of {options.seconds} s",
          ["load", "raw IOPS", "engine IOPS", "ratio", "goal", "raw p50 us", "p50 us",
           "raw p99 us", "p99 us", "CPU us/op", "io_uring_enter/op", "device writes/op"], rows)


@dataclasses.dataclass
class Server:
    name: str
    process: subprocess.Popen
    uri: str
    disk: str
    counters: Callable[[], dict]


@contextlib.contextmanager
def varved():
    with node.Node() as one:
        one.start()
        one.must("disk", "add", "disk0", "--size", str(FILE_BYTES))
        one.must("volume", "create", "vol", "--size", str(VOLUME_BYTES))
        yield Server("varved", one.process, one.uri("vol"), one.disk,
                     lambda: measure.metrics(one.admin_socket))
        one.stop()


@contextlib.contextmanager
def nbdkit(name, work, file, mode):
    """nbdkit's file plugin; `mode` of its fua filter: "force" makes each write durable."""
    socket = f"{work}/nbdkit.sock"
    process = subprocess.Popen(
        ["nbdkit", "--foreground", "--unix", socket, "--filter=fua", "file", file,
         f"fuamode={mode}"], stdin=subprocess.DEVNULL)
    try:
        measure.await_path(socket, process)
        yield Server(name, process, f"nbd+unix:///?socket={socket}", file, dict)
    finally:
        process.terminate()
        process.wait()
        os.unlink(socket)


def nbd_load(server, load, block, depth, seconds):
    return measure.fio("nbd", f"--uri={server.uri}", load, block, depth, seconds,
                       f"--size={VOLUME_BYTES}")


def nbd_row(server, what, load, depth, seconds):
    pid = server.process.pid
    disk, counters = measure.disk_counts(server.disk), server.counters()
    cpu = measure.cpu_seconds(pid)
    result = nbd_load(server, load, 4096, depth, seconds)
    cpu = measure.cpu_seconds(pid) - cpu
    after, disk_after = server.counters(), measure.disk_counts(server.disk)
    operations = result["operations"]
    # On its own: counting each system call slows the server down.
    with measure.SystemCalls(pid) as calls:
        counted = nbd_load(server, load, 4096, depth, 1)

    def grown(name):
        return (after[name] - counters[name]) / operations if name in after else None

    writes = load == "randwrite"
    return [
        f"{what}, depth {depth}, {server.name}",
        number(result["iops"]), number(result["p50_us"]), number(result["p99_us"]),
        number(cpu / operations * 1e6, 1),
        "" if calls.count is None else number(calls.count / counted["operations"], 2),
        number(grown("varve_loop_enters_total"), 2),
        number(grown("varve_disk_group_device_writes_total"), 3) if writes else "",
        number((disk_after[0] - disk[0]) / operations, 3) if writes else "",
        number((disk_after[1] - disk[1]) / operations, 3) if writes else "",
    ]


def bench_nbd(work, file, options):
    servers = [
        varved(),
        nbdkit("nbdkit file, durable", work, file, "force"),
        nbdkit("nbdkit file, cached", work, file, "pass"),
    ]
    depths = [32] if options.smoke else [1, 32, 128]
    rows = {}
    for started in servers:
        with started as server:
            nbd_load(server, "write", 1 << 20, 4, 1)  # warm
            for what, load in [("random write", "randwrite"), ("random read", "randread")]:
                for depth in depths:
                    rows.setdefault((what, depth), []).append(
                        nbd_row(server, what, load, depth, options.seconds))
    table(f"Through NBD on a unix socket, 4 KiB, {options.seconds} s each (cached: not durable)",
          ["load", "IOPS", "p50 us", "p99 us", "server CPU us/op", "system calls/op",
           "io_uring_enter/op", "device writes/op", "kernel's writes/op", "kernel's flushes/op"],
          [row for group in rows.values() for row in group])


def commit():
    return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, text=True,
                          stdout=subprocess.PIPE, check=False).stdout.strip() or "unknown"


def describe_machine(work):
    device = os.stat(work).st_dev
    queue = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue")
    cache = queue / "write_cache"
    print(f"commit {commit()}, {os.cpu_count()} CPUs, Linux {os.uname().release},"
          f" disk cache: {cache.read_text().strip() if cache.exists() else 'unknown'},"
          f" load average {os.getloadavg()[0]:.1f}")


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement (5)")
    parser.add_argument("--rounds", type=int, default=3, help="raw and engine by turns (3)")
    parser.add_argument("--smoke", action="store_true", help="1 s, one round, depth 32")
    options = parser.parse_args()
    if options.smoke:
        options.seconds = options.rounds = 1
    # On a real disk: /tmp may be memory. Short: a unix socket's path has at most 107 bytes.
    work = tempfile.mkdtemp(prefix="varve.", dir="/var/tmp")
    try:
        describe_machine(work)
        file = f"{work}/raw"
        subprocess.run(["dd", "if=/dev/zero", f"of={file}", "bs=4M", f"count={FILE_BYTES >> 22}",
                        "oflag=direct", "conv=fsync", "status=none"], check=True)
        bench_engine(file, options)
        bench_nbd(work, file, options)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
