"""Ports for what a test starts."""

import socket


def free_ports(count, host="127.0.0.1"):
    """Ports of `host` that nobody uses now; bound together, so that they differ."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sockets = [socket.socket(family) for _ in range(count)]
    for one in sockets:
        one.bind((host, 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
