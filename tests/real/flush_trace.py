#!/usr/bin/env python3
"""Reads a kernel trace of engine_bench on one disk: was everything flushed before it counted?

    flush_trace.py TRACE MAJOR:MINOR

For each durable write request: between the moment its last data was written and its completion,
one whole flush. For each acknowledgement to a client: one such write that was handed over after the
operation began, with its flush over before the acknowledgement. Prints counts; exit 1 when any
misses.
"""

import bisect
import re
import sys

LINE = re.compile(
    r"^\s*.+-(?P<pid>\d+)\s+\[\d+\]\s+\S+\s+(?P<time>\d+\.\d+): (?P<event>\w+): (?P<rest>.*)$"
)
BIO = re.compile(r"^(?P<disk>\d+,\d+) (?P<flags>\w+) (?P<sector>\d+) \+ (?P<count>\d+)")
DONE = re.compile(r"^(?P<disk>\d+,\d+) (?P<flags>\w+) \(.*\) (?P<sector>\d+) \+ (?P<count>\d+)")
REQUEST = re.compile(r"req (?P<request>\w+),.*?(?:opcode (?P<opcode>\w+)|result (?P<result>-?\d+))")


class Bio:
    """A part of a write request."""

    def __init__(self, sector, count, queued):
        self.sector, self.left, self.end, self.queued = sector, count, sector + count, queued
        self.written = None  # when its last sector was


class Trace:
    def __init__(self, disk):
        self.disk = disk
        self.current = {}  # pid -> write request that it is submitting
        self.open_requests = {}  # request -> its bios
        self.open_bios = []
        self.flush_began = None
        self.flushes = []  # (began, ended), in order
        self.writes = []  # (bios, completed)
        self.acknowledgements = []  # (operation began, acknowledged)

    def line(self, match):
        time = float(match["time"])
        handler = getattr(self, "on_" + match["event"], None)
        if handler:
            handler(time, match["pid"], match["rest"])

    def on_tracing_mark_write(self, time, _pid, rest):
        word, _, began_ns = rest.partition(" ")
        if word == "varve_ack":
            self.acknowledgements.append((int(began_ns) // 1000 / 1e6, time))

    def on_io_uring_submit_req(self, _time, pid, rest):
        found = REQUEST.search(rest)
        self.current[pid] = None
        if found and found["opcode"] in ("WRITE", "WRITEV"):
            self.current[pid] = self.open_requests[found["request"]] = []

    def on_io_uring_complete(self, time, _pid, rest):
        found = REQUEST.search(rest)
        bios = self.open_requests.pop(found["request"], None) if found else None
        if bios:
            self.writes.append((bios, time))

    def on_block_bio_queue(self, time, pid, rest):
        found = BIO.match(rest)
        bios = self.current.get(pid)
        if found and found["disk"] == self.disk and "W" in found["flags"] and bios is not None:
            bio = Bio(int(found["sector"]), int(found["count"]), time)
            bios.append(bio)
            self.open_bios.append(bio)

    def on_block_rq_issue(self, time, _pid, rest):
        if rest.startswith(self.disk + " FF "):
            self.flush_began = time

    def on_block_rq_complete(self, time, _pid, rest):
        found = DONE.match(rest)
        if not found or found["disk"] != self.disk:
            return
        if found["flags"] == "FF":
            if self.flush_began is not None:
                self.flushes.append((self.flush_began, time))
            return
        begin, count = int(found["sector"]), int(found["count"])
        for bio in self.open_bios:
            shared = min(bio.end, begin + count) - max(bio.sector, begin)
            if shared > 0:
                bio.left -= shared
                bio.written = time
        self.open_bios = [bio for bio in self.open_bios if bio.left > 0]

    def first_flush_end(self, after):
        """The end of the first flush that began then or later."""
        at = bisect.bisect_left(self.flushes, (after, 0))
        return self.flushes[at][1] if at < len(self.flushes) else float("inf")

    def report(self):
        flushed = []  # (handed over, last flush over), of writes that were flushed
        unflushed = 0
        for bios, completed in self.writes:
            over = max(
                float("inf") if bio.left else self.first_flush_end(bio.written) for bio in bios
            )
            if over <= completed:
                flushed.append((bios[0].queued, over))
            else:
                unflushed += 1
        early = 0
        flushed.sort()
        # earliest_over[i]: the earliest end among the writes from i on.
        earliest_over = [float("inf")] * (len(flushed) + 1)
        for i in range(len(flushed) - 1, -1, -1):
            earliest_over[i] = min(flushed[i][1], earliest_over[i + 1])
        for began, acknowledged in self.acknowledgements:
            if earliest_over[bisect.bisect_left(flushed, (began, 0))] > acknowledged:
                early += 1
        print(f"{len(self.writes)} writes by {len(self.flushes)} flushes:"
              f" {unflushed} completed unflushed;"
              f" {len(self.acknowledgements)} acknowledgements: {early} without a flushed write")
        return self.writes and self.acknowledgements and not unflushed and not early


def main():
    trace = Trace(sys.argv[2].replace(":", ","))
    with open(sys.argv[1], encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = LINE.match(line)
            if match:
                trace.line(match)
    return 0 if trace.report() else 1


if __name__ == "__main__":
    sys.exit(main())
