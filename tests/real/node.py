"""One real varved in a temporary directory, for tests in Python."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BUILD", REPOSITORY / "build/release")) / "bin"

CONFIG = """
[node]
name = "{name}"
admin = "unix:{work}/admin.sock"
[[disk_group]]
name = "disk0"
path = "{disk}"
{disk_options}
[[service]]
plugin = "nbd"
listen = ["unix:{work}/nbd.sock"]
{options}
{sections}
"""


class Node:
    """Config, disk group and process. Use in a `with`: everything is gone behind it."""

    def __init__(self, disk=None, options="", name="test", sections="", disk_options=""):
        # A short path (a unix socket's has at most 107 bytes) on a real disk: /tmp may be memory.
        self.work = tempfile.mkdtemp(prefix="varve.", dir="/var/tmp")
        self.disk = disk or f"{self.work}/disk0"
        self.config = f"{self.work}/node.toml"
        self.nbd_socket = f"{self.work}/nbd.sock"
        self.admin_socket = f"{self.work}/admin.sock"
        self.log_path = f"{self.work}/varved.log"
        self.process = None
        self.launcher = []  # what varved is started with, e.g. ip netns exec NAME
        text = CONFIG.format(work=self.work, disk=self.disk, options=options, name=name,
                             sections=sections, disk_options=disk_options)
        pathlib.Path(self.config).write_text(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.work)

    def varve(self, *arguments):
        """Runs the CLI; returns (exit code, everything it said)."""
        done = subprocess.run([BIN / "varve", "--config", self.config, *arguments], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.returncode, done.stdout

    def must(self, *arguments):
        code, said = self.varve(*arguments)
        assert code == 0, f"varve {' '.join(arguments)}: exit {code}: {said}"
        return said

    def status(self):
        """What the node says about itself; empty while it does not answer."""
        code, said = self.varve("-o", "json", "status")
        return json.loads(said) if code == 0 else {}

    def launch(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.launcher, BIN / "varved", "--config", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self):
        self.launch()
        deadline = time.monotonic() + 30
        while self.status().get("state") != "ready":
            assert self.process.poll() is None, f"varved ended at its start:\n{self.log()}"
            assert time.monotonic() < deadline, f"varved does not become ready:\n{self.log()}"
            time.sleep(0.02)

    def kill(self):
        """kill -9, as a crash of the process would."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        self.process = None
        assert code == 0, f"varved: exit {code} on SIGTERM:\n{self.log()}"

    def rewrite_config(self, old, new):
        """For its next start."""
        text = pathlib.Path(self.config).read_text()
        assert old in text, f"{self.config} has no {old}"
        pathlib.Path(self.config).write_text(text.replace(old, new))

    def log(self):
        return pathlib.Path(self.log_path).read_text()

    def uri(self, volume):
        return f"nbd+unix:///{volume}?socket={self.nbd_socket}"

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
