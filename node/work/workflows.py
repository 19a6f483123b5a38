"""
What the worker runs: workflows of DBOS. Each step is recorded in the queue's database (`node.work.queue`).

    answer     step "answer" until the image has settled -> step "deliver", once for each destination
    deliver    the same delivery again, later; a few at a time for each destination

A step does not raise an expected error: it returns how it ended, and that is recorded. A process that dies leaves its
workflows pending. The next worker continues them after the last recorded step.
"""

import itertools
import logging
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import Any, Protocol

import structlog
from dbos import DBOS, DBOSPortableJSONSerializer

from node.failures import PROCESS_ENDS
from node.jobs import Delivery, Job, Outcome, Sent
from node.work.queue import ANSWER, APPLICATION, DELIVER, SHAPE, Jobs, delivery_id
from sgseg_dicom.config import Deliver, Queue
from sgseg_dicom.errors import StorageUnavailable

log = structlog.get_logger(__name__)

_ALWAYS = 1_000_000
"""
Deaths of the worker after which DBOS gives up a workflow. An image cannot kill the worker (`node.judge`), so a death
says nothing about the images that were in work.
"""
_ATTEMPTS_AT_ONCE = 8
"""Repeated deliveries to one destination that are tried at the same time."""
_REPEATED_AT_ONCE = 256
"""
Deliveries to one destination that are being repeated, including those that sleep until their next attempt.

Objects on which a destination fails sleep most of the time, and the deliveries behind them must not wait for that.
"""


class Work(Protocol):
    """What the worker does in the steps. Neither method raises an expected error."""

    def answer(self, job: Job, *, last: bool) -> Outcome:
        """Process one image and store its results. *last*: no further attempt follows."""
        ...

    def deliver(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        """Try once to send the stored results. *first*: if it fails, the delivery queue will try again."""
        ...


class Workflows:
    """Takes jobs from the queue and runs their steps, several at a time. A process has one of it."""

    resume_seconds = 30.0

    def __init__(self, url: str, work: Work, *, queue: Queue, deliver: Deliver) -> None:
        self._queue = queue
        self._jobs = Jobs(url)
        self._stopped = threading.Event()
        self._running = Running()
        self._resuming = threading.Thread(target=self._resume, daemon=True)
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": url,
                "application_version": SHAPE,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": logging.getLevelName(logging.WARNING),
            }
        )
        _define(work, queue=queue, deliver=deliver, running=self._running)

    def launch(self) -> None:
        """Continue the jobs that an earlier worker left, and take others."""
        self._jobs.register(
            ANSWER, at_once=self._queue.jobs_at_once, polling_seconds=self._queue.polling_seconds
        )
        DBOS.launch()
        # A destination that is down must not delay another one, and objects on which it fails must not delay others.
        DBOS.register_queue(
            DELIVER,
            partition_worker_concurrency=_REPEATED_AT_ONCE,
            polling_interval_sec=1.0,
            on_conflict="always_update",
        )
        self._resuming.start()

    def stop(self, *, patience_seconds: int) -> None:
        """Take no new job and give running steps some time. The next start continues what is not done by then."""
        self._stopped.set()
        self._resuming.join()
        DBOS.destroy(workflow_completion_timeout_sec=patience_seconds, destroy_registry=True)
        self._jobs.close()

    def _resume(self) -> None:
        """
        Continue workflows that the database lists as in work, but that nothing runs.

        A full disk ends a workflow when a step cannot be recorded. DBOS looks for such workflows only at its launch.
        """
        idle: set[str] = set()
        while not self._stopped.wait(self.resume_seconds):
            with suppress(StorageUnavailable):  # the next poll may succeed
                pending = self._jobs.pending()
                still = idle & (idle := pending.keys() - self._running.ids)
                for workflow_id in still:
                    self._jobs.resume(workflow_id, pending[workflow_id])
                    log.warning("resumed", workflow=workflow_id)


