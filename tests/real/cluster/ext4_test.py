#!/usr/bin/python3
"""ext4 through nbdfuse on a node that survives, while the other two are killed one after another,
again and again. Files are written with fsync, and their checksums noted. Then the node itself is
killed, and another serves the volume: fsck finds nothing, and every file has its checksum."""

import hashlib
import os
import pathlib
import random
import subprocess
import sys
import threading

from cluster import Cluster, until
from moving_client import attach, others

ROUNDS = 6
FILE_BYTES_MAX = 256 << 10


def run(*command, expected=0):
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    assert done.returncode == expected, f"{command}: exit {done.returncode}: {done.stdout}"
    return done.stdout.strip()


def why_not():
    if os.geteuid() != 0:
        return "mounting needs root"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not pathlib.Path(path).is_char_device():
            return f"no {path}"
    return ""


class Disk:
    """A volume as a loop device, through nbdfuse. Use in a `with`: it is unmounted behind it."""

    def __init__(self, work, uri):
        self.fuse, self.mounted = pathlib.Path(work, "fuse"), pathlib.Path(work, "mounted")
        self.fuse.mkdir(exist_ok=True)
        self.mounted.mkdir(exist_ok=True)
        self.uri = uri
        self.process = self.loop = None

    def __enter__(self):
        pidfile = self.fuse.with_suffix(".pid")
        pidfile.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["nbdfuse", "--pidfile", pidfile, self.fuse / "disk", self.uri],
            stdin=subprocess.DEVNULL)
        try:
            until("nbdfuse serves", lambda: self.process.poll() is not None or pidfile.exists())
            self.loop = run("losetup", "--find", "--show", self.fuse / "disk")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.unmount()
        if self.loop:
            run("losetup", "--detach", self.loop)
        subprocess.run(["fusermount3", "-u", self.fuse], check=False)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()

    def mount(self):
        run("mount", self.loop, self.mounted)

    def unmount(self):
        # Not mountpoint(1): it fails where the server of a mount is dead.
        if f" {self.mounted} " in pathlib.Path("/proc/mounts").read_text():
            run("umount", self.mounted)


class Writer(threading.Thread):
    """Writes files and makes them durable, one after another; some replace older ones."""

    def __init__(self, directory):
        super().__init__()
        self.directory = directory
        self.sums = {}  # of files that were made durable
        self.count = 0
        self.error = None
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.write_one()
        except OSError as error:
            self.error = error

    def write_one(self):
        name = f"file{random.randrange(400)}"
        data = os.urandom(random.randrange(1, FILE_BYTES_MAX))
        temporary = self.directory / f"{name}.new"
        with open(temporary, "wb") as file:
            file.write(data)
            os.fsync(file.fileno())
        os.rename(temporary, self.directory / name)
        directory = os.open(self.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.sums[name] = hashlib.sha256(data).hexdigest()
        self.count += 1

    def await_more(self, count):
        goal = self.count + count

        def got_on():
            assert self.error is None, f"writing fails: {self.error}"
            return self.count >= goal
        until(f"{count} more files are durable", got_on, 60)


def kill_others(cluster, serving, writer):
    for number in range(ROUNDS):
        dead = others(cluster, serving)[number % 2]
        writer.await_more(10)
        dead.kill()
        writer.await_more(random.choice([1, 40]))
        dead.launch()
        cluster.await_ready(dead)
        cluster.await_healthy()


def check(disk, sums):
    run("e2fsck", "-fn", disk.loop)
    disk.mount()
    for name, expected in sums.items():
        found = hashlib.sha256((disk.mounted / name).read_bytes()).hexdigest()
        assert found == expected, f"{name} changed"
    disk.unmount()


def main():
    reason = why_not()
    if reason:
        print(f"SKIPPED: {reason}")
        sys.exit(77)
    with Cluster() as cluster:
        cluster.make("--copies", "3")
        serving = cluster.nodes[0]
        serving.must("volume", "create", "disk", "--size", "256MiB", "--copies", "3")
        with Disk(cluster.work, serving.uri("disk")) as disk:
            run("mkfs.ext4", "-q", disk.loop)
            disk.mount()
            writer = Writer(disk.mounted)
            writer.start()
            try:
                kill_others(cluster, serving, writer)
            finally:
                writer.stopping.set()
                writer.join()
            disk.unmount()
            check(disk, writer.sums)
        for dead in cluster.nodes:
            cluster.await_healthy()
            dead.kill()
            successor = others(cluster, dead)[0]
            attach(successor, "disk", force=True)
            with Disk(cluster.work, successor.uri("disk")) as disk:
                check(disk, writer.sums)
            successor.must("detach", "disk", "--force")
            dead.launch()
            cluster.await_ready(dead)
        cluster.stop()
        print(f"cluster ext4: {ROUNDS} deaths, {writer.count} files made durable,"
              f" {len(writer.sums)} checked with each node dead, fsck clean")


if __name__ == "__main__":
    main()
