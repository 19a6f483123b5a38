"""What the receiver counts, in a file for other processes: the status page shows it."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from node.store.own_files import write_own

FILE = "receiver.json"
SECONDS = 2.0
"""How old the numbers in it are at most."""


class Figures:
    """
    Writes numbers when they have changed. They begin anew with each receiver.

    Args:
        folder: the store's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._written: Mapping[str, int] | None = None

    def write(self, numbers: Mapping[str, int]) -> None:
        """Replace what was written. A full disk is no error here: nothing depends on the numbers."""
        if numbers == self._written:
            return
        unfinished = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            write_own(unfinished, json.dumps(numbers).encode())
            unfinished.replace(self._path)
            self._written = dict(numbers)


def read_figures(folder: Path) -> Mapping[str, int]:
    """Give what was written last; nothing where it cannot be read."""
    try:
        numbers = json.loads((folder / FILE).read_text("utf-8"))
        return {str(kind): int(count) for kind, count in numbers.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
