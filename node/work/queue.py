"""
The durable queue: a database of DBOS on SQLite. This module adds jobs and reads how they ended. It runs none.

    receiver   Jobs.enqueue           one committed row, whose key is the job's id: the same image twice is one job
    worker     node.work.workflows    runs the jobs
"""

import fcntl
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from node.jobs import TRY_AGAIN, Delivery, Ending, Entry, Job, Outcome, Sent, instance_key
from node.store.own_files import locked, make_own
from node.store.queue_file import QUEUE_FILE, set_aside, why_damaged
from node.store.store import open_store
from sgseg_dicom.config import Config
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

APPLICATION = "sgseg-node"
SHAPE = "2"
"""
Version of the workflows' steps, not of the software. DBOS runs only jobs that have the same version. Jobs that wait
during an upgrade are done after it as long as this stays; it must change with the order or the meaning of the steps.
`node.work.take_over` begins those of an earlier shape anew: in shape 1 the job itself made the first attempt at each
destination.
"""
ANSWER, DELIVER = "answer", "deliver"
"""Names of the workflows, and of the queue of each. They are stored in the database: never change them."""
UNFINISHED = ("ENQUEUED", "DELAYED", "PENDING")
"""States of DBOS."""
_WAITING = "waiting"
"""Name of the attribute of a delivery's workflow that says how its last attempt ended. It is stored."""
_AT_ONCE = 5000
"""SQLite takes at most 32766 values in one statement."""


def prepare(folder: Path, *, thorough: bool = False) -> str:
    """
    Make the database in the store's *folder*, or bring it up to date; give its URL.

    A damaged one is set aside, and a new one is made. The worker then adopts every image that has no job in it.

    Args:
        folder: the store's.
        thorough: read the whole file to find damage.

    Raises:
        StorageUnavailable: the database cannot be made or opened.
    """
    file = folder / QUEUE_FILE
    url = f"sqlite:///{file.absolute()}"
    try:
        # Receiver and worker start together, and SQLite does not wait for a lock to change the journal mode.
        with locked(folder / "queue.lock", fcntl.LOCK_EX):
            _replace_damaged(folder, thorough=thorough)
            make_own(file)
            with sqlite3.connect(file, timeout=30) as database:
                # Stored in the file. The inserts of the receiver then do not wait for the reads of the worker; with
                # SQLite's default synchronous=FULL a commit is still on disk when it returns.
                database.execute("PRAGMA journal_mode=WAL")
            database.close()
            DBOS.migrate(url)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise StorageUnavailable(f"{file} cannot be opened ({error}); check space and rights") from error
    return url


def _replace_damaged(folder: Path, *, thorough: bool) -> None:
    """Set a damaged database aside, and say so; say also where there is none though there are images."""
    cure = "it is rebuilt from the store: every image has its answer, and results go out again as they are"
    has_images = any(folder.glob("instances/*/*.dcm"))
    if not (folder / QUEUE_FILE).exists():
        if has_images:
            log.error("queue_missing", detail=f"{QUEUE_FILE} was deleted; {cure}")
    elif (folder / QUEUE_FILE).is_symlink():
        pass  # `make_own` refuses it
    elif why := why_damaged(folder, thorough=thorough, in_use=has_images):
        moved = set_aside(folder, now=datetime.now(UTC))
        log.error("queue_damaged", detail=f"{QUEUE_FILE} was damaged ({why}); {cure}", kept_as=moved.name)


