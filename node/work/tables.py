"""The tables of the workflows in the queue's database. Only the worker needs DBOS to make them."""

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from node.store.own_files import locked
from node.work.rows import TROUBLED, UNFINISHED
from sgseg_dicom.errors import StorageUnavailable

_INDEXES = (
    "CREATE INDEX IF NOT EXISTS sgseg_unfinished "
    f"ON workflow_status (name, status, created_at, workflow_uuid) WHERE {UNFINISHED}",
    f"CREATE INDEX IF NOT EXISTS sgseg_troubled ON workflow_output (workflow_uuid) WHERE {TROUBLED}",
)
"""What the status page counts, and what a person must look at, without a look at all other rows."""


def url_of(file: Path) -> str:
    """Give the address of the queue's database for DBOS."""
    return f"sqlite:///{file.absolute()}"


def make_tables(file: Path) -> None:
    """
    Make the tables of the workflows, or bring them up to date.

    Raises:
        StorageUnavailable: the database cannot be opened, or is locked.
    """
    try:
        with locked(file.parent / "queue.lock", fcntl.LOCK_EX):
            DBOS.migrate(url_of(file))
            with closing(sqlite3.connect(file, timeout=30)) as database, database:
                for index in _INDEXES:
                    database.execute(index)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise StorageUnavailable(f"{file} cannot be opened ({error}); check space and rights") from error
