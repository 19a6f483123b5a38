"""
The durable queue: workflows of DBOS on SQLite. The only module that knows dbos.

    receiver   Jobs.enqueue      one row, committed, keyed by the job's id: the same image twice is one job
    worker     Workflows         answer:  step answer (until it settles) -> step deliver, one a destination
                                 deliver: the same delivery again, later; a few at a time for each destination

A step never raises what it expects: it returns how it went, and that is recorded with it. A process that dies
leaves its workflows pending; the next worker starts them again behind the last recorded step.
"""

import fcntl
import itertools
import logging
import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import structlog
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from node.jobs import TRY_AGAIN, Delivery, Ending, Entry, Job, Outcome, Sent, instance_key
from sgseg_dicom.config import Deliver, Queue
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

APPLICATION = "sgseg-node"
SHAPE = "1"
"""
Version of the workflows' steps, not of the software: DBOS starts only what has the same one. What waits
survives an upgrade as long as this stays; it must change with the order or the meaning of the steps.
"""
_ANSWER, _DELIVER = "answer", "deliver"
_LOOK_SECONDS = 0.2
_DELIVERIES_AT_ONCE = 8
"""Deliveries to one destination that are being repeated; one that sleeps until its next attempt is among them."""
_UNFINISHED = ("ENQUEUED", "DELAYED", "PENDING")


