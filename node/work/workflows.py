"""
What the worker runs: workflows of DBOS. Each step is recorded in the queue's database (`node.work.queue`).

    intake     an arrival -> an "answer", as soon as there is room for it

    answer     step "answer" until the image has settled -> begins a "deliver" for each destination, and ends
    deliver    step "deliver" until the destination has taken or refused the results

Each delivery is a workflow of its own, so a destination never waits for another one. It begins at once where its
destination has room. Else it waits as a row of the queue, where each destination has a partition of its own.

A step does not raise an expected error: it returns how it ended, and that is recorded. A process that dies leaves its
workflows pending. The next worker continues them after the last recorded step.

A step pauses by itself before it tries again. `DBOS.sleep` would store the moment of its end, and a clock that is set
back would hold it for as long.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import structlog
from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from node.failures import PROCESS_ENDS
from node.jobs import Delivery, Job, Outcome, Sent
from node.work.intake import Intake
from node.work.notices import Notices, notify
from node.work.queue import APPLICATION, SHAPE, Jobs
from node.work.quiet_dbos import Interrupted, look_seldom
from node.work.rows import ANSWER, DELIVER, delivery_id
from node.work.running import Running
from node.work.tables import url_of
from sgseg_dicom.config import Queue
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

_ALWAYS = 1_000_000
"""
Deaths of the worker after which DBOS gives up a workflow. An image cannot kill the worker (`node.judge`), so a death
says nothing about the images that were in work.
"""
_BEGUN_AT_ONCE = 32
"""Deliveries to one destination that run: below this number a further one begins at once, without the queue."""
_REPEATED_AT_ONCE = 256
"""
Deliveries to one destination that are taken from the queue, including those that pause until their next attempt.

