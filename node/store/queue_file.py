"""
The file of the queue: whether it is still the one that was opened, and whether SQLite can read it.

A process that holds a deleted or replaced SQLite file open goes on writing into it, and nobody will ever read that.
So whoever keeps it open asks here, and the queue is rebuilt from the store (`node.service.housekeeping`).
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

QUEUE_FILE = "queue.sqlite"

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""Primary result codes (https://www.sqlite.org/rescode.html). A locked or unreadable file is not damaged."""

_BESIDE = ("", "-wal", "-shm")
"""What SQLite keeps beside a database has its name and one of these endings; they belong together."""

_TABLES = {"arrivals", "workflow_status"}
"""One of them is there at least: the receiver makes the first, the worker the second."""

Identity = tuple[int, int]
"""Device and inode: a file that replaces another one has another identity."""


def identity_of(folder: Path) -> Identity | None:
    """Give what tells the queue's file from another one of its name; None where there is none."""
    try:
        found = (folder / QUEUE_FILE).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def why_damaged(folder: Path, *, thorough: bool = False, in_use: bool = False) -> str:
    """
    Say in a few words what is wrong with the queue's file; "" where it is sound, or locked.

    Args:
        folder: the store's.
        thorough: read all pages (about a second for 500 MB), and not only the first ones.
        in_use: a worker or receiver has used it: it has tables.
    """
    address = f"file:{(folder / QUEUE_FILE).absolute()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if in_use:
                names = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
                if not names & _TABLES:
                    return "it was emptied"
            if thorough and (found := database.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
                return f"SQLite finds an error in it ({str(found[0]).splitlines()[-1]})"
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
            return f"SQLite says: {error}"
    return ""


def why_not_writable(folder: Path, *, seconds: float) -> str:
    """
    Say in a sentence why no image can be queued now; "" where one can. A transaction is begun, and nothing written.

    Args:
        folder: the store's.
        seconds: how long to wait for a lock.
    """
    address = f"file:{(folder / QUEUE_FILE).absolute()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=seconds, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        return f"the queue cannot be written ({error}): senders get A700; see who holds {QUEUE_FILE}, and its rights"
    return ""


def set_aside(folder: Path, *, now: datetime) -> Path:
    """
    Give the queue's files another name, queue.damaged-<time>, and give the new path of the first.

    A process that has them open notices it: SQLite deletes nothing beside a database that was renamed.

    Raises:
        OSError: the folder cannot be written.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = folder / f"queue.damaged-{stamp}"
    for ending in reversed(_BESIDE):  # the database last: while it has its name, another process waits for us
        path = folder / f"{QUEUE_FILE}{ending}"
        if path.exists():
            path.rename(folder / f"{target.name}{ending}")
    return target