class Jobs:
    """
    The jobs in the queue, for the receiver, the status and the commands. It runs no workflow.

    Args:
        url: of the database.
        engine: reaches it in another way than DBOS does by itself (`node.work.bounded_jobs`).
    """

    def __init__(self, url: str, *, engine: Engine | None = None) -> None:
        self._engine = engine
        self._client = DBOSClient(
            system_database_url=url,
            system_database_engine=engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )

    def enqueue(self, job: Job) -> None:
        """
        Queue *job*; committed when this returns. A job that is already known stays as it is.

        Raises:
            StorageUnavailable: disk full, database locked.
        """
        with _database():
            self._enqueue(job)

    def again(self, job: Job) -> None:
        """
        Queue a settled job once more. Stored results are sent again as they are.

        Call it within `Store.changing`: a job in work must not be repeated.

        Raises:
            StorageUnavailable: disk full, database locked.
        """
        with _database():
            self._client.delete_workflow(job.id, delete_children=True)
            self._enqueue(job)

    def _enqueue(self, job: Job) -> None:
        self._client.enqueue(
            {
                "workflow_name": ANSWER,
                "queue_name": ANSWER,
                "workflow_id": job.id,
                "app_version": SHAPE,
            },
            asdict(job),
        )

    def latest(self, limit: int) -> list[Entry]:
        """Give the last *limit* jobs, the newest first."""
        return self._entries(limit=limit, sort_desc=True)

    def get(self, job_id: str) -> Entry | None:
        """Give one job; None where it is not known."""
        return next(iter(self._entries(workflow_ids=[job_id])), None)

    def of(self, sop_instance_uid: str) -> list[Entry]:
        """Give the jobs of one image: one for each content that came under its SOP Instance UID."""
        return self._entries(workflow_id_prefix=f"{instance_key(sop_instance_uid)}-")

    def all(self) -> list[Entry]:
        """Give every job that is still known."""
        return self._entries()

    def ended_before(self, moment: str) -> Iterator[Entry]:
        """
        Give the jobs that ended before *moment* (ISO 8601 with offset), the oldest first.

        They are read a few thousand at a time. The caller may delete those that it has got.
        """
        with _database():
            rows = self._client.list_workflows(
                name=ANSWER, completed_before=moment, load_input=False, load_output=False
            )
        ids = [row.workflow_id for row in rows]
        for start in range(0, len(ids), _AT_ONCE):
            yield from self._entries(workflow_ids=ids[start : start + _AT_ONCE])

    def ended_since(self, moment: str) -> list[Entry]:
        """Give the jobs that ended after *moment* (ISO 8601 with offset), or one of whose deliveries did."""
        ids: dict[str, None] = {}
        for name in (ANSWER, DELIVER):
            with _database():
                rows = self._client.list_workflows(
                    name=name, completed_after=moment, load_input=False, load_output=False
                )
            ids |= dict.fromkeys(row.workflow_id.split("/", 1)[0] for row in rows)
        return self._entries(workflow_ids=list(ids)) if ids else []

    def received_since(self, moment: str) -> list[Entry]:
        """Give the jobs that were queued after *moment* (ISO 8601 with offset)."""
        return self._entries(start_time=moment)

    def counts(self) -> dict[str, int]:
        """Count the jobs that wait and those in work, and the deliveries that wait for their destination."""
        rows, deliveries = self._unfinished(ANSWER), self._unfinished(DELIVER)
        working = sum(row.status == "PENDING" for row in rows)
        return {
            "waiting": len(rows) - working,
            "working": working,
            "deliveries waiting": len(deliveries),
        }

    def in_work_since(self, moment: float) -> int:
        """Count the jobs that are in work since before *moment* (POSIX time)."""
        begun = (row.dequeued_at for row in self._unfinished(ANSWER) if row.status == "PENDING")
        return sum(at is not None and at < moment * 1000 for at in begun)

    def files(self) -> set[str]:
        """Give the files of all jobs, relative to the store's folder."""
        with _database():
            rows = self._client.list_workflows(name=ANSWER, load_output=False)
        return {row.input["args"][0]["file"] for row in rows if row.input}

    def pending(self) -> dict[str, str | None]:
        """
        Give the jobs and deliveries that the database lists as in work: id -> name of the queue.

        A delivery that began at once never was in a queue: None.
        """
        return {
            row.workflow_id: row.queue_name
            for name in (ANSWER, DELIVER)
            for row in self._unfinished(name, states=("PENDING",))
        }

    def resume(self, workflow_id: str, queue_name: str | None) -> None:
        """Put a job or delivery back into its queue: the database lists it as in work, but nothing runs it."""
        with _database():
            self._client.resume_workflow(workflow_id, queue_name=queue_name)

    def note_waiting(self, workflow_id: str, sent: Delivery) -> None:
        """
        Write down why a delivery waits, for the status.

        Raises:
            StorageUnavailable: disk full, database locked.
        """
        with _database():
            self._client.update_workflow_attributes(workflow_id, {_WAITING: asdict(sent)})

    def forget(self, entry: Entry) -> None:
        """
        Delete the record of a job that has ended.

        Raises:
            StorageUnavailable: disk full, database locked.
        """
        with _database():
            self._client.delete_workflow(entry.job.id, delete_children=True)

    def register(self, name: str, *, at_once: int, polling_seconds: float) -> None:
        """Set how many jobs of a queue may be in work; a running worker notices it at its next poll."""
        with _database():
            self._client.register_queue(
                name, worker_concurrency=at_once, polling_interval_sec=polling_seconds
            )

    def close(self) -> None:
        """Close the database."""
        self._client.destroy()
        if self._engine is not None:  # DBOS leaves it open
            self._engine.dispose()

    def _unfinished(self, name: str, *, states: tuple[str, ...] = UNFINISHED) -> list[Any]:
        with _database():
            return self._client.list_workflows(
                name=name, status=list(states), load_input=False, load_output=False
            )

    def _entries(self, **query: Any) -> list[Entry]:
        with _database():
            rows = self._client.list_workflows(name=ANSWER, **query)
            later = self._later(row for row in rows if row.output)
        return [_entry(row, later) for row in rows]

    def _later(self, rows: Iterator[Any]) -> dict[str, Delivery]:
        """Give how the deliveries stand that the job itself has begun and not ended, by the id of their workflow."""
        begun = [
            delivery_id(row.workflow_id, delivery["destination"])
            for row in rows
            for delivery in row.output["deliveries"]
            if delivery["state"] == Sent.WAITING
        ]
        found: list[Any] = []
        for start in range(0, len(begun), _AT_ONCE):
            found += self._client.list_workflows(
                workflow_ids=begun[start : start + _AT_ONCE], load_input=False
            )
        return {row.workflow_id: sent for row in found if (sent := _delivery(row))}