Objects on which a destination fails pause most of the time, and the deliveries behind them must not wait for that.
Each is a thread. Those behind them cost a row of the database and nothing else, however many they are.
"""
_LOOK_SECONDS = 5.0
"""How often the queue of deliveries is looked at."""


class Work(Protocol):
    """What the worker does with an image. It raises no expected error."""

    def answer(self, job: Job, *, last: bool) -> Outcome:
        """Process one image and store its results. *last*: no further attempt follows."""
        ...


class Delivering(Protocol):
    """What the worker does with a delivery. It raises no expected error."""

    def why_down(self, destination: str) -> str:
        """Give the reason why a destination is down; "" where it is not known to be down."""
        ...

    def begin(self, job_id: str, destination: str) -> None:
        """Make the first attempt now; `deliver` gives how it ended."""
        ...

    def deliver(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        """Try once to send the stored results."""
        ...

    def pause(self, job_id: str, destination: str, *, failures: int, tries: int) -> None:
        """Wait before the next attempt."""
        ...

    def end(self, job_id: str, sent: Delivery) -> None:
        """Forget a delivery that is not tried any more."""
        ...


class Workflows:
    """
    Takes jobs from the queue and runs their steps, several at a time. A process has one of it.

    Args:
        file: the queue's database, with the tables of the workflows.
        work: judges.
        delivering: sends.
        queue: how many images at once, and patience with them.
        attempts: at a delivery, while the destination takes others.
    """

    resume_seconds = 30.0

    def __init__(
        self, file: Path, work: Work, delivering: Delivering, *, queue: Queue, attempts: int
    ) -> None:
        self._jobs = Jobs(file)
        self._stopped = threading.Event()
        self._running = Running(at_once=queue.jobs_at_once, on_room=lambda: notify(file.parent))
        self._resuming = threading.Thread(target=self._resume, daemon=True)
        look_seldom()
        dbos = DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": url_of(file),
                "application_version": SHAPE,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": logging.getLevelName(logging.WARNING),
            }
        )
        self._interrupted = Interrupted(dbos)
        begin = _define_deliver(delivering, self._jobs, attempts=attempts, running=self._running)
        start = _define_answer(work, delivering, begin, queue=queue, running=self._running)
        self._notices = Notices(file.parent)
        self._intake = Intake(
            self._jobs,
            self._notices,
            room=self._running.room,
            start=start,
            look_seconds=queue.polling_seconds,
        )

    def launch(self) -> None:
        """Continue the jobs that an earlier worker left, and take others."""
        self._running.expect(self._jobs.interrupted(), then=self._interrupted.rest)
        DBOS.launch()
        # A destination that is down must not delay another one, and objects on which it fails must not delay others.
        DBOS.register_queue(
            DELIVER,
            partition_worker_concurrency=_REPEATED_AT_ONCE,
            polling_interval_sec=_LOOK_SECONDS,
            on_conflict="always_update",
        )
        self._resuming.start()
        self._intake.launch()

    @property
    def takes_images(self) -> bool:
        """False where nothing takes images from the queue any more, through a defect."""
        return self._intake.lives

    def stop(self, *, patience_seconds: int) -> None:
        """Take no new job and give running steps some time. The next start continues what is not done by then."""
        self._stopped.set()
        self._intake.stop()
        notify(self._jobs.folder)
        self._intake.join()
        self._resuming.join()
        DBOS.destroy(workflow_completion_timeout_sec=patience_seconds, destroy_registry=True)
        self._notices.close()
        self._jobs.close()

    def _resume(self) -> None:
        """
        Continue workflows that the database lists as in work, but that nothing runs.

        A full disk ends a workflow when a step cannot be recorded. DBOS looks for such workflows only at its launch.
        """
        idle: set[str] = set()
        while not self._stopped.wait(self.resume_seconds):
            self._interrupted.rest()
            with suppress(StorageUnavailable):  # the next look may succeed
                in_work = self._jobs.in_work()
                still = idle & (idle := in_work.keys() - self._running.ids)
                for workflow_id in still:
                    with _named_errors("a job cannot be continued"):
                        DBOS.resume_workflow(workflow_id, queue_name=in_work[workflow_id])
                    log.warning("resumed", workflow=workflow_id)


def _define_answer(
    work: Work,
    delivering: Delivering,
    begin: Callable[[str, str], Delivery],
    *,
    queue: Queue,
    running: Running,
) -> Callable[[Job], None]:
    """Register the workflow of an image with DBOS, and give what starts one."""

    def step(job: dict[str, Any], last: bool, pause: float) -> dict[str, Any]:
        time.sleep(pause)  # not longer where the clock is set back
        outcome = work.answer(Job(**job), last=last)
        if last or not outcome.again:
            for name in _receivers(outcome):
                delivering.begin(job["id"], name)
        return asdict(outcome)

    @DBOS.workflow(name=ANSWER, max_recovery_attempts=_ALWAYS)
    def answer(job: dict[str, Any]) -> dict[str, Any]:
        with running.this(DBOS.workflow_id or ""):
            outcome = _answered(job, step, queue)
            deliveries = [asdict(begin(job["id"], name)) for name in _receivers(outcome)]
            return {"outcome": asdict(replace(outcome, again=False)), "deliveries": deliveries}

    def start(job: Job) -> None:
        named = _named_errors("an image cannot be taken from the queue")
        with running.starting(job.id), named, SetWorkflowID(job.id):
            DBOS.start_workflow(answer, asdict(job))

    return start


@contextmanager
def _named_errors(what: str) -> Iterator[None]:
    """Turn errors of DBOS and of its database into StorageUnavailable, which begins with *what*."""
    try:
        yield
    except (SQLAlchemyError, dbos_error.DBOSException) as error:
        raise StorageUnavailable(f"{what} ({type(error).__name__}); check space and rights") from error


def _receivers(outcome: Outcome) -> tuple[str, ...]:
    return outcome.destinations if outcome.files else ()


def _answered(job: dict[str, Any], step: Callable[..., dict[str, Any]], queue: Queue) -> Outcome:
    """Process one job until it has settled."""
    ends = 0  # of the process that judges
    pauses = (0.0, *_pauses(queue.attempts - 1, queue.retry_seconds, limit=60.0))
    for attempt, pause in enumerate(pauses, start=1):
        last = attempt == queue.attempts or ends + 1 >= queue.max_restarts
        outcome = Outcome.from_dict(DBOS.run_step({"name": ANSWER}, step, job, last, pause))
        if not outcome.again:
            break
        ends += outcome.reason in PROCESS_ENDS
    return outcome


def _define_deliver(
    delivering: Delivering, jobs: Jobs, *, attempts: int, running: Running
) -> Callable[[str, str], Delivery]:
    """Register the workflow of a delivery with DBOS, and give what begins one in the workflow of its image."""

    def step(job_id: str, destination: str, failures: int, number: int) -> dict[str, Any]:
        """Try until there is something to record: the end, the first failure, or one that counts."""
        workflow_id, said = DBOS.workflow_id or "", ""
        for tries in itertools.count(number):
            if tries:
                delivering.pause(job_id, destination, failures=failures, tries=tries)
            sent = delivering.deliver(job_id, destination, first=tries == 0)
            if sent.state is Sent.WAITING and sent.detail != said:
                said = sent.detail
                with suppress(StorageUnavailable):  # the status lacks a reason, and nothing else
                    jobs.note_waiting(workflow_id, sent)
            if sent.state is not Sent.WAITING or sent.took_others or not tries:
                break
        return asdict(sent)

    @DBOS.workflow(name=DELIVER, max_recovery_attempts=_ALWAYS)
    def deliver(job_id: str, destination: str) -> dict[str, Any]:
        with running.this(DBOS.workflow_id or ""):
            sent = _delivered(job_id, destination, step, attempts)
            delivering.end(job_id, Delivery.from_dict(sent))
            return sent

    def begin(job_id: str, destination: str) -> Delivery:
        why = delivering.why_down(destination)
        if why or running.deliveries_to(destination) >= _BEGUN_AT_ONCE:
            _enqueue(job_id, destination)
        else:  # the queue of deliveries is looked at only every `_LOOK_SECONDS`
            with SetWorkflowID(delivery_id(job_id, destination)):
                DBOS.start_workflow(deliver, job_id, destination)
        detail = f"tried again later; last time: {why}" if why else ""
        return Delivery(destination=destination, state=Sent.WAITING, detail=detail)

    return begin


def _delivered(
    job_id: str, destination: str, step: Callable[..., dict[str, Any]], attempts: int
) -> dict[str, Any]:
    """
    Deliver until the destination has taken or refused the results, or too many attempts have failed.

    An attempt counts only where the destination took other results since the attempt before. Else the destination is
    down, which is no fault of these results, and they wait for it without a limit. Such attempts leave no record.
    """
    failures = 0
    for number in itertools.count():
        sent = DBOS.run_step({"name": DELIVER}, step, job_id, destination, failures, number)
        if sent["state"] != Sent.WAITING:
            return sent
        failures += sent["took_others"]
        if failures >= attempts:
            break
    detail = f"given up after {failures} attempts, while the destination took other results; {sent['detail']}"
    log.warning(Sent.FAILED.value, job=job_id, destination=destination, detail=detail)
    return {**sent, "state": Sent.FAILED, "detail": detail}


def _enqueue(job_id: str, destination: str) -> None:
    DBOS.enqueue_workflow_with_options(
        {
            "workflow_name": DELIVER,
            "queue_name": DELIVER,
            "workflow_id": delivery_id(job_id, destination),
            "queue_partition_key": destination,
            "app_version": SHAPE,
        },
        job_id,
        destination,
    )


def _pauses(attempts: int, first: float, *, limit: float) -> Iterator[float]:
    """Give the pause, in seconds, after each of so many attempts: doubled up to *limit*."""
    for attempt in range(attempts):
        yield min(first * 2.0**attempt, limit)
