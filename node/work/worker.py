"""
What the worker does with one job: judge its image, keep the results, send them.

This is the edge of the software: no exception leaves it. What is raised becomes an outcome.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TypeVar

import structlog

from node.delivery.availability import Availability
from node.delivery.protocols import Sender
from node.failures import Defect
from node.jobs import Delivery, Ending, Job, Outcome, Sent
from node.judge.judged import Judge
from node.judge.stopwatch import stopwatch
from node.logs import places_of
from node.store.encoded_object import encoded
from node.store.store import Store
from node.work.outcomes import (
    beside_results,
    is_answerable,
    log_delivery,
    log_outcome,
    outcome_of,
    require_same_summary,
    require_unique,
    state_of,
    without_report,
)
from sgseg_dicom.errors import DeliveryRefused, InvalidResult, SgsegError
from sgseg_dicom.result_kinds import FOR_RESULTS_FOLDER

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Worker:
    """
    Judges images and delivers results; safe to call from many threads.

    Args:
        store: where the images are, and where the results go.
        judge: makes results of an image.
        senders: by the name of the destination.
        clock: gives POSIX time in seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        judge: Judge,
        senders: Mapping[str, Sender],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._judge = judge
        self._senders = senders
        self._clock = clock
        self._availability = Availability()
        self._running = 0
        self._counting = Lock()

    @property
    def busy(self) -> bool:
        """True while a step runs."""
        return self._running > 0

    def answer(self, job: Job, *, last: bool = True) -> Outcome:
        """
        Judge the image of *job* and keep the results. Results that are stored already are not made again.

        An image that was not judged, and will not be judged at a further attempt (*last*), gets a report that says
        so. It goes to the destinations that want it; without any destination it stays in the results folder.
        """
        started_at, seconds = self._clock(), dict[str, float]()

        def answered() -> Outcome:
            if before := self._store.results.reusable_outcome(job.id):
                # See AnotherAnswer: the stored results are sent now, and not the quarantined ones.
                self._store.quarantine.remove_results(job.id)
                return before
            require_unique(job)
            return self._made(job, started_at, seconds)

        result = self._attempt(job.id, answered)
        outcome = result if isinstance(result, Outcome) else self._not_judged(job, result, last=last)
        outcome = replace(
            outcome,
            started_at=outcome.started_at or started_at,
            finished_at=outcome.finished_at or self._clock(),
            seconds=outcome.seconds or seconds,
        )
        log_outcome(job, outcome)
        return outcome

    def deliver(self, job_id: str, destination: str, *, first: bool) -> Delivery:
        """
        Send the stored results of a job to one destination.

        The *first* attempt does not try a destination that is known to be down. The delivery queue does.
        """
        at = self._clock()
        if first and (why := self._availability.why_down(destination)):
            detail = f"tried again later; last time: {why}"
            return Delivery(destination=destination, state=Sent.WAITING, detail=detail, at=at)
        successes = self._availability.successes(destination)
        error = self._attempt(job_id, lambda: self._send(job_id, destination))
        ended_at = self._clock()
        self._availability.note(destination, error, successes=successes, ended_at=ended_at)
        sent = Delivery(
            destination=destination,
            state=state_of(error),
            detail=str(error or ""),
            at=at,
            seconds=round(ended_at - at, 6),
            taken_at=self._availability.taken_at(destination),
        )
        log_delivery(job_id, sent)
        return sent

    def _attempt(self, job_id: str, action: Callable[[], T]) -> T | SgsegError:
        """Run a step. This is the one place where any exception becomes a value."""
        with self._step():
            try:
                return action()
            except SgsegError as error:
                return error
            except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the queue
                log.error("defect", job=job_id, error=type(error).__name__, where=places_of(error))
                return Defect(type(error).__name__)

    def _made(self, job: Job, started_at: float, seconds: dict[str, float]) -> Outcome:
        """Run the pipeline and store the results with their outcome, before anything is sent."""
        wanted = {name: sender.destination.wanted for name, sender in self._senders.items()}
        path = self._store.folder / job.file
        judged = self._judge(path, wanted=wanted or FOR_RESULTS_FOLDER, seconds=seconds)
        require_same_summary(self._store.results.summary_of(job.id), judged)
        with stopwatch(seconds)("keep"):
            sends = {name: judged.names[name] for name in self._senders}
            outcome = Outcome(
                ending=Ending.FINDING if judged.is_positive else Ending.NO_FINDING,
                files=tuple(judged.objects),
                destinations=tuple(name for name in sends if sends[name]),
                sends=sends,
                answer=judged.summary,
                started_at=started_at,
                finished_at=self._clock(),
                seconds=dict(seconds),
            )
            self._store.results.keep(job.id, outcome, judged.objects)
            self._store.quarantine.remove_results(job.id)
        return replace(outcome, finished_at=self._clock(), seconds=seconds)

    def _not_judged(self, job: Job, error: SgsegError, *, last: bool) -> Outcome:
        """Turn an error into an outcome, and report "not judged" where no further attempt follows."""
        outcome = outcome_of(error, last=last)
        if isinstance(error, InvalidResult) and error.objects:
            outcome = self._quarantined(job, error, outcome)
        elif not outcome.again:
            # Quarantined results of an earlier attempt are no longer how this image ended.
            self._attempt(job.id, lambda: self._store.quarantine.remove_results(job.id))
        if (outcome.again and not last) or not is_answerable(error):
            return outcome
        if self._store.results.has_judgement(job.id):
            self._attempt(job.id, lambda: self._store.results.withdraw_new_judgement(job.id))
            return beside_results(outcome)
        receivers = [name for name, sender in self._senders.items() if sender.destination.not_judged]
        if self._senders and not receivers:
            return outcome
        reported = self._attempt(job.id, lambda: self._reported(job, error, outcome, receivers))
        return reported if isinstance(reported, Outcome) else without_report(outcome, outcome_of(reported))

    def _reported(self, job: Job, error: SgsegError, outcome: Outcome, receivers: list[str]) -> Outcome:
        """Make and store the report that an image was not judged."""
        report = self._judge.not_judged(self._store.folder / job.file, error)
        outcome = replace(outcome, destinations=tuple(receivers), finished_at=self._clock())
        return self._store.results.keep_not_judged(job.id, outcome, report)

    def _quarantined(self, job: Job, error: InvalidResult, outcome: Outcome) -> Outcome:
        """Quarantine the results of which one failed its check, and name the broken rules."""
        log.error("set_aside", job=job.id, rules=list(error.rules))
        objects = {name: encoded(ds).content for name, ds in error.objects.items()}
        folder = self._attempt(
            job.id,
            lambda: self._store.quarantine.keep_results(
                job.id, objects, rules=error.rules, violations=str(error).splitlines()
            ),
        )
        stored = isinstance(folder, Path)
        where = f"the objects: {folder}" if stored else f"the objects could not be stored: {folder}"
        return replace(outcome, detail=f"{outcome.detail}; {where}")

    def _send(self, job_id: str, destination: str) -> None:
        sender = self._senders.get(destination)
        if sender is None:
            raise DeliveryRefused(
                f"no [[destination]] is named {destination} any more; add it again, then `sgseg-node requeue`"
            )
        files = self._store.results.files_for(job_id, destination)
        if files is None:
            raise DeliveryRefused(f"the results of {job_id} are deleted; see [store] keep_days")
        sender.send(files)

    @contextmanager
    def _step(self) -> Iterator[None]:
        with self._counting:
            self._running += 1
        try:
            yield
        finally:
            with self._counting:
                self._running -= 1