def open_jobs(config: Config) -> Jobs:
    """
    Open the queue in the store that *config* names, and make both where they do not exist.

    Raises:
        StorageUnavailable: the store or the database cannot be made or opened.
    """
    return Jobs(prepare(open_store(config).folder))


@contextmanager
def _database() -> Iterator[None]:
    """Turn errors of the database into StorageUnavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StorageUnavailable(
            f"the queue's database cannot be used ({type(error).__name__}); check space and rights"
        ) from error


def delivery_id(job_id: str, destination: str) -> str:
    """Give the id of the workflow that repeats the delivery of a job's results to a destination."""
    return f"{job_id}/{destination}"


def _entry(row: Any, later: Mapping[str, Delivery]) -> Entry:
    """Turn a row of DBOS into an entry of the status."""
    job = Job(**row.input["args"][0])
    if row.output:
        outcome = Outcome.from_dict(row.output["outcome"])
        sent = (Delivery.from_dict(delivery) for delivery in row.output["deliveries"])
        deliveries = tuple(later.get(delivery_id(job.id, d.destination), d) for d in sent)
        return Entry(job=job, state=outcome.ending, outcome=outcome, deliveries=deliveries)
    if row.status in UNFINISHED:
        return Entry(job=job, state="working" if row.status == "PENDING" else "waiting")
    outcome = Outcome(ending=Ending.FAILED, reason="abandoned", detail=_death(row.status))
    return Entry(job=job, state=outcome.ending, outcome=outcome)


def _delivery(row: Any) -> Delivery | None:
    """Turn a row of DBOS into how the delivery stands; None where it was not tried yet."""
    if row.output:
        return Delivery.from_dict(row.output)
    if row.status in UNFINISHED:
        waiting = (row.attributes or {}).get(_WAITING)
        return Delivery.from_dict(waiting) if waiting else None
    destination = row.workflow_id.split("/", 1)[1]
    return Delivery(destination=destination, state=Sent.FAILED, detail=_death(row.status))


def _death(status: str) -> str:
    """Describe a workflow that DBOS has ended."""
    if status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return f"the worker died several times while it processed this image; {TRY_AGAIN}"
    return f"the workflow ended as {status}; {TRY_AGAIN}"
