"""NBD by hand, for clients that behave badly. Numbers and names are the protocol's."""

import socket
import struct

IHAVEOPT = 0x49484156454F5054
OPT_GO = 7
REPLY_ACK = 1
REQUEST_MAGIC = 0x25609513
CMD_READ, CMD_WRITE = 0, 1


def connect(path, timeout=10):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(path)
    return sock


def receive(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError("the server closed the connection")
        data += part
    return data


def option(number, data):
    return struct.pack(">QII", IHAVEOPT, number, len(data)) + data


def go(volume):
    name = volume.encode()
    return option(OPT_GO, struct.pack(">I", len(name)) + name + struct.pack(">H", 0))


def greet(sock):
    """The first exchange: fixed newstyle, no zeroes."""
    receive(sock, 18)
    sock.sendall(struct.pack(">I", 3))


def open_volume(path, volume):
    """A connection that is ready for requests."""
    sock = connect(path)
    greet(sock)
    sock.sendall(go(volume))
    while True:
        _, _, kind, length = struct.unpack(">QIII", receive(sock, 20))
        receive(sock, length)
        if kind == REPLY_ACK:
            return sock
        assert kind < 1 << 31, f"refused with {kind:#x}"


def request(command, cookie, offset, length):
    return struct.pack(">IHHQQI", REQUEST_MAGIC, 0, command, cookie, offset, length)


def closed_by_server(sock):
    """Waits until the server has closed; False when it has not within the socket's timeout."""
    try:
        while sock.recv(1 << 20):
            pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False
