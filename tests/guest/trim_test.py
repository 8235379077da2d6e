#!/usr/bin/python3
"""ext4 on a volume over an SSD and two HDDs, through the kernel's NBD client: most of its files sink, are
deleted, and fstrim tells so: the space comes back on both tiers, is written again, and the file that stayed
is what it was, after a kill -9, too. Runs inside a guest."""

import contextlib
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "real"))
from node import Node  # noqa: E402

MIB = 1 << 20
SSD, HDD, VOLUME = 48 * MIB, 64 * MIB, 96 * MIB
FILES, FILE = 24, 2560 << 10
KEPT = 4 * MIB
REST = 12 * MIB  # what stays, with what the file system notes for itself
DEVICE = "/dev/nbd0"


def run(*words):
    return subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, timeout=120).stdout


def until(what, condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


@contextlib.contextmanager
def attached(node):
    run("nbd-client", "-unix", node.nbd_socket, "-N", "vol", DEVICE)
    try:
        yield
    finally:
        run("nbd-client", "-d", DEVICE)


@contextlib.contextmanager
def mounted(folder):
    run("mount", DEVICE, folder)
    try:
        yield
    finally:
        run("umount", folder)


def devices(node):
    return node.status()["disk_groups"][0]["devices"]


def live(node, tier):
    return sum(device["live_bytes"] for device in devices(node) if device["tier"] == tier)


def free_slots(node, tier):
    return sum(device["free_slot_count"] for device in devices(node) if device["tier"] == tier)


def write_files(folder, generator):
    for number in range(FILES):
        pathlib.Path(folder, f"file{number}").write_bytes(generator.randbytes(FILE))
    os.sync()


def space_comes_back(node, folder):
    until(lambda: f"nothing sinks: {devices(node)}", lambda: live(node, "hdd") > FILES * FILE // 3)
    used = {tier: live(node, tier) for tier in ("ssd", "hdd")}
    free = {tier: free_slots(node, tier) for tier in used}
    print(f"used: {used}; free slots: {free}")
    for number in range(FILES):
        os.unlink(f"{folder}/file{number}")
    os.sync()
    print(run("fstrim", "-v", folder).strip())
    until(lambda: f"the space stays away: {devices(node)}",
          lambda: live(node, "ssd") + live(node, "hdd") <= REST)
    until(lambda: f"no slots are free: {devices(node)}",
          lambda: all(free_slots(node, tier) > free[tier] for tier in free))
    print(f"used: { {tier: live(node, tier) for tier in used} }; "
          f"free slots: { {tier: free_slots(node, tier) for tier in free} }")


def main():
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        hdds = [f"{node.work}/h1", f"{node.work}/h2"]
        node.rewrite_config(f'path = "{node.disk}"\n',
                            f'path = "{node.disk}"\nhdd = ["{hdds[0]}", "{hdds[1]}"]\n')
        node.start()
        node.must("disk", "add", "disk0", "--size", str(SSD), "--hdd-size", str(HDD))
        node.must("volume", "create", "vol", "--size", str(VOLUME))
        generator = random.Random(1)
        kept = generator.randbytes(KEPT)
        with attached(node):
            run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,nodiscard", DEVICE)
            with mounted(folder):
                pathlib.Path(folder, "kept").write_bytes(kept)
                for _ in range(2):
                    write_files(folder, generator)
                    space_comes_back(node, folder)
        node.kill()
        node.start()
        with attached(node):
            run("fsck.ext4", "-f", "-n", DEVICE)
            with mounted(folder):
                assert hashlib.sha256(pathlib.Path(folder, "kept").read_bytes()).digest() == \
                    hashlib.sha256(kept).digest(), "the file that stayed has changed"
        node.stop()


if __name__ == "__main__":
    main()
