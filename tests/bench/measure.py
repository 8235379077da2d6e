"""What bench.py reads from the machine while a load runs."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

TRACEFS = pathlib.Path("/sys/kernel/tracing")


def fio(engine, target, load, block, depth, seconds, *options):
    """Runs fio; returns its results as a dict, latencies in microseconds. `seconds` None: once over
    the whole."""
    command = [
        "fio", "--name=bench", f"--ioengine={engine}", target, f"--rw={load}", f"--bs={block}",
        f"--iodepth={depth}", "--output-format=json", *options,
    ]
    if seconds is not None:
        command += ["--time_based", f"--runtime={seconds}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    result = job["read" if "read" in load else "write"]
    percentile = result["clat_ns"]["percentile"]
    return {
        "iops": result["iops"],
        "mib_s": result["bw_bytes"] / 2**20,
        "p50_us": percentile["50.000000"] / 1e3,
        "p99_us": percentile["99.000000"] / 1e3,
        "operations": result["total_ios"],
    }


def cpu_seconds(pid):
    """User and system time of all threads."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def disk_counts(path):
    """(writes, flushes) that the disk under `path` completed, by whomever."""
    device = os.stat(path).st_dev
    stat = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    if not stat.exists():
        return 0, 0
    fields = stat.read_text().split()
    return int(fields[4]), int(fields[15])


def metrics(admin_socket):
    """varved's /metrics: name -> value, labels summed over."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(admin_socket)
    connection.request("GET", "/metrics")
    values = {}
    for line in connection.getresponse().read().decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{")[0]
            values[name] = values.get(name, 0) + float(value)
    connection.close()
    return values


class SystemCalls:
    """Counts the system calls of processes: with tracefs, or with strace, which slows them down more.
    Use in a `with`; `count` is None when neither is there."""

    def __init__(self, *pids):
        self.pids = pids
        self.count = None
        self.trace = TRACEFS / "instances" / f"varve_bench_{os.getpid()}"
        self.strace = None

    def __enter__(self):
        try:
            self.trace.mkdir()
        except OSError:
            self.start_strace()
            return self
        threads = [thread for pid in self.pids for thread in os.listdir(f"/proc/{pid}/task")]
        (self.trace / "buffer_size_kb").write_text("64")  # only the counts matter
        (self.trace / "set_event_pid").write_text(" ".join(threads))
        (self.trace / "options/event-fork").write_text("1")
        (self.trace / "events/raw_syscalls/sys_enter/enable").write_text("1")
        return self

    def __exit__(self, *_):
        if self.strace:
            self.end_strace()
        if not self.trace.exists():
            return
        (self.trace / "events/raw_syscalls/sys_enter/enable").write_text("0")
        self.count = 0
        for stats in self.trace.glob("per_cpu/*/stats"):
            for line in stats.read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("entries", "overrun"):
                    self.count += int(value)
        self.trace.rmdir()

    def start_strace(self):
        self.summary = tempfile.NamedTemporaryFile(mode="r", prefix="varve.")
        command = ["strace", "-f", "-c", "-o", self.summary.name]
        for pid in self.pids:
            command += ["-p", str(pid)]
        try:
            self.strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                           stderr=subprocess.PIPE)
        except OSError:
            return
        attached = set()
        while len(attached) < len(self.pids):
            line = self.strace.stderr.readline()
            if not line:
                return
            attached |= {pid for pid in self.pids if f"Process {pid} attached" in line}

    def end_strace(self):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate()
        for line in self.summary:
            if line.endswith(" total\n"):
                self.count = int(line.split()[3])


def await_path(path, process):
    """Waits until a server has made its socket."""
    deadline = time.monotonic() + 10
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args[0]} does not start")
        time.sleep(0.01)
