"""Certificates that varve makes, and worse ones that openssl makes, for tests in Python."""

import pathlib
import ssl
import subprocess

from cluster import BIN


def run(*words):
    done = subprocess.run([str(word) for word in words], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 0, f"{words}: exit {done.returncode}: {done.stdout}"
    return done.stdout


class Pki:
    """The authority of one cluster in a folder, and a folder for each identity."""

    def __init__(self, folder, cluster="lab"):
        self.folder, self.cluster = pathlib.Path(folder), cluster
        self.authority = self.folder / "authority"
        run(BIN / "varve", "cert", "init", "--cluster", cluster, "--dir", self.authority)

    def issue(self, role, name, *options):
        out = self.folder / f"{role}-{name}"
        run(BIN / "varve", "cert", "issue", role, name, "--ca", self.authority, "--out", out, *options)
        return out

    def forge(self, name, alternative_name, days=10):
        """Signed by the authority, but not one that varve cert would make."""
        out = self.folder / name
        out.mkdir()
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
            out / "node-key.pem")
        run("openssl", "req", "-new", "-key", out / "node-key.pem", "-subj", f"/CN={name}", "-out",
            out / "request")
        (out / "extensions").write_text(f"subjectAltName={alternative_name}\n")
        run("openssl", "x509", "-req", "-in", out / "request", "-CA", self.authority / "ca-cert.pem",
            "-CAkey", self.authority / "ca-key.pem", "-CAcreateserial", "-days", days, "-extfile",
            out / "extensions", "-out", out / "node-cert.pem")
        return out

    def section(self, folder):
        return (f'[tls]\nca_file = "{folder}/ca-cert.pem"\ncert_file = "{folder}/node-cert.pem"\n'
                f'key_file = "{folder}/node-key.pem"\n')

    def secrets(self):
        """Lines that only private keys have."""
        return {line for key in self.folder.rglob("*-key.pem")
                for line in key.read_text().splitlines() if not line.startswith("-----")}


def client_context(folder=None, role="node", version=ssl.TLSVersion.TLSv1_3):
    """Of a client that believes everybody, so that only the server refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if folder:
        context.load_cert_chain(folder / f"{role}-cert.pem", folder / f"{role}-key.pem")
    return context
