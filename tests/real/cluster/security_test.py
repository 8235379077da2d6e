#!/usr/bin/python3
"""Who may talk to a node with certificates, and who may not: each kind of stranger on each port, nodes
that are not who they say, certificates that are replaced under load, many half-open connections, and
keys that stand nowhere. Over IPv6."""

import argparse
import contextlib
import pathlib
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

from cluster import BIN, Cluster, until
from moving_client import Stamp
from pki import Pki, client_context

HOST = "::1"
PATIENCE_SECONDS = 10
CONTROL_SECONDS = 1  # how long a good client stays connected


def port_of(node):
    return int(node.address.rsplit(":", 1)[1])


def listening_ports(node):
    """TCP ports that the process has open, as the kernel says."""
    listed = subprocess.run(["ss", "-Hltnp"], text=True, stdout=subprocess.PIPE, timeout=60, check=True)
    return [int(line.split()[3].rsplit(":", 1)[1]) for line in listed.stdout.splitlines()
            if f"pid={node.process.pid}," in line]


def talks(port, context=None, first=b"", seconds=PATIENCE_SECONDS):
    """Whether the server keeps the connection, or answers, after `first`; else it has ended it."""
    with socket.create_connection((HOST, port), timeout=seconds) as plain:
        try:
            stream = context.wrap_socket(plain) if context else plain
            stream.sendall(first)
            return stream.recv(4096) != b""
        except TimeoutError:
            return True
        except (ssl.SSLError, ConnectionError, BrokenPipeError):
            return False


def new_lines(node, seen):
    return node.log()[seen:]


def refused(node, why, context=None, first=b"hello"):
    seen = len(node.log())
    assert not talks(port_of(node), context, first), f"accepted: {why}"
    until(f"the log says: {why}", lambda: why in new_lines(node, seen), PATIENCE_SECONDS)


def strangers_are_refused(cluster, pki):
    node = cluster.nodes[0]
    good = client_context(pki.folder / "node-n2")
    assert talks(port_of(node), good, seconds=CONTROL_SECONDS), "a good certificate is refused"
    refused(node, "does not speak TLS 1.3", first=b"VRVT" + bytes(12))
    refused(node, "does not speak TLS 1.3", first=b"GET / HTTP/1.1\r\n\r\n")
    refused(node, "shows no certificate", client_context())
    refused(node, "does not speak TLS 1.3",
            client_context(pki.folder / "node-n2", version=ssl.TLSVersion.TLSv1_2))
    for role in ("client", "admin"):
        refused(node, f"that of {role} x of cluster lab, and here it must be that of a node",
                client_context(pki.issue(role, "x"), role))
    elsewhere = Pki(pki.folder / "elsewhere")
    refused(node, "its certificate is not good", client_context(elsewhere.issue("node", "n2")))
    for name, alternative, why in (
            ("other", "URI:varve://other/node/n2", "of cluster other, this node's of cluster lab"),
            ("nameless", "DNS:n2", "has no varve:// name"),
            ("two", "URI:varve://lab/node/n2,URI:varve://lab/node/n3", "has several names"),
            ("odd", "URI:varve://lab/node/../n2", "has a varve:// name that is none")):
        refused(node, why, client_context(pki.forge(name, alternative)))
    expired = pki.forge("expired", "URI:varve://lab/node/n2", days=0)
    until("the certificate has expired", lambda: subprocess.run(
        ["openssl", "x509", "-checkend", "0", "-noout", "-in", expired / "node-cert.pem"],
        stdout=subprocess.DEVNULL, check=False).returncode == 1)
    refused(node, "certificate has expired", client_context(expired))


