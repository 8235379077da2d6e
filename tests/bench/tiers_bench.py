#!/usr/bin/env python3
"""The measurements of tests/bench/tiers.sh."""

import argparse
import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import bench
import measure
from bench import number

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
from node import Node  # noqa: E402

MIB = 1 << 20
HDD_BYTES_PER_SECOND = 180_000_000
HDD_REQUESTS_PER_SECOND = 180  # so that requests of 1 MiB in order pass at its speed
THROTTLE = pathlib.Path("/sys/fs/cgroup/blkio")
SKIPPED = 77
ROUNDS = 3
WARM_UP_SECONDS_MAX = 600


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


class SlowDisk:
    """A block device like an HDD, for the processes that are told to `join` it. Use in a `with`."""

    def __init__(self, size):
        self.file = tempfile.NamedTemporaryFile(prefix="varve.", dir="/dev/shm")
        self.file.truncate(size)
        self.group = THROTTLE / f"varve_bench_{os.getpid()}"

    def __enter__(self):
        self.path = run("losetup", "--find", "--show", "--direct-io=off", self.file.name)
        self.group.mkdir()
        device = os.stat(self.path).st_rdev
        name = f"{os.major(device)}:{os.minor(device)}"
        for way in ("read", "write"):
            for what, most in (("bps", HDD_BYTES_PER_SECOND), ("iops", HDD_REQUESTS_PER_SECOND)):
                (self.group / f"blkio.throttle.{way}_{what}_device").write_text(f"{name} {most}")
        return self

    def __exit__(self, *_):
        run("losetup", "--detach", self.path)
        self.group.rmdir()
        self.file.close()

    def join(self, pid):
        (self.group / "cgroup.procs").write_text(str(pid))


@contextlib.contextmanager
def serving(ssd_mib, hdd=None):
    """A daemon with such an SSD, and the HDD behind it."""
    with Node() as node:
        if hdd:
            node.rewrite_config(f'path = "{node.disk}"\n',
                                f'path = "{node.disk}"\nhdd = ["{hdd.path}"]\n')
        node.start()
        if hdd:
            hdd.join(node.process.pid)
        node.must("disk", "add", "disk0", "--size", f"{ssd_mib}MiB")
        yield node
        node.stop()


def load(node, volume, kind, depth, seconds, *options):
    return measure.fio("nbd", f"--uri={node.uri(volume)}", kind, 4096, depth, seconds, *options)


def fill(node, volume, size_mib):
    node.must("volume", "create", volume, "--size", f"{size_mib}MiB")
    measure.fio("nbd", f"--uri={node.uri(volume)}", "write", MIB, 8, None, f"--size={size_mib}MiB")


def median_iops(node, volume, kind, depth, seconds, *options):
    rounds = [load(node, volume, kind, depth, seconds, *options) for _ in range(ROUNDS)]
    return bench.median(rounds)["iops"]


def with_room(ssd_mib, seconds):
    """Random overwrites of a volume of two fifths of the SSD, without and with an HDD behind it, by turns,
    so that a machine that drifts harms both alike."""
    size = ssd_mib * 2 // 5
    with SlowDisk(3 * ssd_mib * MIB) as hdd, serving(ssd_mib, hdd) as hybrid, \
            serving(ssd_mib) as alone:
        for node in (hybrid, alone):
            fill(node, "vol", size)
        rounds = [[load(node, "vol", "randwrite", 32, seconds, f"--size={size}MiB")["iops"]
                   for node in (hybrid, alone)] for _ in range(2 * ROUNDS)]
    return ["random overwrites, the SSD has room",
            *(number(statistics.median(iops)) for iops in zip(*rounds)),
            number(statistics.median(ours / theirs for ours, theirs in rounds), 2)]


