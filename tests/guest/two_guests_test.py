#!/usr/bin/python3
"""The transport suite with its two sides in two guests, each with a kernel of its own, joined by a virtual
wire: every test of the suite, then the peer's process is killed, then the wire is cut and mended.

    tests/guest/two_guests_test.py rdma|tcp [arguments of the suite's program]

BUILD names the build directory (build/release). A second wire is for what the two halves of the suite have
to tell each other. Exit status 77: nothing ran, stderr says why."""

import os
import pathlib
import select
import signal
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ.get("BUILD", "build/release")
SECONDS = 1500


def start(place, ends, *arguments):
    command = ["setpriv", "--pdeathsig", "KILL", HERE / "guest.py", "--seconds", str(SECONDS),
               "--quiet-seconds", "120"]
    for end in ends:
        command += ["--wire", str(end.fileno())]
    return subprocess.Popen([*command, HERE / "two_guests_side.sh", BUILD, place, *arguments],
                            pass_fds=[end.fileno() for end in ends])


def await_first(*processes):
    descriptors = [os.pidfd_open(process.pid) for process in processes]
    try:
        select.select(descriptors, [], [])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("rdma", "tcp"):
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pairs = [socket.socketpair(type=socket.SOCK_DGRAM) for _ in range(2)]
    left, right = (start(place, ends, *sys.argv[1:])
                   for place, ends in zip(("left", "right"), zip(*pairs)))
    try:
        await_first(left, right)
        if left.poll() is None and right.poll() not in (None, 77):
            print("the right guest ended before the left one", file=sys.stderr)
            return 1
        return left.wait()
    finally:
        for guest in (left, right):
            guest.terminate()
            guest.wait()


if __name__ == "__main__":
    sys.exit(main())
