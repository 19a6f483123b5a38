"""The worker's sign of life: a file in which it writes the time every second. A stopped process writes none."""

import contextlib
import os
import time
from pathlib import Path

from node.store.own_files import open_own

FILE = "worker.alive"
SECONDS = 1.0
"""How often the worker writes."""

LATE_SECONDS = 5.0
"""A worker that has written nothing for so long does not work."""


class Heartbeat:
    """
    Writes the signs of this process. A full disk is no error here: another check finds it.

    Args:
        folder: the store's.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._file = open_own(folder / FILE)

    def beat(self) -> None:
        """Write the time since the machine started: no clock that is set counts. Always the same bytes' places."""
        with contextlib.suppress(OSError):
            os.pwrite(self._file, f"{time.monotonic():020.6f}".encode(), 0)


def silence_of(folder: Path) -> float:
    """Give the seconds since the worker's last sign; infinite where there is none since the machine started."""
    try:
        seconds = time.monotonic() - float((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return float("inf")
    return seconds if seconds >= 0 else float("inf")
