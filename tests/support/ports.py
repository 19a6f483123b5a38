"""TCP ports for servers that a test starts a moment later."""

import os
import random
import socket
from contextlib import suppress

# The kernel gives outgoing connections ports from 32768 on (ip_local_port_range): one of these may be taken by any
# process before its server listens, and was (2026-11-26: the page of a node, and six tests with it).
_FIRST, _END = 12_000, 32_000
_given: set[int] = set()
_random = random.SystemRandom()  # no seed of a test makes two workers choose alike


def free_ports(count: int) -> list[int]:
    """Give ports on which nobody listens, each once in a test run: every worker of pytest-xdist has its own."""
    own = _ports_of(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))
    ports: list[int] = []
    while len(ports) < count:
        port = _random.choice(own)
        if port not in _given and _is_free(port):
            _given.add(port)
            ports.append(port)
    return ports


def _ports_of(worker: str) -> range:
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return range(_FIRST + int(worker.removeprefix("gw")) % workers, _END, workers)


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("", port)):
        return True
    return False
