"""
A network of their own for the peers of a test.

Debian's Orthanc ignores HttpBindAddresses and listens on 0.0.0.0. So Orthanc, DCMTK and the node run in a
network namespace that has nothing but its own loopback: nothing can be reached from outside. `ip netns`
needs root; a user namespace beside it (`unshare --user`) needs no right on most systems.

Where a container forbids both, they run in the network of the machine. Orthanc's own settings, which stand in
either case, then refuse what is not 127.0.0.1 (tests/system/orthanc.py); only its ports are open.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_HOLD = "ip link set lo up && echo up && exec cat"  # cat ends with us: its standard input does


class Network:
    """Where commands run: *enter* goes before each of them."""

    def __init__(self, enter: Sequence[str] = ()) -> None:
        self._enter = [*enter]

    def command(self, *command: object) -> list[str]:
        """Give the arguments that run a command here; the process becomes the command's own."""
        return [*self._enter, *map(str, command)]

    def start(self, *command: object, **options: Any) -> subprocess.Popen[str]:
        """Start a command; the process id is the command's own."""
        return subprocess.Popen(self.command(*command), text=True, **options)

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        arguments = self.command(*command)
        return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def own_network() -> Iterator[Network]:
    """Give a network that nobody else sees, or the machine's where none may be made."""
    unshare = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", _HOLD]
    with subprocess.Popen(
        unshare, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as holder:
        made = holder.stdout is not None and holder.stdout.readline() == "up\n"
        enter = ["nsenter", "--target", str(holder.pid), "--user", "--net", "--preserve-credentials"]
        yield Network(enter if made else ())
