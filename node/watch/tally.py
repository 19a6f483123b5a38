"""Counts what happens in this process: in memory, so that nobody waits; a thread writes it down."""

import math
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from node.watch.counts import HOUR_SECONDS, KEPT_HOURS, Figure, Labels, add, class_of, read_counts

SECONDS = 2.0
"""How often it is written down. Who is killed loses what it has counted since then."""

OTHER = "other"
_MOST_NAMES = 50
"""
Different values of a label, for each figure. Those that come later are counted together as "other": a sender that
calls itself by another AE title each time must not fill the disk, or Prometheus.
"""


class Tally:
    """
    Adds to the numbers of `node.watch.counts`; safe to call from many threads.

    Args:
        folder: the store's.
        clock: POSIX time, in seconds.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._pending: dict[tuple[int, Figure, Labels], float] = defaultdict(float)
        self._names: dict[tuple[Figure, int], set[str]] = defaultdict(set)
        for figure, labels in read_counts(folder):
            for place, name in enumerate(labels):
                self._names[figure, place].add(name)

    def count(self, figure: Figure, *labels: str, number: float = 1.0) -> None:
        """Add to one figure."""
        hour = int(self._clock() // HOUR_SECONDS)
        with self._lock:
            known = tuple(self._known(figure, place, name) for place, name in enumerate(labels))
            for one in (0, hour):
                self._pending[one, figure, known] += number

    def time(self, figure: Figure, total: Figure, *labels: str, seconds: float) -> None:
        """
        Count a time into its class, and add it to the *total*.

        Where a clock was set back in the meantime, it is none.
        """
        if not math.isfinite(seconds) or seconds < 0:
            return
        self.count(figure, *labels, class_of(seconds))
        self.count(total, *labels, number=seconds)

    def write(self) -> None:
        """Write down what is new. Where the disk is full, the next call does it."""
        with self._lock:
            numbers, self._pending = self._pending, defaultdict(float)
        if not numbers:
            return
        is_written = False
        oldest = int(self._clock() // HOUR_SECONDS) - KEPT_HOURS
        with suppress(OSError, sqlite3.Error):
            add(self._folder, numbers, oldest_hour=oldest)
            is_written = True
        if not is_written:
            with self._lock:
                for key, number in numbers.items():
                    self._pending[key] += number

    def _known(self, figure: Figure, place: int, name: str) -> str:
        names = self._names[figure, place]
        if name in names or len(names) < _MOST_NAMES:
            names.add(name)
            return name
        return OTHER
