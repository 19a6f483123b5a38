"""
The queue for somebody who must have an answer in time.

DBOS waits 30 s for a lock of SQLite, in one of five connections, and then begins again, for ever (`db_retry`): right
for a job that is in work, wrong where a sender waits for an answer. Here a lock that is not free in time is an error
that DBOS does not know, and so does not repeat.
"""

import threading
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from node.jobs import Job
from node.time_limit import seconds_left
from node.work.queue import Jobs
from sgseg_dicom.errors import StorageUnavailable

_KEPT_CONNECTIONS = 4
_NO_LIMIT_SECONDS = 30.0
"""Where the caller has no limit; what DBOS waits itself."""

# Not in SQLite's words: by "database is locked" DBOS would know it, and begin again.
_LOCKED = (
    "another process holds the lock of the queue's database for too long; see which one (lsof queue.sqlite)"
)


class BoundedJobs(Jobs):
    """
    Jobs whose methods wait for a lock of the database within the caller's `node.time_limit`.

    They raise StorageUnavailable when it is over.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, engine=_engine(url))
        self._turn = threading.Lock()

    def enqueue(self, job: Job) -> None:
        """
        Queue *job* as `Jobs.enqueue` does, one thread after the other.

        SQLite lets one write at a time, and those that wait look again and again, in no order.
        """
        if not self._turn.acquire(timeout=min(seconds_left(), _NO_LIMIT_SECONDS)):
            raise StorageUnavailable(_LOCKED)
        try:
            super().enqueue(job)
        finally:
            self._turn.release()


def _engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=_KEPT_CONNECTIONS, max_overflow=-1)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "before_cursor_execute", _limit_the_wait)
    event.listen(engine, "handle_error", _name_the_lock)
    return engine


def _set_up(connection: Any, _record: Any) -> None:
    """Set what DBOS sets: writers wait at the beginning of a transaction, never in its middle."""
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA foreign_keys=ON")


def _limit_the_wait(_connection: Any, cursor: Any, *_: Any) -> None:
    milliseconds = int(min(seconds_left(), _NO_LIMIT_SECONDS) * 1000)
    cursor.connection.execute(f"PRAGMA busy_timeout={milliseconds}")


def _name_the_lock(context: ExceptionContext) -> None:
    if "locked" in str(context.original_exception):
        raise StorageUnavailable(_LOCKED) from context.original_exception
