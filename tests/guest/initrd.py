"""The guest's first file system: a cpio archive in memory, without a compressor or a helper."""

import os
import subprocess

# What the guest has of this machine's /etc: where libraries and accounts are, and RDMA's drivers.
ETC = ["ld.so.cache", "passwd", "group", "nsswitch.conf", "alternatives", "libibverbs.d",
       "protocols", "services", "ssl/openssl.cnf"]


class Archive:
    def __init__(self):
        self._bytes = bytearray()
        self._folders = set()
        self._count = 0

    def add(self, path, content, mode=0o100644):
        """A file at the absolute `path`; a link when mode says so. Its folders come first."""
        folder = os.path.dirname(path)
        if folder not in ("", "/") and folder not in self._folders:
            self._folders.add(folder)
            self.add(folder, b"", 0o040755)
        self._entry(path.lstrip("/"), content, mode)

    def add_from_here(self, path):
        """The file, link or folder of this machine, at the same place; none: nothing."""
        if os.path.islink(path):
            self.add(path, os.readlink(path).encode(), 0o120777)
        elif os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                self.add_from_here(os.path.join(path, name))
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                self.add(path, file.read())

    def end(self):
        self._entry("TRAILER!!!", b"", 0)
        return bytes(self._bytes)

    def _entry(self, name, content, mode):
        self._count += 1
        raw = name.encode() + b"\0"
        fields = [self._count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0]
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self._pad()
        self._bytes += content
        self._pad()

    def _pad(self):
        self._bytes += b"\0" * (-len(self._bytes) % 4)


def make(here, kernel, project, workdir, command):
    """The archive with `init`, what it needs, and the command for bash."""
    archive = Archive()
    with open(os.path.join(here, "init"), "rb") as file:
        archive.add("/init", file.read(), 0o100755)
    with open("/usr/bin/busybox", "rb") as file:
        archive.add("/bin/busybox", file.read(), 0o100755)
    for name in ETC:
        archive.add_from_here(os.path.join("/etc", name))
    archive.add("/etc/hosts", b"127.0.0.1 localhost\n")
    names = []
    for path in _share_modules(kernel):
        names.append(os.path.basename(path))
        with open(path, "rb") as file:
            archive.add("/guest/modules.d/" + names[-1], file.read())
    archive.add("/guest/modules", ("\n".join(names) + "\n").encode())
    archive.add("/guest/project", (project + "\n").encode())
    archive.add("/guest/workdir", (workdir + "\n").encode())
    archive.add("/guest/command", command.encode())
    return archive.end()


def _share_modules(kernel):
    """The files that mounting a share takes, in the order of loading."""
    with open(os.path.join(kernel, "version"), encoding="utf-8") as file:
        version = file.read().strip()
    shown = subprocess.run(
        ["modprobe", "-d", os.path.join(kernel, "modules"), "-S", version, "--show-depends", "-a",
         "9p", "9pnet_virtio"], check=True, capture_output=True, text=True)
    paths = [line.split()[1] for line in shown.stdout.splitlines() if line.startswith("insmod")]
    return list(dict.fromkeys(paths))
