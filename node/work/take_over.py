"""What an earlier shape of the workflows left unfinished is begun anew, under the same ids."""

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from node.work.queue import ANSWER, DELIVER, SHAPE, UNFINISHED
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
    names, states = (ANSWER, DELIVER), UNFINISHED
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


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))
