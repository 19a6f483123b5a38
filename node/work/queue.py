"""
The durable queue: an SQLite database. This module adds jobs and reads how they ended. It runs none and needs no DBOS.

    receiver   Jobs.enqueue           one committed row among the arrivals; the same image twice is one job
    worker     node.work.intake       makes a workflow of each arrival, in the order in which they came
               node.work.workflows    runs the workflows
"""

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from node.jobs import Delivery, Entry, Job, instance_key
from node.store.own_files import locked, make_own
from node.store.queue_file import QUEUE_FILE, set_aside, why_damaged
from node.store.store import open_store
from node.work import arrivals, measurements, rows
from node.work.arrivals import has_workflows
from node.work.database import Database
from node.work.notices import notify
from node.work.rows import ANSWER, DELIVER, ORDER, TROUBLED, UNFINISHED
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
_DEAD = "status IN ('ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')"
_AT_ONCE = 5000
"""Jobs that are in memory together where all of them are gone through."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """
    What waits, and since when.

    Attributes:
        oldest: POSIX time at which the oldest image without an answer was received; 0 where none waits.
        deliveries: by destination, how many results wait for it, and the POSIX time since which the oldest does.
    """

    oldest: float = 0.0
    deliveries: Mapping[str, tuple[int, float]] = field(default_factory=dict)


def prepare(folder: Path, *, thorough: bool = False) -> Path:
    """
    Make the database in the store's *folder*; give its file. The tables of the workflows are made by the worker.

    A damaged one is set aside, and a new one is made. The worker then adopts every image that has no job in it.

    Args:
        folder: the store's.
        thorough: read the whole file to find damage.

    Raises:
        StorageUnavailable: the database cannot be made or opened.
    """
    file = folder / QUEUE_FILE
    try:
        # Receiver and worker start together, and SQLite does not wait for a lock to change the journal mode.
        with locked(folder / "queue.lock", fcntl.LOCK_EX):
            _replace_damaged(folder, thorough=thorough)
            make_own(file)
            with sqlite3.connect(file, timeout=30) as database:
                # Stored in the file. The inserts of the receiver then do not wait for the reads of the worker; with
                # synchronous=FULL a commit is still on disk when it returns.
                database.execute("PRAGMA journal_mode=WAL")
                arrivals.make(database)
                measurements.make(database)
            database.close()
    except (OSError, sqlite3.Error) as error:
        raise StorageUnavailable(f"{file} cannot be opened ({error}); check space and rights") from error
    return file


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
    The jobs in the queue; safe to call from many threads. No method waits longer than the caller's `node.time_limit`.

    A job stands among the arrivals or is a workflow. Each method raises StorageUnavailable where the disk is full, or
    the database is locked, damaged or gone.

    Args:
        file: the database (`prepare`).
    """

    def __init__(self, file: Path) -> None:
        self.folder = file.parent
        self._database = Database(file)

    @property
    def is_prepared(self) -> bool:
        """False where this version, or a later one, has not yet used the database."""
        with self._database.reading() as database:
            return arrivals.is_there(database) and measurements.is_there(database)

    def enqueue(self, job: Job) -> bool:
        """Queue *job*; committed when this returns. False: it is already known, and stays as it is."""
        with self._database.writing() as database:
            is_new = arrivals.arrive(database, job)
        if is_new:
            notify(self.folder)
        return is_new

    def again(self, job: Job) -> None:
        """
        Queue a settled job once more. Stored results are sent again as they are.

        Call it within `Store.changing`: a job in work must not be repeated.
        """
        with self._database.writing() as database:
            _delete(database, job.id)
            arrivals.arrive(database, job)
        notify(self.folder)

    def forget(self, entry: Entry) -> None:
        """Delete the record of a job that has ended."""
        with self._database.writing() as database:
            _delete(database, entry.job.id)

    def forget_measurements(self, sop_instance_uid: str) -> None:
        """Delete what was measured on an image, so that no later film is compared with it."""
        with self._database.writing() as database:
            measurements.forget_image(database, sop_instance_uid)

    def arrived(self, limit: int) -> list[Job]:
        """Give the first *limit* arrivals, for the worker."""
        with self._database.reading() as database:
            return [one.job for one in arrivals.waiting(database, f"{arrivals.IN_TURN} LIMIT ?", limit)]

    def taken(self, job_ids: Iterable[str]) -> None:
        """Delete arrivals that are workflows now."""
        with self._database.writing() as database:
            arrivals.delete_taken(database, job_ids)

    def latest(self, limit: int) -> list[Entry]:
        """Give the last *limit* jobs, the newest first."""
        with self._database.reading() as database:
            waiting = arrivals.waiting(database, "ORDER BY number DESC LIMIT ?", limit)
            newest = "1 ORDER BY s.created_at DESC, s.rowid DESC LIMIT ?"
            return [*waiting, *_begun(database, newest, limit - len(waiting))]

    def get(self, job_id: str) -> Entry | None:
        """Give one job; None where it is not known."""
        with self._database.reading() as database:
            waiting = arrivals.waiting(database, "AND job = ?", job_id)
            found = waiting or _begun(database, "s.workflow_uuid = ?", job_id)
        return found[0] if found else None

    def of(self, sop_instance_uid: str) -> list[Entry]:
        """Give the jobs of one image: one for each content that came under its SOP Instance UID."""
        key = instance_key(sop_instance_uid)
        bounds = (f"{key}-", f"{key}.")  # "." follows "-"
        condition = f"s.workflow_uuid >= ? AND s.workflow_uuid < ? ORDER BY {ORDER}"
        with self._database.reading() as database:
            waiting = arrivals.waiting(database, "AND job >= ? AND job < ? ORDER BY number", *bounds)
            return [*_begun(database, condition, *bounds), *waiting]

    def all(self) -> list[Entry]:
        """Give every job that is still known."""
        with self._database.reading() as database:
            begun = _begun(database, f"1 ORDER BY {ORDER}")
            return [*begun, *arrivals.waiting(database, "ORDER BY number")]

    def ended_before(self, moment: str) -> Iterator[Entry]:
        """
        Give the jobs that ended before *moment* (ISO 8601 with offset), the oldest first.

        They are read a few thousand at a time. The caller may delete those that it has got.
        """
        ended = "s.name = ? AND s.completed_at <= ? ORDER BY s.created_at, s.rowid"
        ids = self._ids(ended, ANSWER, _milliseconds(moment))
        for start in range(0, len(ids), _AT_ONCE):
            yield from self.with_ids(ids[start : start + _AT_ONCE])

    def ended_since(self, moment: str) -> list[Entry]:
        """Give the jobs that ended after *moment* (ISO 8601 with offset), or one of whose deliveries did."""
        return self.with_ids(self._ids("s.completed_at >= ?", _milliseconds(moment)))

    def received_since(self, moment: str) -> list[Entry]:
        """Give the jobs that became workflows after *moment* (ISO 8601 with offset), and those that wait for it."""
        with self._database.reading() as database:
            begun = _begun(database, f"s.created_at >= ? ORDER BY {ORDER}", _milliseconds(moment))
            return [*begun, *arrivals.waiting(database, "ORDER BY number")]

    def troubled(self) -> list[Entry]:
        """Give all jobs that failed or are quarantined, or one of whose deliveries failed; and perhaps others."""
        with self._database.reading() as database:
            if not has_workflows(database):
                return []
            failed = database.execute(f"SELECT workflow_uuid FROM workflow_output WHERE {TROUBLED}")
            ids = [*(row[0] for row in failed), *rows.ids(database, _DEAD)]
        return self.with_ids(ids)

    def unsettled(self, limit: int, *, received_before: float) -> list[Entry]:
        """Give the newest *limit* jobs, received until a POSIX time, of which something has not ended."""
        with self._database.reading() as database:
            late = "AND received_at <= ? ORDER BY number DESC LIMIT ?"
            found = arrivals.waiting(database, late, received_before, limit)
        ids = self._ids(f"s.name IN (?, ?) AND {UNFINISHED} ORDER BY s.created_at DESC", ANSWER, DELIVER)
        for start in range(0, len(ids), limit):
            if len(found) >= limit:
                break
            begun = self.with_ids(ids[start : start + limit])
            found += [one for one in begun if one.job.received_at <= received_before and not one.settled]
        return found[:limit]

    def counts(self) -> dict[str, int]:
        """Count the jobs that wait and those in work, and the deliveries that wait for their destination."""
        with self._database.reading() as database:
            arrived = arrivals.count(database)
            begun = working = deliveries = 0
            if has_workflows(database):
                begun, deliveries = rows.count(database, ANSWER), rows.count(database, DELIVER)
                working = rows.count(database, ANSWER, "AND status = 'PENDING'")
        return {
            "waiting": arrived + begun - working,
            "working": working,
            "deliveries waiting": deliveries,
        }

    def waiting(self) -> Waiting:
        """Give how long images wait for their answer, and results for their destinations."""
        with self._database.reading() as database:
            first = arrivals.waiting(database, "ORDER BY number LIMIT 1")
            received, deliveries = [entry.job.received_at for entry in first], dict[str, tuple[int, float]]()
            if has_workflows(database):
                received.append(rows.oldest_unanswered(database))
                deliveries = rows.waiting_deliveries(database)
        return Waiting(oldest=min(filter(None, received), default=0.0), deliveries=deliveries)

    def in_work_since(self, moment: float) -> int:
        """Count the jobs that are in work since before *moment* (POSIX time)."""
        # DBOS notes when it took a workflow from a queue; where it never was in one, the row was last changed then.
        begun = "coalesce(started_at_epoch_ms, updated_at) < ?"
        return len(
            self._ids(f"name = ? AND {UNFINISHED} AND status = 'PENDING' AND {begun}", ANSWER, moment * 1000)
        )

    def files(self) -> set[str]:
        """Give the files of all jobs, relative to the store's folder."""
        with self._database.reading() as database:
            files = {file for (file,) in database.execute("SELECT file FROM arrivals")}
            if has_workflows(database):
                files |= {job.file for job in rows.jobs(database)}
        return files

    def interrupted(self) -> set[str]:
        """Give the ids of the workflows that have not ended and wait in no queue. For the worker, before it works."""
        return set(
            self._ids(f"name IN (?, ?) AND {UNFINISHED} AND queue_name IS NOT ?", ANSWER, DELIVER, DELIVER)
        )

    def in_work(self) -> dict[str, str | None]:
        """
        Give the workflows that the database lists as in work: id -> name of its queue of DBOS.

        One that began at once never was in a queue: None.
        """
        with self._database.reading() as database:
            found = database.execute(
                f"SELECT workflow_uuid, queue_name FROM workflow_status WHERE {UNFINISHED} "
                "AND status = 'PENDING' AND name IN (?, ?)",
                (ANSWER, DELIVER),
            )
            return dict(found.fetchall())

    def note_waiting(self, workflow_id: str, sent: Delivery) -> None:
        """Write down why a delivery waits, for the status."""
        with self._database.writing() as database:
            database.execute(
                "UPDATE workflow_status SET attributes = json_set(CASE json_type(attributes) WHEN 'object' "
                f"THEN attributes ELSE '{{}}' END, '$.{rows.WAITING}', json(?)) WHERE workflow_uuid = ?",
                (json.dumps(asdict(sent)), workflow_id),
            )

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _ids(self, condition: str, *values: Any) -> list[str]:
        with self._database.reading() as database:
            return rows.ids(database, condition, *values) if has_workflows(database) else []

    def with_ids(self, workflow_ids: Sequence[str]) -> list[Entry]:
        """Give the jobs with these ids that have begun, each once; the id of a delivery names its job."""
        ids = list(dict.fromkeys(workflow_id.split("/", 1)[0] for workflow_id in workflow_ids))
        with self._database.reading() as database:
            return rows.entries_of(database, ids) if has_workflows(database) else []


def open_jobs(config: Config) -> Jobs:
    """
    Open the queue in the store that *config* names, and make both where they do not exist.

    Raises:
        StorageUnavailable: the store or the database cannot be made or opened.
    """
    return Jobs(prepare(open_store(config).folder))


def look_into_jobs(config: Config) -> Jobs:
    """
    Open the queue of a store that a node uses, or has used, without a look at all of it.

    Raises:
        StorageUnavailable: the database cannot be opened.
    """
    jobs = Jobs(config.store.folder / QUEUE_FILE)
    if jobs.is_prepared:
        return jobs
    jobs.close()
    return open_jobs(config)


def _begun(database: sqlite3.Connection, condition: str, *values: Any) -> list[Entry]:
    """Give the jobs that are workflows."""
    return rows.entries(database, condition, *values) if has_workflows(database) else []


def _delete(database: sqlite3.Connection, job_id: str) -> None:
    database.execute("DELETE FROM arrivals WHERE job = ?", (job_id,))
    measurements.forget_decision(database, job_id)
    if has_workflows(database):
        rows.delete(database, job_id)


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
