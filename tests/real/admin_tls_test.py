#!/usr/bin/python3
"""The admin API over TLS: who may ask it, with a certificate or with a token; who may not, each kind of
stranger; what they cost; and that no secret stands where it does not belong."""

import contextlib
import os
import pathlib
import resource
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from node import BIN, Node

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "cluster"))
from cluster import free_ports, until  # noqa: E402
from pki import Pki, client_context  # noqa: E402

HOST = "::1"
HALF_OPEN = 2_000
CREATE = b'POST /v1/volumes HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s'
BODY = b'{"name":"stolen","size_bytes":4096}'


def create(token=""):
    header = f"Authorization: Bearer {token}\r\n".encode() if token else b""
    return CREATE % (header, len(BODY), BODY)


class AdminTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.pki = Pki(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        cls.port, = free_ports(1, HOST)
        node_folder = cls.pki.issue("node", "test", "--days", "20")
        cls.token_file = cls.pki.folder / "token"
        cls.tokens = []
        cls.new_token()
        cls.node = stack.enter_context(Node(sections=cls.pki.section(node_folder)))
        cls.node.rewrite_config(f'admin = "unix:{cls.node.admin_socket}"',
                                f'admin = "[{HOST}]:{cls.port}"\n'
                                f'admin_token_file = "{cls.token_file}"')
        cls.node.start()
        cls.node.must("disk", "add", "disk0", "--size", "512MiB")

    @classmethod
    def tearDownClass(cls):
        """After all that the others did: no secret is where it does not belong."""
        kept = cls.pki.secrets() | set(cls.tokens)
        assert len(kept) >= 10, kept
        folder = cls.pki.issue("monitor", "reader")
        metrics = cls.curl("/metrics", "--cert", folder / "monitor-cert.pem", "--key",
                           folder / "monitor-key.pem")
        process = pathlib.Path(f"/proc/{cls.node.process.pid}")
        for where in (cls.node.log(), metrics, cls.node.must("-o", "json", "status"),
                      (process / "cmdline").read_bytes().decode(),
                      (process / "environ").read_bytes().decode()):
            assert not any(secret in where for secret in kept), "a secret is out"

    @classmethod
    def new_token(cls):
        cls.tokens.append(secrets.token_urlsafe(32))
        draft = cls.token_file.with_suffix(".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(cls.tokens[-1] + "\n")
        draft.replace(cls.token_file)

    def cli(self, *arguments, folder=None, role="admin", authority=None, scheme="https"):
        proof = []
        if folder:
            proof = ["--cert", folder / f"{role}-cert.pem", "--key", folder / f"{role}-key.pem"]
        done = subprocess.run(
            [BIN / "varve", "--endpoint", f"{scheme}://[{HOST}]:{self.port}", "--ca",
             (authority or self.pki.authority) / "ca-cert.pem", *proof, *arguments], text=True,
            timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def ask(self, request, context=None):
        """What the server answers to a client of that context; empty: nothing."""
        with socket.create_connection((HOST, self.port), timeout=20) as plain:
            answer = b""
            try:
                with context.wrap_socket(plain) if context else plain as stream:
                    stream.sendall(request)
                    while piece := stream.recv(4096):
                        answer += piece
            except (ssl.SSLError, ConnectionError):
                pass
            return answer

    def refused(self, why, request, context=None, status=b""):
        seen = len(self.node.log())
        answer = self.ask(request, context)
        self.assertEqual(answer[9:12], status, answer)
        until(f"the log says: {why}", lambda: why in self.node.log()[seen:])
        self.assertNotIn("stolen", self.node.must("volume", "list"))

    @classmethod
    def curl(cls, path, *proof):
        return subprocess.run(
            ["curl", "-sS", "--fail", "--cacert", cls.pki.authority / "ca-cert.pem", *proof,
             f"https://localhost:{cls.port}{path}"], text=True, timeout=60, check=True,
            stdout=subprocess.PIPE).stdout

    def test_admins_are_served(self):
        admin = self.pki.issue("admin", "ann")
        for name, proof in (("a", {"folder": admin}), ("b", {})):
            more = () if proof else ("--token-file", self.token_file)
            code, said = self.cli(*more, "volume", "create", name, "--size", "1MiB", **proof)
            self.assertEqual(code, 0, said)
        self.node.must("volume", "delete", "a")  # by what the node's config names

    def test_prometheus_is_served_by_certificate_and_by_token(self):
        folder = self.pki.issue("monitor", "prometheus")
        header = self.pki.folder / "header"  # not on the command line
        header.write_text(f"Authorization: Bearer {self.tokens[-1]}\n")
        for proof in (["--cert", folder / "monitor-cert.pem", "--key", folder / "monitor-key.pem"],
                      ["-H", f"@{header}"]):
            said = self.curl("/metrics", *proof)
            line, = [line for line in said.splitlines()
                     if line.startswith("varve_certificate_expiry_timestamp_seconds ")]
            self.assertGreater(float(line.split()[1]), 1.7e9)

    def test_strangers_are_refused_and_named(self):
        self.refused("does not speak TLS 1.3", create())
        self.refused("no certificate of an admin, and no token", create(), client_context(), b"401")
        self.refused("the token is not that of this node", create(secrets.token_urlsafe(32)),
                     client_context(), b"401")
        self.refused("the token is not that of this node", create(self.tokens[-1] + "x"),
                     client_context(), b"401")
        admin = self.pki.issue("admin", "old")
        self.refused("does not speak TLS 1.3", create(),
                     client_context(admin, "admin", ssl.TLSVersion.TLSv1_2))
        for role in ("client", "node"):
            self.refused(f"that of {role} x of cluster lab, and here it must be that of an admin or a "
                         "monitor", create(self.tokens[-1]),
                         client_context(self.pki.issue(role, "x"), role))
        self.refused("who may only read", create(),
                     client_context(self.pki.issue("monitor", "m"), "monitor"), b"403")
        elsewhere = Pki(self.pki.folder / "elsewhere")
        self.refused("its certificate is not good", create(),
                     client_context(elsewhere.issue("admin", "a"), "admin"))
        for name, alternative, days, why in (
                ("other", "URI:varve://other/admin/a", 10, "of cluster other, this node's of"),
                ("expired", "URI:varve://lab/admin/a", 0, "certificate has expired")):
            folder = self.pki.forge(name, alternative, days=days)
            until("it is so", lambda f=folder, d=days: d or subprocess.run(
                ["openssl", "x509", "-checkend", "0", "-noout", "-in", f / "node-cert.pem"],
                stdout=subprocess.DEVNULL, check=False).returncode == 1)
            self.refused(why, create(), client_context(folder))

    def test_the_cli_says_why_it_is_refused(self):
        wrong = self.pki.folder / "wrong-token"
        wrong.touch(0o600)
        wrong.write_text(secrets.token_urlsafe(32))
        shared = self.pki.folder / "shared-token"
        shared.write_text(secrets.token_urlsafe(32))
        shared.chmod(0o644)
        elsewhere = Pki(self.pki.folder / "abroad")
        client = self.pki.issue("client", "c")
        for arguments, proof, why in (
                (("--token-file", wrong), {}, "the token is not that of this node"),
                (("--token-file", shared), {}, "others may use it"),
                ((), {}, "--cert FILE --key FILE of an admin"),
                ((), {"folder": client, "role": "client"}, "it wants the certificate of an admin"),
                (("--token-file", self.token_file), {"authority": elsewhere.authority},
                 "its certificate is not good"),
                ((), {"scheme": "http"}, "perhaps it wants https")):
            code, said = self.cli(*arguments, "status", **proof)
            self.assertEqual(code, 1, said)
            self.assertIn(why, said)

    def test_files_are_replaced_without_a_restart(self):
        before = self.tokens[-1]
        self.new_token()
        until("the new token is good",
              lambda: self.cli("--token-file", self.token_file, "status")[0] == 0)
        self.refused("the token is not that of this node", create(before), client_context(), b"401")
        folder = self.pki.issue("node", "test", "--force", "--days", "20")
        wanted = ssl.PEM_cert_to_DER_cert((folder / "node-cert.pem").read_text())

        def shown():
            with socket.create_connection((HOST, self.port), timeout=10) as plain, \
                    client_context().wrap_socket(plain) as stream:
                return stream.getpeercert(binary_form=True)
        until("the new certificate is shown", lambda: shown() == wanted)

    def test_a_token_that_others_may_read_stops_the_start(self):
        loose = self.pki.folder / "loose"
        loose.write_text(secrets.token_urlsafe(32))
        loose.chmod(0o644)
        text = pathlib.Path(self.node.config).read_text()
        config = self.pki.folder / "loose.toml"
        config.write_text(text.replace(str(self.token_file), str(loose)))
        done = subprocess.run([BIN / "varved", "--config", config, "--check"], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("others may use it", done.stdout)

    def test_what_is_too_long_is_refused(self):
        head = b"GET /healthz HTTP/1.1\r\n" + b"X: " + b"y" * (20 << 10)
        self.refused("longer than 16 KiB", head, client_context(), b"431")
        body = b"POST /v1/volumes HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"
        self.refused("longer than 64 KiB", body, client_context(), b"413")

    def test_half_open_connections_cost_little_and_keep_nobody_out(self):
        before = self.node.memory_bytes()
        with contextlib.ExitStack() as stack:
            for number in range(HALF_OPEN):
                sock = stack.enter_context(socket.create_connection((HOST, self.port), timeout=10))
                if number % 2:
                    with contextlib.suppress(ConnectionError):
                        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
            self.assertLess(self.node.memory_bytes() - before, 64 << 20)
            self.assertLess(self.node.fd_count(), 700)
            self.node.must("status")

    def test_it_warns_of_a_certificate_that_expires_soon(self):
        self.assertEqual(self.node.log().count("warning tls: this node's certificate expires at"), 1)
        self.assertIn("PROBLEM: this node's certificate expires at", self.node.must("status"))


if __name__ == "__main__":
    unittest.main()
