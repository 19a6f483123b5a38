"""
Jobs that are queued and that no workflow runs yet: one row each, of a table of ours in the queue's database.

The receiver writes a row, in one commit. The worker makes a workflow of it, and deletes the row. A crash between the
two leaves both: then the workflow counts.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from node.jobs import Entry, Job

_TABLE = """
CREATE TABLE IF NOT EXISTS arrivals (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL UNIQUE,
    sop_instance_uid TEXT NOT NULL,
    file TEXT NOT NULL,
    conflicting INTEGER NOT NULL,
    peer TEXT NOT NULL,
    received_at REAL NOT NULL,
    places INTEGER NOT NULL DEFAULT 0
)
"""
_COUNTED_BY = "CREATE INDEX IF NOT EXISTS arrivals_counted_by ON arrivals (conflicting)"
"""SQLite counts by the pages of the smallest index: 100,000 rows in a tenth of a millisecond, and not in four."""
_TURNS = "CREATE INDEX IF NOT EXISTS arrivals_in_turn ON arrivals (number + places, number)"
IN_TURN = "ORDER BY number + places, number"
"""
The order in which arrivals become workflows: as they came, but for priority.

By numbers and not by times: a clock may be set back. No number is used twice: an urgent image that took the number of
one before it would stand before all others, again and again.
"""
_ARRIVE = (
    "INSERT INTO arrivals (job, sop_instance_uid, file, conflicting, peer, received_at, places) "
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE {unknown} "
    "ON CONFLICT (job) DO NOTHING"
)
_SELECT = "SELECT job, sop_instance_uid, file, conflicting, peer, received_at, places FROM arrivals a"
_WORKFLOW = "(SELECT 1 FROM workflow_status WHERE workflow_uuid = {job})"
_MOST_TAKEN = 256
"""[queue] jobs_at_once can be no larger."""


def has_workflows(database: sqlite3.Connection) -> bool:
    """Report whether a worker has made the tables of the workflows (`node.work.tables`)."""
    found = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'workflow_output'").fetchone()
    return found is not None


def is_there(database: sqlite3.Connection) -> bool:
    """Report whether the table is there."""
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'arrivals'").fetchone() is not None


def make(database: sqlite3.Connection) -> None:
    """Make the table where it is not there yet."""
    database.execute(_TABLE)
    database.execute(_COUNTED_BY)
    database.execute(_TURNS)


def arrive(database: sqlite3.Connection, job: Job) -> bool:
    """Add an arrival where the job is not known yet; report whether it was not."""
    statement = _ARRIVE.format(unknown=_is_unknown(database, "?1"))
    values = (job.id, job.sop_instance_uid, job.file, job.conflicting, job.peer, job.received_at, job.places)
    return database.execute(statement, values).rowcount == 1


def waiting(database: sqlite3.Connection, more: str, *values: Any) -> list[Entry]:
    """Give the arrivals that are no workflows yet; *more* is SQL behind the condition for that."""
    rows = database.execute(f"{_SELECT} WHERE {_is_unknown(database, 'a.job')} {more}", values)
    return [Entry(job=_job(row), state="waiting") for row in rows]


def count(database: sqlite3.Connection) -> int:
    """Count the arrivals that are no workflows yet."""
    (found,) = database.execute(
        "SELECT count(*) FROM arrivals"
    ).fetchone()  # SQLite counts pages, and no rows
    if not has_workflows(database):
        return int(found)
    # The few that a crash left as both are among those that come first.
    first = f"SELECT job FROM arrivals {IN_TURN} LIMIT {_MOST_TAKEN}"
    both = f"SELECT count(*) FROM ({first}) a WHERE EXISTS {_WORKFLOW.format(job='a.job')}"
    return int(found - database.execute(both).fetchone()[0])


def delete_taken(database: sqlite3.Connection, job_ids: Iterable[str]) -> None:
    """
    Delete arrivals that are workflows now.

    One whose workflow is gone again stays: it ended, was deleted, and came or was queued once more in the meantime.
    """
    statement = f"DELETE FROM arrivals WHERE job = ? AND EXISTS {_WORKFLOW.format(job='job')}"
    database.executemany(statement, [(job_id,) for job_id in job_ids])


def _is_unknown(database: sqlite3.Connection, job: str) -> str:
    return f"NOT EXISTS {_WORKFLOW.format(job=job)}" if has_workflows(database) else "1"


def _job(row: Sequence[Any]) -> Job:
    job, uid, file, conflicting, peer, received_at, places = row
    return Job(
        id=job,
        sop_instance_uid=uid,
        file=file,
        conflicting=bool(conflicting),
        peer=peer,
        received_at=received_at,
        places=places,
    )
