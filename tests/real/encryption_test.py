#!/usr/bin/python3
"""Encrypted volumes with the real programs: what is on the device, and what bad keys do."""

import base64
import hashlib
import os
import pathlib
import signal
import subprocess
import unittest

import nbd
from node import BIN, Node

KEYS = {name: hashlib.sha256(name.encode()).digest() for name in ["a", "b", "wrong"]}
PATTERN = b"This is what a client of the volume wrote. "
BLOCK = 4096


def line(name, key=None):
    return f"{name} {base64.b64encode(KEYS[key or name]).decode()}\n"


class Encryption(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.addCleanup(self.node.__exit__)
        self.key_file = pathlib.Path(self.node.work, "keys")
        with open(self.node.config, "a", encoding="utf-8") as config:
            config.write(f'[encryption]\nkey_file = "{self.key_file}"\n')
        self.write_keys(line("a"))

    def write_keys(self, text, mode=0o600):
        self.key_file.write_text(text, encoding="utf-8")
        self.key_file.chmod(mode)

    def start_with_disk(self):
        self.node.start()
        self.node.must("disk", "add", "disk0", "--size", "64MiB")

    def client(self, volume):
        handle = nbd.NBD()
        handle.connect_uri(self.node.uri(volume))
        return handle

    def device(self):
        return pathlib.Path(self.node.disk).read_bytes()

    def read(self, volume, count, offset):
        handle = self.client(volume)
        data = handle.pread(count, offset)
        handle.shutdown()
        return bytes(data)

    def write(self, volume, data, offset):
        handle = self.client(volume)
        handle.pwrite(data, offset)
        handle.shutdown()

    def assert_no_key_in(self, data, where):
        for name, key in KEYS.items():
            for form in [key, key[:16], base64.b64encode(key)[:20], key.hex().encode()[:20],
                         key.hex().upper().encode()[:20]]:
                self.assertNotIn(form, data, f"key {name} is in {where}")

    def assert_not_served(self, volume, why):
        with self.assertRaises(nbd.Error):
            self.client(volume)
        self.assertIn(why, self.node.log())

    def test_nothing_of_it_is_on_the_device(self):
        self.start_with_disk()
        said = self.node.must("volume", "create", "secret", "--size", "16MiB", "--encrypted")
        self.assertIn("created", said)
        self.node.must("volume", "create", "plain", "--size", "1MiB")
        self.assertIn("encrypted:   wrapping key a\n", self.node.must("volume", "show", "secret"))
        self.assertIn("encrypted:   no\n", self.node.must("volume", "show", "plain"))
        data = PATTERN * 3000
        for offset in [0, 12345, 5 << 20, (16 << 20) - len(data)]:
            self.write("secret", data, offset)
            self.assertEqual(self.read("secret", len(data), offset), data)
        self.node.kill()
        self.node.start()
        self.assertEqual(self.read("secret", len(data), 12345), data)
        self.assertEqual(self.read("secret", 10, 2 << 20), bytes(10))
        device = self.device()
        self.assertNotIn(PATTERN[:16], device)
        self.assert_no_key_in(device, "the device")
        # The same bytes on the volume beside it are found: the search would see them.
        self.write("plain", data, 0)
        self.assertIn(PATTERN[:16], self.device())

    def test_keys_are_in_no_log_and_no_argument(self):
        self.write_keys(line("a") + line("b"))
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB", "--encrypted", "--wrapping-key", "a")
        self.write("v", PATTERN, 0)
        self.node.must("volume", "rewrap", "v", "--wrapping-key", "b")
        self.write_keys(line("b")[:30])
        said = [self.node.varve("volume", "rewrap", "v", "--wrapping-key", "b")[1],
                self.node.must("-o", "json", "volume", "show", "v"),
                self.node.must("-o", "json", "status")]
        self.assertIn("keys:1: the key is cut off or damaged", said[0])
        process = pathlib.Path(f"/proc/{self.node.process.pid}")
        for where in ["cmdline", "environ"]:
            self.assert_no_key_in((process / where).read_bytes(), where)
        self.assert_no_key_in("".join(said).encode(), "what varve said")
        self.node.stop()
        self.assert_no_key_in(self.node.log().encode(), "the log")

    def test_holes_stay_holes(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB", "--encrypted")
        handle = self.client("v")
        handle.pwrite(b"x" * (8 * BLOCK), 0)
        handle.trim(4 * BLOCK, 2 * BLOCK)
        handle.zero(BLOCK, 100)
        expected = bytearray(b"x" * (8 * BLOCK))
        expected[2 * BLOCK:6 * BLOCK] = bytes(4 * BLOCK)
        expected[100:100 + BLOCK] = bytes(BLOCK)
        self.assertEqual(bytes(handle.pread(8 * BLOCK, 0)), bytes(expected))
        handle.shutdown()
        self.assertIn("used:        16KiB", self.node.must("volume", "show", "v"))

    def test_the_wrapping_key_is_changed_under_a_client(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB", "--encrypted")
        handle = self.client("v")
        handle.pwrite(PATTERN * 100, 77)
        code, said = self.node.varve("volume", "rewrap", "v", "--wrapping-key", "b")
        self.assertEqual((code, said), (1, f"varve: key file {self.key_file}: has no wrapping key b; "
                                        "it has a\n"))
        self.write_keys(line("a") + line("b"))
        self.assertIn("wrapped by b now", self.node.must("volume", "rewrap", "v", "--wrapping-key", "b"))
        self.assertIn("wrapping key b\n", self.node.must("volume", "show", "v"))
        self.assertEqual(bytes(handle.pread(len(PATTERN), 77)), PATTERN)
        handle.pwrite(b"after", 0)
        handle.shutdown()
        self.node.kill()
        self.write_keys(line("b"))
        self.node.start()
        self.assertEqual(self.read("v", 5, 0), b"after")
        self.assertEqual(self.read("v", len(PATTERN) * 100, 77), PATTERN * 100)
        self.node.stop()
        self.write_keys(line("a"))
        self.node.start()
        self.assert_not_served("v", "has no wrapping key b; it has a")

    def test_without_its_key_a_volume_is_not_served_and_the_others_are(self):
        self.start_with_disk()
        self.node.must("volume", "create", "secret", "--size", "1MiB", "--encrypted")
        self.node.must("volume", "create", "plain", "--size", "1MiB")
        self.write("secret", PATTERN, 10)
        self.write("plain", PATTERN, 20)
        for keys, why in [(line("b"), "has no wrapping key a; it has b"),
                          (line("a", "wrong"), "wrapping key a does not fit: the data key was wrapped "
                                               "by another key of that name, or is damaged")]:
            self.node.stop()
            self.write_keys(keys)
            self.node.start()
            before = self.device()
            self.assert_not_served("secret", why)
            code, said = self.node.varve("volume", "rewrap", "secret", "--wrapping-key",
                                         keys.split(" ", maxsplit=1)[0])
            self.assertEqual(code, 1)
            self.assertIn(why, said)
            self.assertEqual(self.device(), before, "a refused attachment wrote to the device")
            self.assertEqual(self.read("plain", len(PATTERN), 20), PATTERN)
            self.assertEqual("has no" in why,
                             "key file does not have its wrapping key a" in self.node.must("status"))
        self.node.stop()
        self.write_keys(line("a"))
        self.node.start()
        self.assertEqual(self.read("secret", len(PATTERN), 10), PATTERN)

    def test_a_node_without_a_key_file(self):
        config = pathlib.Path(self.node.config)
        with_keys = config.read_text(encoding="utf-8")
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB", "--encrypted")
        self.node.stop()
        config.write_text(with_keys.split("[encryption]", maxsplit=1)[0], encoding="utf-8")
        self.node.start()
        self.assert_not_served("v", "this node has no key file")
        code, said = self.node.varve("volume", "create", "w", "--size", "1MiB", "--encrypted")
        self.assertEqual(code, 1)
        self.assertIn("this node has no key file: its config has no [encryption]", said)
        self.node.must("volume", "delete", "v")

    def test_a_bad_key_file_is_told_at_the_start_and_nothing_is_touched(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB", "--encrypted")
        self.node.stop()
        before = self.device()
        for text, mode, why in [(line("a"), 0o640, "others than its owner may use it: chmod 600"),
                                (line("a")[:-8], 0o600, ":1: the key is cut off or damaged"),
                                ("", 0o600, "has 0 bytes"), (None, 0, "No such file")]:
            self.key_file.unlink()
            if text is not None:
                self.write_keys(text, mode)
            for arguments in [["--check"], []]:
                done = subprocess.run([BIN / "varved", "--config", self.node.config, *arguments],
                                      capture_output=True, timeout=30, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(why, done.stderr.decode())
                self.assertRegex(done.stderr.decode(), r"node\.toml:\d+:1: encryption\.key_file: ")
                self.assert_no_key_in(done.stdout + done.stderr, "what varved said")
            self.write_keys(line("a"))
        self.assertEqual(self.device(), before)

    def test_making_a_volume_again_must_ask_for_the_same(self):
        self.write_keys(line("a") + line("b"))
        self.start_with_disk()
        code, said = self.node.varve("volume", "create", "v", "--size", "1MiB", "--encrypted")
        self.assertEqual(code, 1)
        self.assertIn("has 2 wrapping keys: say which one is meant", said)
        make = ["volume", "create", "v", "--size", "1MiB"]
        self.node.must(*make, "--encrypted", "--wrapping-key", "b")
        self.assertIn("exists already", self.node.must(*make, "--encrypted"))
        self.assertIn("exists and is encrypted", self.node.varve(*make)[1])
        self.assertIn("exists under another wrapping key: b",
                      self.node.varve(*make, "--encrypted", "--wrapping-key", "a")[1])
        self.node.must("volume", "create", "w", "--size", "1MiB")
        self.assertIn("exists and is not encrypted", self.node.varve(
            "volume", "create", "w", "--size", "1MiB", "--encrypted")[1])
        self.assertIn("is not encrypted",
                      self.node.varve("volume", "rewrap", "w", "--wrapping-key", "a")[1])

    def test_a_crash_leaves_no_core(self):
        self.node.launcher = ["/bin/sh", "-c", 'ulimit -c unlimited; cd "$0" && exec "$@"',
                              self.node.work]
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB", "--encrypted")
        process = self.node.process
        limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text(encoding="utf-8")
        self.assertRegex(limits, r"Max core file size\s+0\s+0\s")
        # As of a process that may not be dumped, its files are root's, and only root's.
        self.assertEqual(os.stat(f"/proc/{process.pid}/mem").st_uid, 0)
        before = set(os.listdir(self.node.work))
        process.send_signal(signal.SIGABRT)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -signal.SIGABRT
        self.assertEqual(os.WTERMSIG(status), signal.SIGABRT)
        self.assertFalse(os.WCOREDUMP(status))
        self.assertEqual(set(os.listdir(self.node.work)), before)
        self.node.process = None


if __name__ == "__main__":
    unittest.main(verbosity=2)
