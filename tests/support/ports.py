"""TCP ports for servers that a test starts a moment later."""

import random
import socket
from contextlib import suppress

# The kernel gives outgoing connections ports from 32768 on (ip_local_port_range): one of these may be taken by any
# process before its server listens, and was (2026-11-26: the page of a node, and six tests with it).
_PORTS = range(12_000, 32_000)
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Give ports on which nobody listens, each once in a process."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.choice(_PORTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("", port)):
        return True
    return False