def without_room(ssd_mib):
    """Blocks that are written for the first time, at random, four times as many as the SSD holds. What
    counts is the second half, when it has been full for long."""
    with SlowDisk(8 * ssd_mib * MIB) as hdd, serving(ssd_mib, hdd) as node:
        size = 4 * ssd_mib
        node.must("volume", "create", "vol", "--size", f"{size}MiB")
        writer = subprocess.Popen(
            ["fio", "--name=bench", "--ioengine=nbd", f"--uri={node.uri('vol')}", "--rw=randwrite",
             "--bs=4k", "--iodepth=32", f"--size={size}MiB", "--output=/dev/null"],
            stdin=subprocess.DEVNULL)
        blocks = size * MIB // 4096
        samples = []
        while writer.poll() is None:
            stats = node.status()["disk_groups"][0]["stats"]
            samples.append((time.monotonic(), stats["user_blocks_written"]))
            time.sleep(0.1)
        assert writer.returncode == 0, "fio failed"
        late = [sample for sample in samples if blocks / 2 <= sample[1] < blocks]
        iops = (late[-1][1] - late[0][1]) / (late[-1][0] - late[0][0])
    drained = HDD_BYTES_PER_SECOND / 4096
    return ["new blocks, the SSD is full; beside: what the HDD passes", number(iops),
            number(drained), number(iops / drained, 2)]


def tenth(size_mib):
    """For fio: where the tenth that is read lies, and how."""
    return [f"--size={size_mib // 10}MiB", f"--offset={size_mib // 2}MiB",
            "--random_distribution=zipf:0.99"]


def warm_up(node, read):
    """Until no block is missing any more."""
    begin = time.monotonic()
    before, missed = -1, 0
    while missed != before and time.monotonic() - begin < WARM_UP_SECONDS_MAX:
        before = missed
        read()
        missed = node.status()["disk_groups"][0]["stats"]["read_cache_missed_blocks"]
    print(f"warm after {time.monotonic() - begin:.0f} s", file=sys.stderr)


def cached_reads(ssd_mib, seconds):
    """Reads by zipf 0.99 of a tenth of a volume that has sunk, and of one on an SSD."""
    size = 4 * ssd_mib
    with serving(8 * ssd_mib) as node:
        fill(node, "vol", size)
        alone = median_iops(node, "vol", "randread", 32, seconds, *tenth(size))
    with SlowDisk(8 * ssd_mib * MIB) as hdd, serving(ssd_mib, hdd) as node:
        fill(node, "vol", size)
        fillers = ["filler0", "filler1"]  # what is written behind it pushes it out
        for filler in fillers:
            fill(node, filler, ssd_mib)
        for filler in fillers:
            node.must("volume", "delete", filler)
        cold = load(node, "vol", "randread", 32, seconds, *tenth(size))["iops"]
        warm_up(node, lambda: load(node, "vol", "randread", 32, seconds, *tenth(size)))
        warm = median_iops(node, "vol", "randread", 32, seconds, *tenth(size))
    return [["reads of a tenth, cold", number(cold), number(alone), number(cold / alone, 4)],
            ["reads of a tenth, warm", number(warm), number(alone), number(warm / alone, 2)]]


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/tiers.sh")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # loop devices are given back
    if os.geteuid() != 0 or not (THROTTLE / "blkio.throttle.read_iops_device").exists():
        print("tiers: nothing is measured: throttling a loop device needs root and the control "
              f"group {THROTTLE}")
        sys.exit(SKIPPED)
    seconds, room_mib, cache_mib = options.seconds, 1024, 128
    if options.smoke:
        seconds, room_mib, cache_mib = 1, 64, 64
    bench.describe_machine("/var/tmp")
    bench.table("An SSD with an HDD behind it, through NBD, 4 KiB, depth 32",
                ["load", "with the HDD", "beside", "ratio"],
                [with_room(room_mib, seconds), without_room(room_mib),
                 *cached_reads(cache_mib, seconds)])


if __name__ == "__main__":
    main()
