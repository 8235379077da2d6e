"""Where the cluster of a test has its records: one file, or an etcd of three members of its own.
VARVE_ETCD names the etcd program (default: the one of Debian)."""

import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from ports import free_ports

ETCD = os.environ.get("VARVE_ETCD", "etcd")
CLIENT_PORT, PEER_PORT = 2379, 2380  # in namespaces, where nobody else listens


class Sqlite:
    """Use in a `with`: the file is gone behind it."""

    def __enter__(self):
        self.work = tempfile.mkdtemp(prefix="varve.", dir="/var/tmp")
        self.path = f"{self.work}/cluster.db"
        self.section = f'use = "metadata_sqlite"\npath = "{self.path}"\n'
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.work)

    @contextlib.contextmanager
    def disturbed(self):
        yield


class Member:
    """One etcd. Dies with the test."""

    def __init__(self, name, work, host, ports, launcher):
        self.name, self.data, self.log_path = name, f"{work}/{name}", f"{work}/{name}.log"
        self.url = f"http://{host}:{ports[0]}"
        self.peer_url = f"http://{host}:{ports[1]}"
        self.launcher = launcher
        self.process = None

    def launch(self, peers):
        words = ["setpriv", "--pdeathsig", "KILL", *self.launcher, ETCD, f"--name={self.name}",
                 f"--data-dir={self.data}", f"--listen-client-urls={self.url}",
                 f"--advertise-client-urls={self.url}", f"--listen-peer-urls={self.peer_url}",
                 f"--initial-advertise-peer-urls={self.peer_url}", f"--initial-cluster={peers}",
                 f"--initial-cluster-token={peers}", "--max-request-bytes=6291456",
                 "--logger=zap", "--log-level=error"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def answers(self):
        """Whether it serves a read that a majority agrees to."""
        done = subprocess.run(
            [*self.launcher, "etcdctl", f"--endpoints={self.url}", "endpoint", "health"],
            env={**os.environ, "ETCDCTL_API": "3"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
        return done.returncode == 0


class Etcd:
    """Use in a `with`, around the cluster. `network`: a member in each of its namespaces."""

    def __init__(self, member_count=3, network=None):
        self.member_count, self.network = member_count, network
        self.members = []

    def __enter__(self):
        self.work = tempfile.mkdtemp(prefix="varve.", dir="/var/tmp")
        try:
            self._make()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        urls = ", ".join(f'"{member.url}"' for member in self.members)
        self.section = f'use = "metadata_etcd"\nendpoints = [{urls}]\n'
        return self

    def __exit__(self, kind, *_):
        for member in self.members:
            member.kill()
            if kind is not None:
                log = pathlib.Path(member.log_path)
                print(f"---- {log}\n{log.read_text()[-3000:] if log.exists() else ''}",
                      file=sys.stderr)
        shutil.rmtree(self.work)

    def _make(self):
        # A port that was free a moment ago may be taken by now: other ports then.
        for attempt in range(5):
            self.members = self._members(f"{self.work}/{attempt}")
            for member in self.members:
                member.launch(self._peers())
            if self._came_up():
                return
            for member in self.members:
                member.kill()
        raise AssertionError(f"etcd does not start: {ETCD}: see tests/packages.txt")

    def _members(self, work):
        os.mkdir(work)
        count = self.member_count
        if self.network:
            return [Member(f"m{i + 1}", work, self.network.ips[i], (CLIENT_PORT, PEER_PORT),
                           self.network.launchers[i]) for i in range(count)]
        ports = free_ports(2 * count)
        return [Member(f"m{i + 1}", work, "127.0.0.1", ports[2 * i:2 * i + 2], [])
                for i in range(count)]

    def _peers(self):
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    def _came_up(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not all(member.running() for member in self.members):
                return False
            if all(member.answers() for member in self.members):
                return True
        return False

    def launch(self, *members, seconds=60):
        """Starts these again; waits until all answer."""
        deadline = time.monotonic() + seconds
        while not all(member.running() and member.answers() for member in self.members):
            assert time.monotonic() < deadline, "etcd does not come back"
            for member in members:
                if not member.running():  # or its port is in use, by chance and for a moment
                    member.launch(self._peers())

    @contextlib.contextmanager
    def away(self):
        """All members are dead meanwhile."""
        for member in self.members:
            member.kill()
        yield
        self.launch(*self.members)

    @contextlib.contextmanager
    def disturbed(self):
        """One member, any, is dead meanwhile."""
        member = random.choice(self.members)
        member.kill()
        yield
        self.launch(member)


STORES = {"sqlite": Sqlite, "etcd": Etcd}
