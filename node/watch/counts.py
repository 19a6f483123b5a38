"""
Numbers that only grow, in `<store>/counts.sqlite`: what came in, how it ended, where it went, how long it took.

Receiver and worker add to them, and the page, Prometheus and reports read them. They outlive the processes, and
images that are deleted. Each number stands there twice: since the store began (hour 0), and for each hour of a month.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from node.store.own_files import make_own

FILE = "counts.sqlite"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Upper bounds of the classes into which times are counted, in seconds. They are stored: never change one."""

KEPT_HOURS = 31 * 24
HOUR_SECONDS = 3600
_LOCKED_SECONDS = 2.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS counts (hour INTEGER, figure TEXT, labels TEXT, number REAL NOT NULL, "
    "PRIMARY KEY (hour, figure, labels)) WITHOUT ROWID"
)
_ADD = (
    "INSERT INTO counts VALUES (?, ?, ?, ?) "
    "ON CONFLICT (hour, figure, labels) DO UPDATE SET number = number + excluded.number"
)


class Figure(StrEnum):
    """What is counted, with its labels. The names are stored: never change one."""

    RECEIVED = "received"  # AE title of the sender; "new", "known" or "conflicting"
    REFUSED = "refused"  # "image" or "association"; why
    RESULTS = "results"  # how the image ended; AE title of its sender
    NOT_JUDGED = "not judged"  # why
    DELIVERIES = "deliveries"  # destination; how the delivery ended
    STAGE = "stage"  # stage; upper bound of the class, "inf" for the last one
    STAGE_SECONDS = "stage seconds"  # stage: all times together
    ANSWER = "answer"  # upper bound of the class: from the image's last byte to its results on disk
    ANSWER_SECONDS = "answer seconds"  # all times together


Labels = tuple[str, ...]
Counted = Mapping[tuple[Figure, Labels], float]
"""By figure and labels."""

Hourly = Mapping[tuple[int, Figure, Labels], float]
"""By the hour (POSIX time / 3600; 0: since the store began), figure and labels."""


def class_of(seconds: float) -> str:
    """Give the label of the class to which a time belongs."""
    return next((f"{bound:g}" for bound in BUCKETS if seconds <= bound), "inf")


def add(folder: Path, numbers: Hourly, *, oldest_hour: int) -> None:
    """
    Add numbers, and forget the hours before *oldest_hour*. A file that is damaged is begun anew.

    Args:
        folder: the store's.
        numbers: what happened since the last time.
        oldest_hour: POSIX time / 3600.

    Raises:
        OSError, sqlite3.Error: the disk is full or read-only, or the file is locked.
    """
    try:
        _add(folder, numbers, oldest_hour)
    except sqlite3.OperationalError:  # locked or full
        raise
    except sqlite3.DatabaseError:  # damaged: nothing but these numbers is lost
        for ending in ("", "-wal", "-shm"):
            (folder / f"{FILE}{ending}").unlink(missing_ok=True)
        _add(folder, numbers, oldest_hour)


def _add(folder: Path, numbers: Hourly, oldest_hour: int) -> None:
    make_own(folder / FILE)
    with _opened(folder) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(
            "PRAGMA synchronous=NORMAL"
        )  # a power cut takes the last seconds, and damages nothing
        database.execute(_TABLE)
        rows = [(hour, figure, json.dumps(labels), n) for (hour, figure, labels), n in numbers.items()]
        database.executemany(_ADD, rows)
        database.execute("DELETE FROM counts WHERE hour > 0 AND hour < ?", (oldest_hour,))


def read_counts(folder: Path) -> Counted:
    """Give all numbers since the store began; nothing where they cannot be read."""
    return {(figure, labels): number for _, figure, labels, number in _read(folder, "hour = 0")}


def read_hours(folder: Path, *, since: int, figure: Figure) -> Hourly:
    """Give the numbers of one figure for each hour from *since* (POSIX time / 3600) on."""
    rows = _read(folder, "hour >= ? AND hour > 0 AND figure = ?", since, figure)
    return {(hour, found, labels): number for hour, found, labels, number in rows}


def _read(folder: Path, condition: str, *values: int | str) -> Iterator[tuple[int, Figure, Labels, float]]:
    rows: list[tuple[int, str, str, float]] = []
    # Not there yet, or locked.
    with suppress(OSError, sqlite3.Error), _opened(folder) as database:
        rows = database.execute(
            f"SELECT hour, figure, labels, number FROM counts WHERE {condition}", values
        ).fetchall()
    known = set(Figure)
    for hour, figure, labels, number in rows:
        if figure in known:  # a later version may count more
            yield hour, Figure(figure), tuple(json.loads(labels)), number


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    address = f"file:{(folder / FILE).absolute()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=_LOCKED_SECONDS)) as database:
        yield database
