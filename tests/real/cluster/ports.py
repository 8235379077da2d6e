"""Ports of loopback for what a test starts."""

import socket


def free_ports(count):
    """Ports that nobody uses now; bound together, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