class Running:
    """The workflows that run in this process."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    @contextmanager
    def this(self) -> Iterator[None]:
        """Count the caller's workflow as running inside this context."""
        workflow_id = DBOS.workflow_id or ""
        self.ids.add(workflow_id)
        try:
            yield
        finally:
            self.ids.discard(workflow_id)


def _define(work: Work, *, queue: Queue, deliver: Deliver, running: Running) -> None:
    """Register the two workflows with DBOS."""

    def answer_step(job: dict[str, Any], last: bool) -> dict[str, Any]:
        return asdict(work.answer(Job(**job), last=last))

    turns: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(_ATTEMPTS_AT_ONCE))

    def deliver_step(job_id: str, destination: str, first: bool) -> dict[str, Any]:
        if first:  # as many as there are jobs in work
            return asdict(work.deliver(job_id, destination, first=True))
        with turns[destination]:
            return asdict(work.deliver(job_id, destination, first=False))

    @DBOS.workflow(name=ANSWER, max_recovery_attempts=_ALWAYS)
    def answer(job: dict[str, Any]) -> dict[str, Any]:
        with running.this():
            return _answered(job, answer_step, deliver_step, queue)

    @DBOS.workflow(name=DELIVER, max_recovery_attempts=_ALWAYS)
    def deliver_again(job_id: str, destination: str) -> dict[str, Any]:
        with running.this():
            return _delivered(job_id, destination, deliver_step, deliver)


def _answered(
    job: dict[str, Any],
    answer_step: Callable[..., dict[str, Any]],
    deliver_step: Callable[..., dict[str, Any]],
    queue: Queue,
) -> dict[str, Any]:
    """Process one job, and try once to deliver to each destination."""
    ends = 0  # of the process that judges
    for attempt, pause in enumerate(_pauses(queue.attempts, queue.retry_seconds, limit=60.0), start=1):
        last = attempt == queue.attempts or ends + 1 >= queue.max_restarts
        outcome = Outcome.from_dict(DBOS.run_step({"name": ANSWER}, answer_step, job, last))
        if not outcome.again:
            break
        ends += outcome.reason in PROCESS_ENDS
        DBOS.sleep(pause)
    deliveries = []
    for name in outcome.destinations if outcome.files else ():
        sent = DBOS.run_step({"name": DELIVER}, deliver_step, job["id"], name, True)
        if sent["state"] == Sent.WAITING:
            _deliver_later(job["id"], name)
        deliveries.append(sent)
    return {"outcome": asdict(replace(outcome, again=False)), "deliveries": deliveries}


def _delivered(
    job_id: str, destination: str, deliver_step: Callable[..., dict[str, Any]], deliver: Deliver
) -> dict[str, Any]:
    """
    Deliver until the destination has taken or refused the results, or too many attempts have failed.

    An attempt counts only where the destination took other results since the attempt before. Else the destination is
    down, which is no fault of these results, and they wait for it without a limit.
    """
    failures, before = 0, math.inf
    for attempt in itertools.count():
        sent = DBOS.run_step({"name": DELIVER}, deliver_step, job_id, destination, False)
        if sent["state"] != Sent.WAITING:
            return sent
        failures += sent.get("taken_at", 0.0) > before  # a step that version 0.1.0 recorded has none
        if failures >= deliver.attempts:
            break
        before = sent["at"]
        DBOS.sleep(min(deliver.backoff_seconds * 2.0 ** min(attempt, 30), deliver.backoff_limit_seconds))
    detail = f"given up after {failures} attempts, while the destination took other results; {sent['detail']}"
    log.warning(Sent.FAILED.value, job=job_id, destination=destination, detail=detail)
    return {**sent, "state": Sent.FAILED, "detail": detail}


def _deliver_later(job_id: str, destination: str) -> None:
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
    """Give the pause, in seconds, after each attempt: doubled up to *limit*; none after the last."""
    for attempt in range(attempts):
        yield 0.0 if attempt == attempts - 1 else min(first * 2.0**attempt, limit)
