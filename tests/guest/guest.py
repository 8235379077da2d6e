#!/usr/bin/python3
"""Runs a command on a kernel of its own: a Debian kernel under QEMU's emulation, which boots in seconds.

    tests/guest/guest.py [--seconds N] [--memory MIB] [--quiet-seconds N] [--wire FD]... COMMAND [ARGUMENT...]

The command sees this machine's /usr and this project, read-only and at their own places, and runs as root
in the folder from which guest.py was called, if that is in the project. All else is memory of the guest.
What it prints is printed. Each --wire is a network device (module virtio_net), whose frames go through this
datagram socket, one end of a pair: two guests that have the two ends are joined. The guest's end is told on
stderr, and by the exit status:

    the command's own   it ended
    77                  nothing ran: something is missing here; stderr says what
    124                 it took longer than --seconds (300), or the guest hung: said nothing for
                        --quiet-seconds (60)
    125                 the guest ended without a status: panic, reboot, QEMU failed

A kernel that, once booted, reports a fault of its own (WARNING, BUG, Oops) gets a minute to end all the same. If
the command then has failed, that proves nothing about it: it runs once more, in a new guest, and stderr says why.

No file is made and no process stays, however this ends.
"""

import argparse
import dataclasses
import math
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

import initrd

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.realpath(os.path.join(HERE, "..", ".."))
KERNEL = os.path.join(PROJECT, "build", "guest", "kernel")

SKIPPED, TIMED_OUT, NO_STATUS = 77, 124, 125
CONSOLE_LINES = 40
# A soft lockup is none: this machine may be slow.
FAULT = re.compile(rb"(?:WARNING: CPU|(?<!watchdog: )BUG: |Oops: )[^\r\n]*")
SECONDS_AFTER_FAULT = 60
WIRE_MTU = 4200  # 4 KiB and what RoCE puts around it


def missing():
    """What this machine lacks for a guest, in words; empty when nothing."""
    if os.uname().machine != "x86_64":
        return f"this machine is {os.uname().machine}; the guest is x86-64"
    for tool, package in (("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static"),
                          ("modprobe", "kmod"), ("setpriv", "util-linux")):
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"{tool} is not installed (package {package}; tests/setup.sh)"
    if not os.path.exists(os.path.join(KERNEL, "version")):
        return f"no kernel in {KERNEL}; tests/guest/kernel.sh unpacks one"
    return ""


@dataclasses.dataclass
class Outcome:
    status: int
    words: str
    console: bytes = b""
    fault: str = ""  # the kernel's first


