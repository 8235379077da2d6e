#!/usr/bin/python3
"""What becomes of a guest is told as what it was: a status, a panic, a hang, too little time, a machine
that cannot run one. Afterwards nothing is left of it."""

import contextlib
import io
import os
import select
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import guest

HERE = os.path.dirname(os.path.realpath(__file__))


def run(command, **options):
    output = io.BytesIO()
    outcome = guest.run(command, output=output, **options)
    return outcome, output.getvalue().decode()


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="utf-8") as file:
        return file.read().split()


class HarnessTest(unittest.TestCase):
    def setUp(self):
        self._files = self.project_files()

    def tearDown(self):
        self.assertEqual(children(), [])
        self.assertEqual(self.project_files(), self._files)

    @staticmethod
    def project_files():
        return {name: sorted(os.listdir(name)) for name in (HERE, os.path.dirname(guest.KERNEL))}

    def test_status_and_output_of_the_command(self):
        outcome, output = run("echo out; echo err >&2; id -u; test -x /usr/bin/env && exit 7")
        self.assertEqual((outcome.status, outcome.words), (7, "the command ended with status 7"))
        self.assertEqual(output, "out\nerr\n0\n")

    def test_a_good_end(self):
        outcome, output = run(f"test -r {HERE}/guest.py && ! touch {HERE}/x && ! touch /usr/x && "
                              "touch /tmp/x")
        self.assertEqual(outcome.status, 0, output)

    def test_much_output_arrives_to_its_last_byte(self):
        outcome, output = run("head -c 3000000 /dev/zero | tr '\\0' x; echo end")
        self.assertEqual(outcome.status, 0)
        self.assertEqual(output, "x" * 3000000 + "end\n")

    def test_a_panic(self):
        outcome, _ = run("echo c >/proc/sysrq-trigger; sleep 600")
        self.assertEqual((outcome.status, outcome.words), (125, "kernel panic"))
        self.assertIn(b"sysrq triggered crash", outcome.console)

    def test_an_end_without_a_status(self):
        outcome, _ = run("echo b >/proc/sysrq-trigger; sleep 600")
        self.assertEqual(outcome.status, 125)
        self.assertIn("stopped without a status", outcome.words)

    def test_a_hang(self):
        # Nothing else runs any more: one thread per CPU that yields to nobody.
        outcome, _ = run("""
            set -e
            echo -1 >/proc/sys/kernel/sched_rt_runtime_us
            mount -t debugfs debugfs /sys/kernel/debug
            for server in /sys/kernel/debug/sched/fair_server/cpu*; do echo 0 >$server/runtime; done
            for i in 1 2; do chrt -f 99 sh -c 'while :; do :; done' & done
            sleep 600""", quiet_seconds=20, seconds=120)
        self.assertEqual((outcome.status, outcome.words), (124, "hung: not a word for 20 s"))

    def test_too_little_time(self):
        outcome, output = run("echo begun; sleep 600", seconds=25)
        self.assertEqual((outcome.status, outcome.words),
                         (124, "timed out: 25 s were not enough"))
        self.assertEqual(output, "begun\n")

    def test_a_fault_of_the_kernel_ends_the_run_soon_and_it_is_made_again(self):
        words = ["guest.py", "bash", "-c", "echo '<3>WARNING: CPU: 0 at a test' >/dev/kmsg; sleep 600"]
        with tempfile.TemporaryFile("w+") as file:
            with mock.patch.object(guest, "SECONDS_AFTER_FAULT", 3), mock.patch("sys.argv", words), \
                    contextlib.redirect_stderr(file):
                self.assertEqual(guest.main(), 124)
            file.seek(0)
            said = file.read()
        self.assertEqual(said.count("WARNING: CPU: 0 at a test"), 2, said)
        self.assertEqual(said.count("guest: its kernel has failed"), 2, said)
        self.assertEqual(said.count("guest: once more"), 1, said)

    def test_a_guest_ends_with_its_runner(self):
        runner = subprocess.Popen([os.path.join(HERE, "guest.py"), "bash", "-c",
                                   "echo begun; sleep 600"], stdout=subprocess.PIPE)
        with runner:
            self.assertEqual(runner.stdout.readline(), b"begun\n")
            with open(f"/proc/{runner.pid}/task/{runner.pid}/children", encoding="utf-8") as file:
                qemu = int(file.read())
            descriptor = os.pidfd_open(qemu)
            runner.kill()
        try:  # it is readable when QEMU has ended
            self.assertTrue(select.select([descriptor], [], [], 60)[0])
        finally:
            os.close(descriptor)

    def test_what_is_missing_is_said(self):
        with tempfile.TemporaryDirectory() as empty:
            with mock.patch.object(guest, "KERNEL", empty):
                outcome, _ = run("true")
            self.assertEqual(outcome.status, 77)
            self.assertIn("no kernel in " + empty, outcome.words)
            with mock.patch("shutil.which", lambda tool, path: None):
                outcome, _ = run("true")
            self.assertEqual(outcome.status, 77)
            self.assertIn("qemu-system-x86_64 is not installed", outcome.words)


if __name__ == "__main__":
    lack = guest.missing()
    if lack:
        print("skipped: " + lack)
        sys.exit(guest.SKIPPED)
    unittest.main(verbosity=2)
