"""
Connections to the queue's database, for those who must have an answer in time.

A wait for a lock of SQLite ends within the caller's `node.time_limit`. Threads of one process write in turn: those
who wait for SQLite's lock look again and again, in no order.
"""

import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from node.time_limit import seconds_left
from sgseg_dicom.errors import StorageUnavailable

_NO_LIMIT_SECONDS = 30.0
"""Where the caller has no limit."""

_LOCKED = (
    "another process holds the lock of the queue's database for too long; see which one (lsof queue.sqlite)"
)


class Database:
    """
    The queue's file; safe to call from many threads.

    Args:
        file: exists; nothing is made here.
    """

    def __init__(self, file: Path) -> None:
        self._address = f"file:{quote(str(file.absolute()))}?mode=rw"
        self._idle: list[_Connection] = []
        self._turn = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        Give a connection in a transaction that changes nothing: all its statements see one state.

        Raises:
            StorageUnavailable: the database cannot be used, or is locked.
        """
        with self._transaction("BEGIN", end="ROLLBACK") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """
        Give a connection in a transaction, which is committed, and on disk, when the block ends without an error.

        Raises:
            StorageUnavailable: the database cannot be used, is locked, or the disk is full.
        """
        if not self._turn.acquire(timeout=_seconds()):
            raise StorageUnavailable(_LOCKED)
        try:
            with self._transaction("BEGIN IMMEDIATE", end="COMMIT") as connection:
                yield connection
        finally:
            self._turn.release()

    @contextmanager
    def _transaction(self, begin: str, *, end: str) -> Iterator[sqlite3.Connection]:
        with _named_errors():
            connection = self._taken() or self._connected()
            is_over = False
            try:
                connection.wait_at_most(_seconds())
                connection.execute(begin)
                yield connection
                execute_end(connection, end)
                is_over = True
            finally:
                if is_over:
                    self._idle.append(connection)
                else:
                    connection.close()  # which rolls back

    def close(self) -> None:
        """Close all connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _taken(self) -> "_Connection | None":
        with suppress(IndexError):  # there is none, or another thread was faster
            return self._idle.pop()
        return None

    def _connected(self) -> "_Connection":
        connection = sqlite3.connect(
            self._address, uri=True, isolation_level=None, check_same_thread=False, factory=_Connection
        )
        connection.wait_at_most(_seconds())
        connection.execute("PRAGMA synchronous=FULL")  # a commit is on disk when it returns
        connection.execute("PRAGMA foreign_keys=ON")
        return connection


class _Connection(sqlite3.Connection):
    """A connection that knows how long it waits for a lock."""

    _waits_seconds = -1.0

    def wait_at_most(self, seconds: float) -> None:
        """Wait so long for a lock, up to half a second more: a statement for each millisecond would cost as much."""
        rounded = math.ceil(seconds * 2) / 2
        if rounded != self._waits_seconds:
            self.execute(f"PRAGMA busy_timeout={int(rounded * 1000)}")
            self._waits_seconds = rounded


def execute_end(connection: sqlite3.Connection, end: str) -> None:
    """End a transaction; after a COMMIT, what it has written is on disk when this returns."""
    connection.execute(end)


def _seconds() -> float:
    return min(seconds_left(), _NO_LIMIT_SECONDS)


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turn errors of the database into StorageUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise StorageUnavailable(_LOCKED) from error
        raise StorageUnavailable(
            f"the queue's database cannot be used ({error}); check space and rights"
        ) from error
