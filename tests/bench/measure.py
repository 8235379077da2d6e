"""What bench.py reads from the machine while a load runs."""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import time

TRACEFS = pathlib.Path("/sys/kernel/tracing")


def fio(engine, target, load, block, depth, seconds, *options):
    """Runs fio; returns its results as a dict, latencies in microseconds."""
    command = [
        "fio", "--name=bench", f"--ioengine={engine}", target, f"--rw={load}", f"--bs={block}",
        f"--iodepth={depth}", "--time_based", f"--runtime={seconds}", "--output-format=json",
        *options,
    ]
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
    """Counts the system calls of a process. Use in a `with`; `count` is None without tracefs."""

    def __init__(self, pid):
        self.pid = pid
        self.count = None
        self.trace = TRACEFS / "instances" / f"varve_bench_{os.getpid()}"

    def __enter__(self):
        try:
            self.trace.mkdir()
        except OSError:
            return self
        threads = os.listdir(f"/proc/{self.pid}/task")
        (self.trace / "buffer_size_kb").write_text("64")  # only the counts matter
        (self.trace / "set_event_pid").write_text(" ".join(threads))
        (self.trace / "options/event-fork").write_text("1")
        (self.trace / "events/raw_syscalls/sys_enter/enable").write_text("1")
        return self

    def __exit__(self, *_):
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


def await_path(path, process):
    """Waits until a server has made its socket."""
    deadline = time.monotonic() + 10
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args[0]} does not start")
        time.sleep(0.01)
