"""What an earlier version of the workflows or of the queue left unfinished is done under the same ids."""

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from node.work import arrivals, rows
from node.work.queue import SHAPE
from node.work.rows import ANSWER, DELIVER, STATES
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)


def take_over(database: Path) -> int:
    """
    Give the unfinished workflows of earlier shapes the shape of now, and count them.

    Their recorded steps mean something else now, so they are deleted: the workflows begin anew. A job whose results
    are kept sends these bytes again, and a delivery that has a row of its own goes on. How often a worker died during
    a job stays known. All are changed together or none. DBOS has no call for this, so it is done in its tables.

    Call it while nothing runs workflows.

    Raises:
        StorageUnavailable: disk full, database locked.
    """
    names, states = (ANSWER, DELIVER), STATES
    chosen = f"application_version <> ? AND name IN ({_marks(names)}) AND status IN ({_marks(states)})"
    values = (SHAPE, *names, *states)
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            connection.execute(
                "DELETE FROM operation_outputs WHERE workflow_uuid IN "
                f"(SELECT workflow_uuid FROM workflow_status WHERE {chosen})",
                values,
            )
            changed = connection.execute(
                "UPDATE workflow_status SET status = 'ENQUEUED', application_version = ?, owner_xid = NULL, "
                f"started_at_epoch_ms = NULL WHERE {chosen}",
                (SHAPE, *values),
            ).rowcount
    except sqlite3.Error as error:
        raise StorageUnavailable(
            f"{database} cannot be brought up to date ({error}); check space and rights"
        ) from error
    if changed:
        log.info("taken_over", workflows=changed)
    return changed


def make_arrivals(database: Path) -> int:
    """
    Make arrivals of the images that wait in the queue of DBOS, as version 0.3.0 left them, and count them.

    Those that had begun stay workflows, and are continued. Arrivals that are workflows already, which a crash leaves,
    are deleted. All are changed together or none.

    Call it while nothing runs workflows.

    Raises:
        StorageUnavailable: disk full, database locked.
    """
    waiting = (
        f"s.queue_name = '{ANSWER}' AND s.status = 'ENQUEUED' "
        "AND NOT EXISTS (SELECT 1 FROM operation_outputs WHERE workflow_uuid = s.workflow_uuid)"
    )
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            connection.execute(
                "DELETE FROM arrivals WHERE job IN (SELECT workflow_uuid FROM workflow_status)"
            )
            moved = [entry.job for entry in rows.entries(connection, f"{waiting} ORDER BY {rows.ORDER}")]
            connection.executemany(
                "DELETE FROM workflow_input WHERE workflow_uuid = ?", [(job.id,) for job in moved]
            )
            connection.executemany(
                "DELETE FROM workflow_status WHERE workflow_uuid = ?", [(job.id,) for job in moved]
            )
            for job in moved:
                arrivals.arrive(connection, job)
            # DBOS continues what is in no queue at its launch. Nobody looks into this queue any more.
            connection.execute(
                "UPDATE workflow_status SET status = 'PENDING', queue_name = NULL, executor_id = 'local' "
                f"WHERE queue_name = '{ANSWER}' AND {rows.UNFINISHED}"
            )
            connection.execute("DELETE FROM queues WHERE name = ?", (ANSWER,))
    except sqlite3.Error as error:
        raise StorageUnavailable(
            f"{database} cannot be brought up to date ({error}); check space and rights"
        ) from error
    if moved:
        log.info("moved", arrivals=len(moved))
    return len(moved)


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))