def no_port_is_open_to_strangers(cluster):
    for node in cluster.nodes:
        ports = listening_ports(node)
        assert port_of(node) in ports, f"{ports}"
        for port in ports:
            for first in (b"", b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"):
                assert not talks(port, client_context(), first), f"port {port}: no certificate"
            assert not talks(port, first=b"GET /v1/status HTTP/1.1\r\n\r\n"), f"port {port}: plain"


def wrong_names_do_not_start(cluster, pki):
    """A daemon with the certificate of somebody else says so, and ends."""
    node = cluster.nodes[0]
    config = pathlib.Path(node.config).read_text()
    for folder, why in ((pki.folder / "node-n2", "that of node n2 of cluster lab, this is node n1"),
                        (pki.folder / "absent", "No such file")):
        wrong = pathlib.Path(node.work, "wrong.toml")
        wrong.write_text(config.replace(str(pki.folder / "node-n1"), str(folder)))
        done = subprocess.run([BIN / "varved", "--config", wrong, "--check"], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 2 and why in done.stdout, done.stdout


def certificate_in(folder):
    return ssl.PEM_cert_to_DER_cert((folder / "node-cert.pem").read_text())


def certificate_shown(node, pki):
    with socket.create_connection((HOST, port_of(node)), timeout=PATIENCE_SECONDS) as plain:
        with client_context(pki.folder / "node-n1").wrap_socket(plain) as stream:
            return stream.getpeercert(binary_form=True)


def certificates_of_others_are_not_taken(cluster, pki):
    """Node n2 whose files become those of n3 goes on as n2, and says so."""
    second = cluster.nodes[1]
    own = pki.folder / "node-n2"
    backup = shutil.copytree(own, pki.folder / "node-n2.true")
    seen = len(second.log())
    for name in ("node-key.pem", "node-cert.pem"):
        shutil.copy(pki.folder / "node-n3" / name, own / f"{name}.new")
        (own / f"{name}.new").replace(own / name)

    def said():
        assert certificate_shown(second, pki) == certificate_in(backup), "it shows that of another"
        return "is that of node n3 of cluster lab, and this is node n2" in new_lines(second, seen)
    until("it says whose they are", said)
    for name in ("node-key.pem", "node-cert.pem"):
        (backup / name).replace(own / name)
    shutil.rmtree(backup)
    cluster.await_healthy()


def other_transports_prove_nothing(cluster, pki):
    """With [tls], one that cannot tell who a peer is is refused before it listens."""
    node = cluster.nodes[0]
    config = pathlib.Path(node.config).read_text()
    wrong = pathlib.Path(node.work, "wrong.toml")
    other = BIN.parent / "examples/libexample_unix_transport.so"
    wrong.write_text(config.replace('use = "tcp"', f'use = "{other}"'))
    done = subprocess.run([BIN / "varved", "--config", wrong, "--check"], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 2 and "cannot prove who a peer is" in done.stdout, done.stdout


def certificates_are_replaced(cluster, pki, stamp, rounds):
    """Under load, each of them seen in use; no operation fails, or stamp ends with an error."""
    seen = [len(node.log()) for node in cluster.nodes]
    for number in range(rounds):
        node = cluster.nodes[number % 3]
        folder = pki.issue("node", f"n{number % 3 + 1}", "--force")
        wanted = certificate_in(folder)
        until("the new certificate is shown",
              lambda n=node, w=wanted: certificate_shown(n, pki) == w)
        stamp.await_more(200)
    for node, start in zip(cluster.nodes, seen):
        assert "cannot be used" not in new_lines(node, start), node.log()[-2000:]


def half_open_connections(cluster, stamp, count):
    """Cost little, and keep nobody out: a node that restarts meanwhile gets its connections."""
    node, _, third = cluster.nodes
    third.kill()
    with contextlib.ExitStack() as stack:
        before = node.memory_bytes()
        for number in range(count):
            peer = stack.enter_context(socket.create_connection((HOST, port_of(node))))
            if number % 2:
                peer.sendall(b"\x16\x03\x01\x02\x00\x01")
        grown = node.memory_bytes() - before
        assert grown < 64 << 20, f"{count} half-open connections take {grown} bytes"
        assert node.fd_count() < 1024, f"{node.fd_count()} descriptors"
        third.launch()
        cluster.await_ready(third)
        stamp.await_more(200)
        cluster.await_healthy()
    print(f"{count} half-open connections: {grown >> 10} KiB")


def secrets_are_nowhere(cluster, pki):
    secrets = pki.secrets()
    assert len(secrets) >= 10, secrets
    for node in cluster.nodes:
        metrics = subprocess.run(
            ["curl", "-sS", "--fail", "--unix-socket", node.admin_socket, "http://localhost/metrics"],
            text=True, stdout=subprocess.PIPE, timeout=60, check=True).stdout
        words = pathlib.Path(f"/proc/{node.process.pid}/cmdline").read_bytes().decode()
        environment = pathlib.Path(f"/proc/{node.process.pid}/environ").read_bytes().decode()
        for where in (node.log(), metrics, words, environment, node.must("-o", "json", "status")):
            assert not any(secret in where for secret in secrets), "a key is where it does not belong"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rotations", type=int, default=12)
    parser.add_argument("--half-open", type=int, default=10_000)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    half_open = min(arguments.half_open, hard - 500)
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="varve.", dir="/var/tmp"))
        pki = Pki(pathlib.Path(work))
        folders = [pki.issue("node", f"n{number}", "--host", HOST) for number in (1, 2, 3)]
        cluster = stack.enter_context(
            Cluster(host=HOST, more=lambda number: (pki.section(folders[number - 1]), "")))
        cluster.make()
        cluster.nodes[0].must("volume", "create", "data", "--size", "16MiB", "--copies", "3")
        cluster.await_healthy()
        strangers_are_refused(cluster, pki)
        no_port_is_open_to_strangers(cluster)
        wrong_names_do_not_start(cluster, pki)
        other_transports_prove_nothing(cluster, pki)
        certificates_of_others_are_not_taken(cluster, pki)
        stamp = stack.enter_context(Stamp(cluster, "data"))
        stamp.lead_to(cluster.nodes[0])
        stamp.start()
        certificates_are_replaced(cluster, pki, stamp, arguments.rotations)
        half_open_connections(cluster, stamp, half_open)
        stamp.end()
        stamp.verify()
        secrets_are_nowhere(cluster, pki)
        cluster.stop()
    print(f"certificates: {arguments.rotations} replaced under load")


if __name__ == "__main__":
    sys.exit(main())
