#!/usr/bin/python3
"""NBD over TLS with the clients that people use: libnbd, nbdcopy and qemu-img; and what must not work:
plain text, certificates of others, and a STARTTLS that somebody on the way takes out or adds to."""

import contextlib
import os
import pathlib
import resource
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

import nbd
import nbd_raw
from node import Node

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "cluster"))
from cluster import free_ports, until  # noqa: E402
from pki import Pki  # noqa: E402

HOST = "::1"
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_STARTTLS, OPT_INFO, OPT_STRUCTURED = 1, 2, 3, 5, 6, 8
ERR_UNSUPPORTED, ERR_TLS_REQUIRED = 0x80000001, 0x80000005
HALF_OPEN = 10_000
NOTICED_SECONDS = 5  # half of the time for a handshake


def reply_type(sock):
    _, _, kind, length = struct.unpack(">QIII", nbd_raw.receive(sock, 20))
    nbd_raw.receive(sock, length)
    return kind


class StrippingProxy:
    """Somebody on the way: says that the server does not speak TLS."""

    def __init__(self, port):
        self.listener = socket.create_server((HOST, 0), family=socket.AF_INET6)
        self.port = self.listener.getsockname()[1]
        self.after = b""  # what the client said then
        self.thread = threading.Thread(target=self.run, args=(port,))
        self.thread.start()

    def run(self, port):
        with self.listener, self.listener.accept()[0] as client, \
                socket.create_connection((HOST, port)) as server:
            client.settimeout(10)
            client.sendall(nbd_raw.receive(server, 18))
            server.sendall(nbd_raw.receive(client, 4))
            nbd_raw.receive(client, 16)
            client.sendall(struct.pack(">QIII", 0x3e889045565a9, OPT_STARTTLS, ERR_UNSUPPORTED, 0))
            with contextlib.suppress(ConnectionError):
                self.after = client.recv(4096)


class NbdTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.half_open = min(HALF_OPEN, hard - 500)
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.pki = Pki(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        cls.port, = free_ports(1, HOST)
        node_folder = cls.pki.issue("node", "test")
        cls.client = cls.pki.issue("client", "c1")
        cls.local = f"{cls.pki.folder}/nbd.sock"  # of the same listener's thread
        service = (f'[[service]]\nplugin = "nbd"\n'
                   f'listen = ["tcp:[{HOST}]:{cls.port}", "unix:{cls.local}"]\n')
        cls.node = stack.enter_context(Node(sections=service + cls.pki.section(node_folder)))
        cls.node.start()
        cls.node.must("disk", "add", "disk0", "--size", "512MiB")
        cls.node.must("volume", "create", "vol", "--size", "16MiB")

    def connect(self):
        return contextlib.closing(socket.create_connection((HOST, self.port), timeout=10))

    def uri(self, folder, port=None):
        return f"nbds://[{HOST}]:{port or self.port}/vol?tls-certificates={folder}"

    def handle(self, uri):
        handle = nbd.NBD()
        handle.set_uri_allow_local_file(True)
        handle.connect_uri(uri)
        return handle

    def refused(self, folder, why):
        seen = len(self.node.log())
        # In TLS 1.3 a client learns last that it is refused.
        with self.assertRaises(nbd.Error):
            self.handle(self.uri(folder)).pread(4096, 0)
        until(f"{why}: {self.node.log()[seen:]}", lambda: why in self.node.log()[seen:])

    def assert_served(self):
        handle = self.handle(self.uri(self.client))
        block = os.urandom(1 << 20)
        handle.pwrite(block, 4096)
        self.assertEqual(handle.pread(len(block), 4096), block)
        handle.shutdown()

    def test_clients_of_debian_work(self):
        self.assert_served()
        with tempfile.NamedTemporaryFile(dir="/var/tmp") as source:
            source.write(os.urandom(16 << 20))
            source.flush()
            uri = self.uri(self.client)
            subprocess.run(["nbdcopy", source.name, uri], check=True, timeout=120)
            credentials = (f"tls-creds-x509,id=tls,dir={self.client},endpoint=client")
            image = (f"driver=nbd,server.type=inet,server.host={HOST},server.port={self.port},"
                     "export=vol,tls-creds=tls")
            subprocess.run(["qemu-img", "compare", "--object", credentials, "--image-opts", image,
                            f"driver=raw,file.filename={source.name}"],
                           check=True, timeout=120, stdout=subprocess.DEVNULL)
        plain = self.handle(self.node.uri("vol"))  # the unix socket: its file's rights are the guard
        self.assertEqual(plain.get_size(), 16 << 20)

    def test_everything_but_starttls_is_refused_in_plain_text(self):
        with self.assertRaises(nbd.Error) as failed:
            self.handle(f"nbd://[{HOST}]:{self.port}/vol")
        self.assertIn("TLS", str(failed.exception))
        with self.connect() as sock:
            nbd_raw.greet(sock)
            for number in (OPT_LIST, OPT_INFO, nbd_raw.OPT_GO, OPT_STRUCTURED, 9, 10, 4711):
                sock.sendall(nbd_raw.option(number, nbd_raw.go("vol")[16:]))
                self.assertEqual(reply_type(sock), ERR_TLS_REQUIRED)
            sock.sendall(nbd_raw.option(OPT_EXPORT_NAME, b"vol"))
            self.assertEqual(sock.recv(1), b"")

    def test_strangers_are_refused_and_named(self):
        for role in ("node", "admin"):
            folder = self.pki.issue(role, "x")
            for kind in ("cert", "key"):
                os.rename(folder / f"{role}-{kind}.pem", folder / f"client-{kind}.pem")
            self.refused(folder, f"that of {role} x of cluster lab, and here it must be that of a "
                                 "client")
        elsewhere = Pki(self.pki.folder / "elsewhere")
        folder = elsewhere.issue("client", "c1")
        (folder / "ca-cert.pem").write_bytes((self.client / "ca-cert.pem").read_bytes())
        self.refused(folder, "its certificate is not good")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.client / "ca-cert.pem")
        seen = len(self.node.log())
        with self.connect() as sock, self.assertRaises((ssl.SSLError, ConnectionError)):
            nbd_raw.greet(sock)
            sock.sendall(nbd_raw.option(OPT_STARTTLS, b""))
            self.assertEqual(reply_type(sock), nbd_raw.REPLY_ACK)
            with context.wrap_socket(sock, server_hostname=HOST) as stream:
                stream.sendall(nbd_raw.go("vol"))
                stream.recv(1)
                self.fail("a client without a certificate gets an answer")
        until("named", lambda: "it shows no certificate" in self.node.log()[seen:])

    def test_bytes_added_to_starttls_end_the_connection(self):
        seen = len(self.node.log())
        with self.connect() as sock:
            nbd_raw.greet(sock)
            sock.sendall(nbd_raw.option(OPT_STARTTLS, b"") + nbd_raw.go("vol"))
            with contextlib.suppress(ConnectionError):
                while sock.recv(4096):
                    pass
        until("named", lambda: "bytes between STARTTLS and TLS" in self.node.log()[seen:])

    def test_a_stripped_starttls_ends_the_connection(self):
        proxy = StrippingProxy(self.port)
        with self.assertRaises(nbd.Error):
            self.handle(self.uri(self.client, proxy.port))
        proxy.thread.join()
        # The client may take its leave, but names no volume.
        self.assertIn(proxy.after, (b"", nbd_raw.option(OPT_ABORT, b"")))

    def test_certificates_are_replaced_under_an_open_connection(self):
        handle = self.handle(self.uri(self.client))
        for _ in range(5):
            folder = self.pki.issue("node", "test", "--force")
            wanted = ssl.PEM_cert_to_DER_cert((folder / "node-cert.pem").read_text())
            until("the new certificate is shown", lambda w=wanted: self.certificate_shown() == w)
            handle.pwrite(bytes(4096), 0)
            self.assert_served()

    def certificate_shown(self):
        with self.connect() as sock, self.start_tls(sock) as stream:
            return stream.getpeercert(binary_form=True)

    def start_tls(self, sock):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.client / "ca-cert.pem")
        context.load_cert_chain(self.client / "client-cert.pem", self.client / "client-key.pem")
        nbd_raw.greet(sock)
        sock.sendall(nbd_raw.option(OPT_STARTTLS, b""))
        reply_type(sock)
        return context.wrap_socket(sock, server_hostname=HOST)

    def test_a_client_that_dies_in_the_middle_of_a_record_is_noticed_at_once(self):
        until("those before have gone", lambda: self.connection_count() == 0)
        with self.connect() as sock:
            nbd_raw.greet(sock)
            sock.sendall(nbd_raw.option(OPT_STARTTLS, b""))
            reply_type(sock)
            self.assertEqual(self.connection_count(), 1)
            self.node.process.send_signal(signal.SIGSTOP)
            sock.sendall(b"\x16\x03\x01\x02")
        self.node.process.send_signal(signal.SIGCONT)
        until("a stranger has gone", lambda: self.connection_count() == 0, NOTICED_SECONDS)
        with contextlib.ExitStack() as stack:
            # The last two who said something are looked at without news of them.
            streams = [self.start_tls(stack.enter_context(self.connect())) for _ in range(3)]
            for stream in streams:
                stack.enter_context(stream)
                stream.sendall(nbd_raw.option(OPT_STRUCTURED, b""))
                self.assertEqual(reply_type(stream), nbd_raw.REPLY_ACK)
            with streams[0] as stream:
                # Both at once: the node sees neither before both are there.
                self.node.process.send_signal(signal.SIGSTOP)
                with socket.socket(fileno=os.dup(stream.fileno())) as below:
                    below.sendall(b"\x17\x03\x03\x01")
            self.node.process.send_signal(signal.SIGCONT)
            until("a client has gone", lambda: self.connection_count() == 2, NOTICED_SECONDS)

    def connection_count(self):
        """Of the node, those that it has not closed."""
        listed = subprocess.run(["ss", "-Htn", "state", "established", "state", "close-wait", "sport",
                                 "=", f":{self.port}"], text=True, stdout=subprocess.PIPE, timeout=60,
                                check=True)
        return len(listed.stdout.splitlines())

    def test_strangers_drive_away_nobody_who_is_trusted(self):
        with contextlib.ExitStack() as stack:
            local = stack.enter_context(socket.socket(socket.AF_UNIX))
            local.connect(self.local)
            nbd_raw.greet(local)
            proven = stack.enter_context(self.start_tls(stack.enter_context(self.connect())))
            oldest = stack.enter_context(self.connect())
            for _ in range(300):
                nbd_raw.greet(stack.enter_context(self.connect()))
            with contextlib.suppress(ConnectionError):
                while oldest.recv(4096):
                    pass
            for sock in (local, proven):
                sock.sendall(nbd_raw.option(OPT_STRUCTURED, b""))
                self.assertEqual(reply_type(sock), nbd_raw.REPLY_ACK)

    def test_half_open_connections_cost_little_and_keep_nobody_out(self):
        before = self.node.memory_bytes()
        with contextlib.ExitStack() as stack:
            for number in range(self.half_open):
                sock = stack.enter_context(self.connect())
                if number % 2:
                    with contextlib.suppress(ConnectionError):
                        sock.sendall(struct.pack(">I", 3) + nbd_raw.option(OPT_STARTTLS, b""))
            grown = self.node.memory_bytes() - before
            self.assertLess(grown, 64 << 20)
            self.assertLess(self.node.fd_count(), 600)
            self.assert_served()
        print(f"{self.half_open} half-open connections: {grown >> 10} KiB")


if __name__ == "__main__":
    unittest.main()