class Guest:
    """One run. Its ports are socket pairs; its initial file system is a memory file."""

    PORTS = ("console", "output", "status")

    def __init__(self, command, memory_mib, wires=()):
        self._ours, theirs = {}, {}
        for name in self.PORTS:
            self._ours[name], theirs[name] = socket.socketpair()
        image = os.memfd_create("initrd", 0)
        archive = initrd.make(HERE, KERNEL, PROJECT, os.getcwd(), command)
        with os.fdopen(os.dup(image), "wb") as file:
            file.write(archive)
        fds = [image, *wires] + [theirs[name].fileno() for name in self.PORTS]
        # setpriv: QEMU dies with us, even if we are killed.
        self._qemu = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL"] + self._arguments(image, theirs, memory_mib, wires),
            stdin=subprocess.DEVNULL, stdout=sys.stderr, pass_fds=fds)
        for pair in theirs.values():
            pair.close()
        os.close(image)
        self._status = b""
        self._console = bytearray()
        self._booted = None  # how much the console had said then
        self._fault, self._fault_deadline = "", math.inf
        self._last_word = time.monotonic()

    def _arguments(self, image, theirs, memory_mib, wires):
        words = ["qemu-system-x86_64", "-machine", "q35,usb=off,vmport=off",
                 "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max",
                 "-smp", "1" if wires else "2",  # with a wire there is another guest beside it
                 "-m", str(memory_mib), "-nodefaults", "-no-user-config", "-display", "none",
                 "-no-reboot", "-kernel", os.path.join(KERNEL, "vmlinuz"),
                 "-initrd", f"/proc/self/fd/{image}", "-serial", "chardev:console",
                 "-device", "virtio-serial-pci",
                 "-append", "console=ttyS0 panic=-1 quiet loglevel=5 mitigations=off nokaslr "
                 "tsc=reliable no_timer_check random.trust_cpu=on audit=0 selinux=0 apparmor=0"]
        for name in self.PORTS:
            words += ["-chardev", f"socket,id={name},fd={theirs[name].fileno()}"]
        for name in ("output", "status"):
            words += ["-device", f"virtserialport,chardev={name},name={name}"]
        for tag, path in (("usr", "/usr"), ("project", PROJECT),
                          ("modules", os.path.join(KERNEL, "modules"))):
            words += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap,"
                      "readonly=on", "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        for fd in wires:
            # The same in no two guests: the number of the socket.
            mac = "52:54:00:" + os.fstat(fd).st_ino.to_bytes(8, "big")[-3:].hex(":")
            words += ["-netdev", f"dgram,id=wire{fd},local.type=fd,local.str={fd}", "-device",
                      f"virtio-net-pci,netdev=wire{fd},mac={mac},romfile=,host_mtu={WIRE_MTU}"]
        return words

    def run(self, seconds, quiet_seconds, output):
        """Until the guest has ended or is killed."""
        deadline = time.monotonic() + seconds
        selector = selectors.DefaultSelector()
        for name in self.PORTS:
            selector.register(self._ours[name], selectors.EVENT_READ, name)
        late = None
        while selector.get_map() and late is None:
            deadline = min(deadline, self._fault_deadline)
            quiet_until = self._last_word + quiet_seconds
            now = time.monotonic()
            if now >= min(deadline, quiet_until):
                late = (f"hung: not a word for {quiet_seconds:g} s" if now >= quiet_until else
                        "its kernel has failed" if self._fault else
                        f"timed out: {seconds:g} s were not enough")
                break
            for key, _ in selector.select(min(deadline, quiet_until) - now):
                if not self._take(key.data, output):
                    selector.unregister(key.fileobj)
        self.end()
        return self._outcome(late)

    def _take(self, name, output):
        try:
            data = self._ours[name].recv(1 << 16)
        except ConnectionResetError:
            return False
        if name == "output":
            output.write(data)
            output.flush()
        elif name == "console":
            self._console += data
            self._look_for_fault()
        else:
            self._status = (self._status + data)[-4096:]
            self._last_word = time.monotonic()
            if self._booted is None:
                self._booted = len(self._console)
        return bool(data)

    def _look_for_fault(self):
        """What it reported while it booted has done no harm: it runs."""
        if self._booted is None or self._fault:
            return
        found = FAULT.search(self._console, self._booted)
        if found:
            self._fault = found[0].decode(errors="replace")
            self._fault_deadline = time.monotonic() + SECONDS_AFTER_FAULT

    def _outcome(self, late):
        console = bytes(self._console)
        for line in self._status.decode(errors="replace").splitlines():
            if line.startswith("exit "):
                return Outcome(int(line[5:]), f"the command ended with status {line[5:]}", console,
                               self._fault)
        if late is not None:
            return Outcome(TIMED_OUT, late, console, self._fault)
        if b"Kernel panic" in console:
            return Outcome(NO_STATUS, "kernel panic", console, self._fault)
        return Outcome(NO_STATUS, "the guest stopped without a status "
                       f"(QEMU ended with {self._qemu.returncode})", console, self._fault)

    def end(self):
        if self._qemu.poll() is None and b"exit " not in self._status:
            self._qemu.kill()
        try:
            self._qemu.wait(20)
        except subprocess.TimeoutExpired:
            self._qemu.kill()
            self._qemu.wait()
        for pair in self._ours.values():
            pair.close()


def run(command, seconds=300.0, memory_mib=1024, quiet_seconds=60.0, output=None, wires=()):
    """Runs `command` (for bash) in a guest."""
    lack = missing()
    if lack:
        return Outcome(SKIPPED, "skipped: " + lack)
    guest = Guest(command, memory_mib, wires)
    try:
        return guest.run(seconds, quiet_seconds, output or sys.stdout.buffer)
    finally:
        guest.end()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--quiet-seconds", type=float, default=60)
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB")
    parser.add_argument("--wire", type=int, action="append", default=[], metavar="FD")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if not given.command:
        parser.error("no command")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    outcome = run_shown(given)
    if outcome.status != 0 and outcome.fault and not given.wire:
        print("guest: once more, as its kernel has failed", file=sys.stderr)
        outcome = run_shown(given)
    return outcome.status


def run_shown(given):
    begin = time.monotonic()
    outcome = run(shlex.join(given.command), given.seconds, given.memory, given.quiet_seconds,
                  wires=given.wire)
    if outcome.status != 0:
        print_console(outcome)
    print(f"guest: {outcome.words}; {time.monotonic() - begin:.1f} s", file=sys.stderr)
    return outcome


def print_console(outcome):
    lines = outcome.console.decode(errors="replace").splitlines()
    if outcome.fault:
        lines = lines[next(i for i, line in enumerate(lines) if outcome.fault in line):]
        lines = lines[:CONSOLE_LINES]
    for line in lines[-CONSOLE_LINES:]:
        print("guest console:", line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
