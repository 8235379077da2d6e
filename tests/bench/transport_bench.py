#!/usr/bin/env python3
"""The measurements of tests/bench/transport.sh."""

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import bench
import measure
from bench import number

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "real/cluster"))
from pki import Pki  # noqa: E402

TRANSPORT_BENCH = bench.node.BIN / "transport_bench"
PLUGIN = bench.node.BIN.parent.resolve() / "lib/varve/plugins/tcp.so"

KINDS = {"plugin": "TCP plugin", "tls": "TCP plugin, TLS", "uring": "bare io_uring",
         "asio": "bare Asio"}
DEPTHS = [1, 8, 32, 128]
# (what, its key in a result, depth, goal: the plugin's over the better bare one's, at most)
GOALS = [
    ("p50 latency", "p50_us", 1, 1.15),
    ("CPU per message", "cpu_us", 32, 1.5),
]


def pairs(line):
    """"messages 12 seconds 0.5" as a dict."""
    words = line.split()
    return {key: float(value) for key, value in zip(words[::2], words[1::2])}


@contextlib.contextmanager
def started(place, *arguments):
    """The program on one CPU: where the scheduler would put it is not what is measured."""
    cpus = sorted(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [TRANSPORT_BENCH, *arguments], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpus[place % len(cpus)]}))
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process, first):
    """Its next line, less the word with which it must begin; ends with the process."""
    line = process.stdout.readline()
    if not line.startswith(first):
        raise RuntimeError(f"{' '.join(map(str, process.args))}: \"{line.strip()}\"")
    return line[len(first):].strip()


def echo(kind, depth, seconds, certificate, count_calls=False):
    """One run of server and client: what a message costs both together."""
    with_tls = ["--tls", certificate] if kind == "tls" else []
    common = ["--kind", "plugin" if with_tls else kind, "--depth", str(depth), "--plugin", PLUGIN,
              *with_tls]
    with started(0, "server", *common) as server:
        address = said(server, "listening")
        with started(1, "client", *common, "--address", address, "--seconds", str(seconds),
                     "--paused") as client:
            said(client, "ready")
            with contextlib.ExitStack() as counting:
                calls = None
                if count_calls:
                    calls = counting.enter_context(measure.SystemCalls(server.pid, client.pid))
                client.stdin.write("\n")
                client.stdin.flush()
                sent, served = (pairs("messages " + said(process, "messages"))
                                for process in (client, server))
            for process in (client, server):
                if process.wait(10) != 0:
                    raise RuntimeError(f"{process.args}: exit code {process.returncode}")
    result = {
        "messages_s": sent["messages"] / sent["seconds"],
        "p50_us": sent["p50_ns"] / 1e3,
        "p99_us": sent["p99_ns"] / 1e3,
        "cpu_us": sent["cpu_us"] + served["cpu_us"],
        "abi_calls": sent.get("abi_calls", 0) + served.get("abi_calls", 0),
    }
    if calls is not None and calls.count is not None:
        result["system_calls"] = calls.count / served["messages"]  # the client's warming included
    return result


def bench_depth(depth, options):
    """The kinds by turns, so that a machine that drifts harms all alike: kind -> its rounds."""
    rounds = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind, results in rounds.items():
            results.append(echo(kind, depth, options.seconds, options.certificate))
    return rounds


def rows_of(depth, rounds, options):
    for kind, results in rounds.items():
        middle = bench.median(results)
        # On its own: counting each system call slows the processes down.
        counted = echo(kind, depth, min(options.seconds, 1), options.certificate,
                       count_calls=True)
        yield [KINDS[kind], str(depth), number(middle["messages_s"]), number(middle["p50_us"], 1),
               number(middle["p99_us"], 1), number(middle["cpu_us"], 2),
               number(counted.get("system_calls"), 2),
               number(middle["abi_calls"] if kind in ("plugin", "tls") else None, 2)]


def goal_rows(measured):
    for what, key, depth, goal in GOALS:
        if depth not in measured:
            continue
        rounds = measured[depth]
        ratio = statistics.median(
            ours[key] / min(uring[key], asio[key]) for ours, uring, asio in
            zip(rounds["plugin"], rounds["uring"], rounds["asio"]))
        yield [f"{what}, depth {depth}", number(ratio, 2),
               f"<= {goal} {'met' if ratio <= goal else 'MISSED'}"]


def tls_rows(measured):
    """Each figure with TLS over the one without, of the same round."""
    for depth, rounds in measured.items():
        ratios = [statistics.median(tls[key] / plain[key] for tls, plain in
                                    zip(rounds["tls"], rounds["plugin"]))
                  for key in ("messages_s", "p50_us", "p99_us", "cpu_us")]
        yield [f"depth {depth}", *(number(ratio, 2) for ratio in ratios)]


def abi_rows(measured):
    """A call's cost, and that of all calls which a message needs."""
    cost = pairs(subprocess.run([TRANSPORT_BENCH, "abi", "--plugin", PLUGIN], check=True, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout)
    more = cost["table_ns"] - cost["direct_ns"]
    yield ["through the table", number(cost["table_ns"], 2)]
    yield ["direct", number(cost["direct_ns"], 2)]
    for depth, rounds in measured.items():
        calls = bench.median(rounds["plugin"])["abi_calls"]
        yield [f"more for each message, depth {depth}: {calls:.2f} calls", number(calls * more, 1)]


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/transport.sh")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement (3)")
    parser.add_argument("--rounds", type=int, default=3, help="all kinds by turns (3)")
    parser.add_argument("--smoke", action="store_true", help="0.5 s, one round, depth 32")
    options = parser.parse_args()
    if options.smoke:
        options.seconds, options.rounds = 0.5, 1
    bench.describe_machine("/var/tmp")
    measured, rows = {}, []
    with tempfile.TemporaryDirectory(prefix="varve.", dir="/var/tmp") as work:
        options.certificate = Pki(f"{work}/pki").issue("node", "n1")
        for depth in [32] if options.smoke else DEPTHS:
            measured[depth] = bench_depth(depth, options)
            rows += rows_of(depth, measured[depth], options)
    bench.table(f"4 KiB requests, 64-byte replies, one connection, median of {options.rounds} rounds"
                f" of {options.seconds:g} s; costs are per message, of both ends together",
                ["transport", "depth", "messages/s", "p50 us", "p99 us", "CPU us", "system calls",
                 "ABI calls"], rows)
    bench.table("The TCP plugin over the better bare socket, median of the rounds",
                ["figure", "ratio", "goal"], list(goal_rows(measured)))
    bench.table("The TCP plugin with TLS over the one without, median of the rounds",
                ["figure", "messages/s", "p50", "p99", "CPU"], list(tls_rows(measured)))
    bench.table("The ABI's own cost in ns: arm() of an idle context, and what that makes of a message",
                ["call", "ns"], list(abi_rows(measured)))


if __name__ == "__main__":
    main()