class Work(Protocol):
    """What the worker does in the steps; nothing is raised."""

    def answer(self, job: Job, *, last: bool, deadly: bool) -> Outcome:
        """
        Process one image and keep its results.

        *last* says that no further attempt follows; *deadly* that the image must not be processed any more.
        """
        ...

    def deliver(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        """Send the kept results once; *first* says that another way follows if it fails."""
        ...


def prepare(folder: Path) -> str:
    """
    Make the database in the store's *folder*, or bring it up to date; give its URL.

    Raises:
        StorageUnavailable: the database cannot be made or opened.
    """
    file = folder / "queue.sqlite"
    url = f"sqlite:///{file.absolute()}"
    try:
        file.touch(mode=0o600)
        file.chmod(0o600)  # also one that an earlier version made
        # Receiver and worker start together, and a change of the journal mode does not wait for a lock.
        guard = folder / "queue.lock"
        guard.touch(mode=0o600)
        with open(guard, "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with sqlite3.connect(file, timeout=30) as database:
                # Remembered by the file. The receiver's inserts then do not wait for the worker's reads; with
                # SQLite's own synchronous=FULL every commit is still on disk when it returns.
                database.execute("PRAGMA journal_mode=WAL")
            database.close()
            DBOS.migrate(url)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise StorageUnavailable(f"{file} cannot be opened ({error}); check space and rights") from error
    return url


class Jobs:
    """The receiver's half, and what the status reads. Runs no workflow."""

    def __init__(self, url: str) -> None:
        self._client = DBOSClient(
            system_database_url=url,
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
        Queue a job that has settled once more; results that are kept are sent again as they are.

        To be called within `Store.changing`: a job in work must not be repeated.

        Raises:
            StorageUnavailable: disk full, database locked.
        """
        with _database():
            self._client.delete_workflow(job.id, delete_children=True)
            self._enqueue(job)

    def _enqueue(self, job: Job) -> None:
        self._client.enqueue(
            {
                "workflow_name": _ANSWER,
                "queue_name": _ANSWER,
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

    def ended_before(self, moment: str, *, limit: int = 5000) -> list[Entry]:
        """Give jobs that ended before *moment* (ISO 8601 with offset)."""
        return self._entries(completed_before=moment, limit=limit)

    def counts(self) -> dict[str, int]:
        """Count the jobs that wait and those in work, and the deliveries that wait for their destination."""
        rows, deliveries = self._unfinished(_ANSWER), self._unfinished(_DELIVER)
        working = sum(row.status == "PENDING" for row in rows)
        return {
            "waiting": len(rows) - working,
            "working": working,
            "deliveries waiting": len(deliveries),
        }

    def in_work_since(self, moment: float) -> int:
        """Count the jobs that are in work since before *moment* (POSIX time)."""
        begun = (row.dequeued_at for row in self._unfinished(_ANSWER) if row.status == "PENDING")
        return sum(at is not None and at < moment * 1000 for at in begun)

    def files(self) -> set[str]:
        """Give the files of all jobs, relative to the store's folder."""
        with _database():
            rows = self._client.list_workflows(name=_ANSWER, load_output=False)
        return {row.input["args"][0]["file"] for row in rows if row.input}

    def pending(self) -> dict[str, str]:
        """Give what counts as in work, answers and deliveries: id -> the queue it came from."""
        return {
            row.workflow_id: name
            for name in (_ANSWER, _DELIVER)
            for row in self._unfinished(name)
            if row.status == "PENDING"
        }

    def resume(self, workflow_id: str, queue_name: str) -> None:
        """Put what counts as in work, and is not, back into its queue."""
        with _database():
            self._client.resume_workflow(workflow_id, queue_name=queue_name)

    def forget(self, entry: Entry) -> None:
        """
        Delete what is known of a job that has ended.

        Raises:
            StorageUnavailable: disk full, database locked.
        """
        with _database():
            self._client.delete_workflow(entry.job.id, delete_children=True)

    def begun(self) -> list[str]:
        """Give the ids of unfinished jobs that a worker has begun; before the next one starts, all are its legacy."""
        return [row.workflow_id for row in self._unfinished(_ANSWER) if row.recovery_attempts]

    def deaths(self, job_id: str) -> int:
        """Count how often a worker died in the middle of a job that is in work; 0 where that cannot be known."""
        rows: list[Any] = []
        with suppress(SQLAlchemyError):
            rows = self._client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
        return sum((row.recovery_attempts or 1) - 1 for row in rows)

    def unfinished(self, job_ids: list[str]) -> list[str]:
        """Give those of the jobs that have not ended."""
        with _database():
            rows = self._client.list_workflows(
                workflow_ids=job_ids, status=list(_UNFINISHED), load_input=False, load_output=False
            )
        return [row.workflow_id for row in rows]

    def register(self, name: str, *, at_once: int, polling_seconds: float) -> None:
        """Say how many jobs of a queue may be in work; a worker that runs hears of it at its next look."""
        with _database():
            self._client.register_queue(
                name, worker_concurrency=at_once, polling_interval_sec=polling_seconds
            )

    def close(self) -> None:
        """Close the database."""
        self._client.destroy()

    def _unfinished(self, name: str) -> list[Any]:
        with _database():
            return self._client.list_workflows(
                name=name, status=list(_UNFINISHED), load_input=False, load_output=False
            )

    def _entries(self, **query: Any) -> list[Entry]:
        with _database():
            rows = self._client.list_workflows(name=_ANSWER, **query)
            later = self._later(row for row in rows if row.output)
        return [_entry(row, later) for row in rows]

    def _later(self, rows: Iterator[Any]) -> dict[str, Delivery]:
        """Give the deliveries that needed more than one attempt, by the id of their workflow."""
        waiting = [
            _delivery_id(row.workflow_id, delivery["destination"])
            for row in rows
            for delivery in row.output["deliveries"]
            if delivery["state"] == Sent.WAITING
        ]
        found = self._client.list_workflows(workflow_ids=waiting) if waiting else []
        return {
            row.workflow_id: Delivery.from_dict(row.output)
            if row.output
            else Delivery(
                destination=row.workflow_id.split("/", 1)[1], state=Sent.FAILED, detail=_death(row.status)
            )
            for row in found
            if row.status not in _UNFINISHED
        }


class Workflows:
    """The worker's half: takes jobs and runs their steps, several at a time. One in a process."""

    resume_seconds = 30.0

    def __init__(self, url: str, work: Work, *, queue: Queue, deliver: Deliver) -> None:
        self._queue = queue
        self._jobs = Jobs(url)
        self._stopped = threading.Event()
        self._running = Running()
        self._widening = threading.Thread(target=self._widen, daemon=True)
        self._resuming = threading.Thread(target=self._resume, daemon=True)
        self._begun: list[str] = []
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": url,
                "application_version": SHAPE,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": logging.getLevelName(logging.WARNING),
            }
        )
        _define(work, deaths=self._jobs.deaths, queue=queue, deliver=deliver, running=self._running)

    def launch(self) -> None:
        """
        Take up what a dead worker left, one at a time, then whatever comes.

        One of them may have killed it. DBOS counts how often each job was begun: were they begun together, the
        next death would count against all of them, and the innocent would be given up with the deadly one.
        """
        self._begun = self._jobs.begun()
        self._register(at_once=1 if self._begun else self._queue.jobs_at_once)
        DBOS.launch()
        # One destination that is down must not hold up another, nor a few objects that it chokes on the others.
        DBOS.register_queue(
            _DELIVER,
            partition_worker_concurrency=_DELIVERIES_AT_ONCE,
            polling_interval_sec=1.0,
            on_conflict="always_update",
        )
        self._widening.start()
        self._resuming.start()

    def stop(self, *, patience_seconds: int) -> None:
        """Take nothing new and give running steps some time; what is not done then, the next start does."""
        self._stopped.set()
        self._widening.join()
        self._resuming.join()
        DBOS.destroy(workflow_completion_timeout_sec=patience_seconds, destroy_registry=True)
        self._jobs.close()

    def _widen(self) -> None:
        """Let several jobs be in work once those that were begun before have settled."""
        while self._begun and not self._stopped.wait(_LOOK_SECONDS):
            with suppress(StorageUnavailable):  # the next look may go well
                unsettled = self._jobs.unfinished(self._begun)
                if not unsettled:
                    self._register(at_once=self._queue.jobs_at_once)
                self._begun = unsettled

    def _resume(self) -> None:
        """
        Take up again what counts as in work and is run by nobody.

        A full disk ends a workflow where it cannot write down a step, and DBOS looks for such only at its launch.
        """
        idle: set[str] = set()
        while not self._stopped.wait(self.resume_seconds):
            with suppress(StorageUnavailable):  # the next look may go well
                pending = self._jobs.pending()
                still = idle & (idle := pending.keys() - self._running.ids)
                for workflow_id in still:
                    self._jobs.resume(workflow_id, pending[workflow_id])
                    log.warning("resumed", workflow=workflow_id)

    def _register(self, *, at_once: int) -> None:
        self._jobs.register(_ANSWER, at_once=at_once, polling_seconds=self._queue.polling_seconds)


class Running:
    """The workflows that run in this process."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    @contextmanager
    def this(self) -> Iterator[None]:
        """Count the workflow of the caller among them."""
        workflow_id = DBOS.workflow_id or ""
        self.ids.add(workflow_id)
        try:
            yield
        finally:
            self.ids.discard(workflow_id)


@contextmanager
def _database() -> Iterator[None]:
    """Turn errors of the database into StorageUnavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StorageUnavailable(
            f"the queue's database cannot be used ({type(error).__name__}); check space and rights"
        ) from error


def _define(
    work: Work, *, deaths: Callable[[str], int], queue: Queue, deliver: Deliver, running: Running
) -> None:
    """
    Register the two workflows with DBOS.

    A job that DBOS gives up runs no more steps, so it could not say so to anyone. It is given up in its step
    instead, which answers without processing; DBOS gives up at one death more, where even that was deadly.
    """

    def answer_step(job: dict[str, Any], last: bool) -> dict[str, Any]:
        deadly = deaths(job["id"]) > queue.max_restarts
        return asdict(work.answer(Job(**job), last=last, deadly=deadly))

    def deliver_step(job_id: str, destination: str, first: bool) -> dict[str, Any]:
        return asdict(work.deliver(job_id, destination, first=first))

    @DBOS.workflow(name=_ANSWER, max_recovery_attempts=queue.max_restarts + 1)
    def answer(job: dict[str, Any]) -> dict[str, Any]:
        with running.this():
            return _answered(job, answer_step, deliver_step, queue)

    @DBOS.workflow(name=_DELIVER)
    def deliver_again(job_id: str, destination: str) -> dict[str, Any]:
        with running.this():
            return _delivered(job_id, destination, deliver_step, deliver)


def _answered(
    job: dict[str, Any],
    answer_step: Callable[..., dict[str, Any]],
    deliver_step: Callable[..., dict[str, Any]],
    queue: Queue,
) -> dict[str, Any]:
    """Answer one job, and deliver once to each destination."""
    for attempt, pause in enumerate(_pauses(queue.attempts, queue.retry_seconds, limit=60.0), start=1):
        last = attempt == queue.attempts
        outcome = Outcome.from_dict(DBOS.run_step({"name": _ANSWER}, answer_step, job, last))
        if not outcome.again:
            break
        DBOS.sleep(pause)
    deliveries = []
    for name in outcome.destinations if outcome.files else ():
        sent = DBOS.run_step({"name": _DELIVER}, deliver_step, job["id"], name, True)
        if sent["state"] == Sent.WAITING:
            _deliver_later(job["id"], name)
        deliveries.append(sent)
    return {"outcome": asdict(replace(outcome, again=False)), "deliveries": deliveries}


def _delivered(
    job_id: str, destination: str, deliver_step: Callable[..., dict[str, Any]], deliver: Deliver
) -> dict[str, Any]:
    """
    Deliver until it is taken, refused, or was tried in vain too often.

    An attempt counts only where the destination took something else since the one before: else it is down, which is
    no fault of these results, and they wait for it as long as it takes.
    """
    in_vain, before = 0, math.inf
    for attempt in itertools.count():
        sent = DBOS.run_step({"name": _DELIVER}, deliver_step, job_id, destination, False)
        if sent["state"] != Sent.WAITING:
            return sent
        in_vain += sent.get("taken_at", 0.0) > before  # a step that 0.1.0 recorded has none
        if in_vain >= deliver.attempts:
            break
        before = sent["at"]
        DBOS.sleep(min(deliver.backoff_seconds * 2.0 ** min(attempt, 30), deliver.backoff_limit_seconds))
    detail = f"given up after {in_vain} attempts, while other results were taken; {sent['detail']}"
    log.warning(Sent.FAILED.value, job=job_id, destination=destination, detail=detail)
    return {**sent, "state": Sent.FAILED, "detail": detail}


def _deliver_later(job_id: str, destination: str) -> None:
    DBOS.enqueue_workflow_with_options(
        {
            "workflow_name": _DELIVER,
            "queue_name": _DELIVER,
            "workflow_id": _delivery_id(job_id, destination),
            "queue_partition_key": destination,
            "app_version": SHAPE,
        },
        job_id,
        destination,
    )


def _pauses(attempts: int, first: float, *, limit: float) -> Iterator[float]:
    """Give the pause, in seconds, after each attempt: doubled up to *limit*; none after the last."""
    for attempt in range(attempts):
        yield 0.0 if attempt == attempts - 1 else min(first * 2.0**attempt, limit)


def _delivery_id(job_id: str, destination: str) -> str:
    return f"{job_id}/{destination}"


def _entry(row: Any, later: Mapping[str, Delivery]) -> Entry:
    """Turn a row of DBOS into a line of the status."""
    job = Job(**row.input["args"][0])
    if row.output:
        outcome = Outcome.from_dict(row.output["outcome"])
        sent = (Delivery.from_dict(delivery) for delivery in row.output["deliveries"])
        deliveries = tuple(later.get(_delivery_id(job.id, d.destination), d) for d in sent)
        return Entry(job=job, state=outcome.ending, outcome=outcome, deliveries=deliveries)
    if row.status in _UNFINISHED:
        return Entry(job=job, state="working" if row.status == "PENDING" else "waiting")
    outcome = Outcome(ending=Ending.FAILED, reason="abandoned", detail=_death(row.status))
    return Entry(job=job, state=outcome.ending, outcome=outcome)


def _death(status: str) -> str:
    if status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return f"the worker died in the middle of it again and again; {TRY_AGAIN}"
    return f"the workflow ended as {status}; {TRY_AGAIN}"
