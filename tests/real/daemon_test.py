#!/usr/bin/python3
"""varved and varve as an operator uses them: exit codes, words, clean ends."""

import json
import os
import pathlib
import signal
import subprocess
import unittest
import urllib.request

import nbd
from node import BIN, Node

PLUGINS = BIN.parent / "lib/varve/plugins"


def varved(*arguments):
    """Runs varved to its end; returns (exit code, standard output, standard error)."""
    done = subprocess.run([BIN / "varved", *arguments], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.addCleanup(self.node.__exit__)

    def check_config(self, text, *expected):
        pathlib.Path(self.node.config).write_text(text)
        code, _, errors = varved("--config", self.node.config, "--check")
        self.assertEqual(code, 2, errors)
        for words in expected:
            self.assertIn(words, errors)
        self.assertEqual(varved("--config", self.node.config)[0], 2)

    def test_a_good_config(self):
        self.assertEqual(varved("--config", self.node.config, "--check"),
                         (0, f"{self.node.config}: ok\n", ""))
        self.assertFalse(os.path.exists(self.node.disk))

    def test_a_bad_config_is_told_line_by_line(self):
        self.check_config('[node]\nadmn = "x"\n[[disk_group]]\nname = "a"\npath = "rel"\n',
                          f'{self.node.config}:2:1: node.admn: unknown key; did you mean "admin"?',
                          f"{self.node.config}:5:1: disk_group.path: must be the absolute path")

    def test_a_plugin_that_is_not_there_or_refuses_its_options(self):
        group = '[[disk_group]]\nname = "a"\npath = "/a"\n'
        self.check_config(group + '[[service]]\nplugin = "nbx"\nlisten = "unix:/x"\n',
                          f"{self.node.config}:4:", "nbx.so")
        self.check_config(group + '[[service]]\nplugin = "nbd"\n',
                          f"{self.node.config}:4:", "listen: missing")
        self.check_config(group + '[[service]]\nplugin = "nbd"\nlisten = "tcp:0.0.0.0:10809"\n',
                          "allow_plaintext")

    def test_a_config_that_is_not_there(self):
        code, _, errors = varved("--config", "/nonexistent/node.toml")
        self.assertEqual(code, 2)
        self.assertIn("/nonexistent/node.toml: cannot be read", errors)

    def test_help_version_and_wrong_arguments(self):
        self.assertIn("--describe-plugin", varved("--help")[1])
        self.assertRegex(varved("--version")[1], r"^varved \d+\.\d+\.\d+\n$")
        code, _, errors = varved("--frobnicate")
        self.assertEqual(code, 2)
        self.assertIn("--frobnicate", errors)

    def test_plugins_are_described(self):
        code, words, _ = varved("--describe-plugin", PLUGINS / "nbd.so")
        self.assertEqual(code, 0)
        for part in ["name:         nbd", "ABI:          1.", "instance_create", "listen = "]:
            self.assertIn(part, words)
        code, _, errors = varved("--describe-plugin", "/etc/hostname")
        self.assertEqual(code, 1)
        self.assertIn("/etc/hostname", errors)


class Serving(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.addCleanup(self.node.__exit__)

    def start_with_disk(self, size="64MiB"):
        self.node.start()
        self.node.must("disk", "add", "disk0", "--size", size)

    def client(self, volume):
        handle = nbd.NBD()
        handle.connect_uri(self.node.uri(volume))
        return handle

    def test_the_life_of_a_volume(self):
        self.start_with_disk()
        said = self.node.must("volume", "create", "v", "--size", "1000000")
        self.assertIn("rounded up from 1000000 to 1003520 bytes", said)
        self.assertIn("exists already", self.node.must("volume", "create", "v", "--size", "1003520"))
        code, said = self.node.varve("volume", "create", "v", "--size", "1GiB")
        self.assertEqual(code, 1)
        self.assertIn("another size: 980KiB", said)
        listed = json.loads(self.node.must("-o", "json", "volume", "list"))["volumes"]
        self.assertEqual(listed, [{"name": "v", "disk_group": "disk0", "size_bytes": 1003520,
                                   "used_bytes": 0, "tier": "auto", "in_use": False}])
        self.assertIn("980KiB (1003520 bytes)", self.node.must("volume", "show", "v"))
        self.node.must("volume", "delete", "v")
        self.assertEqual(self.node.varve("volume", "show", "v"), (1, "varve: no volume v\n"))

    def test_a_volume_grows_while_it_is_used(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB")
        before = self.client("v")
        before.pwrite(b"b" * 4096, (1 << 20) - 4096)
        self.assertEqual(self.node.must("volume", "resize", "v", "--size", "3MiB"),
                         "volume v (3MiB): resized\n")
        self.assertIn("already", self.node.must("volume", "resize", "v", "--size", "3MiB"))
        code, said = self.node.varve("volume", "resize", "v", "--size", "2MiB")
        self.assertEqual(code, 1)
        self.assertIn("has 3MiB and cannot shrink to 2MiB", said)
        before.pwrite(b"c" * 4096, 0)
        after = self.client("v")
        self.assertEqual((before.get_size(), after.get_size()), (1 << 20, 3 << 20))
        after.pwrite(b"a" * 8192, (1 << 20) - 4096)
        self.assertEqual(before.pread(4096, (1 << 20) - 4096), b"a" * 4096)
        before.shutdown()
        after.shutdown()
        self.node.kill()
        self.node.start()
        after = self.client("v")
        self.assertEqual(after.get_size(), 3 << 20)
        self.assertEqual(after.pread(8192, (1 << 20) - 4096), b"a" * 8192)
        after.shutdown()

    def test_a_volume_in_use_is_not_deleted(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB")
        handle = self.client("v")
        code, said = self.node.varve("volume", "delete", "v")
        self.assertEqual((code, said), (1, "varve: volume v is in use: a client has it open\n"))
        self.assertIn("yes", self.node.must("volume", "list"))
        handle.pwrite(b"x" * 4096, 0)
        handle.shutdown()

    def test_numbers_follow_the_writes(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB")
        handle = self.client("v")
        for block in range(10):
            handle.pwrite(b"x" * 4096, block * 4096)
        group = self.node.status()["disk_groups"][0]
        self.assertEqual(group["live_bytes"], 10 * 4096)
        self.assertEqual(group["stats"]["user_blocks_written"], 10)
        self.assertLessEqual(group["stats"]["group_commit_count"], 10)
        handle.shutdown()

    def test_metrics_and_health_over_tcp(self):
        config = pathlib.Path(self.node.config)
        port = 17000 + os.getpid() % 10000
        config.write_text(config.read_text().replace(f"unix:{self.node.admin_socket}",
                                                     f"127.0.0.1:{port}"))
        self.start_with_disk()
        for path, words in [("healthz", "ok"), ("readyz", "ready"),
                            ("metrics", 'varve_disk_group_serving{disk_group="disk0"} 1')]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as reply:
                self.assertIn(words, reply.read().decode())
        code, said = self.node.varve("--endpoint", f"http://127.0.0.1:{port}", "status")
        self.assertEqual(code, 0, said)
        # A second daemon at the same address ends and says why.
        code, _, errors = varved("--config", self.node.config)
        self.assertEqual(code, 1)
        self.assertIn(f"cannot listen on 127.0.0.1:{port}", errors)
        self.assertEqual(self.node.status()["state"], "ready")

    def test_a_clean_end_with_a_client_connected(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB")
        handle = self.client("v")
        handle.pwrite(b"y" * 4096, 0)
        self.node.stop()
        self.assertIn("stopped cleanly", self.node.log())
        self.assertFalse(os.path.exists(self.node.admin_socket))
        self.node.start()
        again = self.client("v")
        self.assertEqual(again.pread(4096, 0), b"y" * 4096)
        again.shutdown()

    def test_many_signals_are_as_good_as_one(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB")
        for number in [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]:
            self.node.process.send_signal(number)
        self.node.stop()
        self.node.start()
        self.assertIn("v", self.node.must("volume", "list"))

    def test_a_start_after_kill(self):
        self.start_with_disk()
        self.node.must("volume", "create", "v", "--size", "1MiB")
        self.node.process.kill()
        self.node.process.wait()
        self.node.start()
        self.assertIn("v", self.node.must("volume", "list"))
        self.assertRegex(self.node.log(), r"recovered \d+ of \d+ segments in \d+ ms")

    def test_an_end_while_a_file_is_being_made(self):
        self.node.start()
        with subprocess.Popen([BIN / "varve", "--config", self.node.config, "disk", "add", "disk0",
                               "--size", "4GiB"], text=True, stderr=subprocess.PIPE) as adding:
            while "writing" not in adding.stderr.readline():
                pass
            self.node.stop()
            self.assertEqual(adding.wait(30), 1)

    def test_an_argument_that_cannot_work(self):
        self.start_with_disk()
        self.assertEqual(self.node.varve("volume", "create", "v", "--size", "12parsecs")[0], 2)
        self.assertEqual(self.node.varve("volume", "create", "-v-", "--size", "1MiB")[0], 2)
        self.assertEqual(self.node.varve("volume", "create", "a/b", "--size", "1MiB")[0], 1)
        code, said = self.node.varve("top")
        self.assertEqual((code, said), (1, "varve: top: not built yet in this release\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
