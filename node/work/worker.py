"""
What the worker does with one job: judge its image and keep the results. `node.work.deliveries` sends them.

No exception leaves it (`node.work.edge`). What is raised becomes an outcome.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import structlog
from pydicom import Dataset

from node.delivery.protocols import Sender
from node.jobs import Ending, Job, Outcome
from node.store.store import Store
from node.work.deliveries import Deliveries
from node.work.edge import Edge
from node.work.outcomes import (
    beside_results,
    log_outcome,
    outcome_of,
    require_processable,
    require_same_summary,
    summary_of,
    without_report,
)
from sgseg_dicom.config import Deliver
from sgseg_dicom.errors import (
    InferenceError,
    InvalidResult,
    SgsegError,
)
from sgseg_dicom.result_kinds import FOR_RESULTS_FOLDER, Wanted

if TYPE_CHECKING:
    from sgseg_dicom.pipeline import Timed
    from sgseg_dicom.records import Results

log = structlog.get_logger(__name__)

DEVICE_FAILURES = 3
"""After so many failures in a row this process cannot use the device any more: a CUDA context does not recover."""


class Process(Protocol):
    """What `sgseg_dicom.pipeline.Pipeline` offers."""

    def __call__(self, path: Path, *, wanted: Mapping[str, Wanted], timed: "Timed") -> "Results":
        """Turn one stored radiograph into the results that are wanted, by the name of each destination."""
        ...

    def not_judged(self, path: Path, error: SgsegError) -> Dataset:
        """Write for one stored image that it was not judged."""
        ...


class Worker:
    """
    Judges images; safe to call from many threads. Its `deliveries` send the results.

    Args:
        store: where the images are, and where the results go.
        process: makes results of an image.
        senders: by the name of the destination.
        on_device_lost: called when this process cannot use its device any more.
        clock: gives POSIX time in seconds.
        patience: how long a delivery pauses between its attempts.
    """

    def __init__(
        self,
        *,
        store: Store,
        process: Process,
        senders: Mapping[str, Sender],
        on_device_lost: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        patience: Deliver = Deliver(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store
        self._process = process
        self._senders = senders
        self._on_device_lost = on_device_lost
        self._clock = clock
        self._device_failures = 0
        self._counting = Lock()
        self._edge = Edge()
        self.deliveries = Deliveries(
            store=store, senders=senders, edge=self._edge, patience=patience, clock=clock
        )

    @property
    def busy(self) -> bool:
        """True while a step runs."""
        return self._edge.busy

    def answer(self, job: Job, *, last: bool = True, deadly: bool = False) -> Outcome:
        """
        Judge the image of *job* and keep the results. Results that are stored already are not made again.

        An image that was not judged, and will not be judged at a further attempt (*last*), gets a report that says
        so. It goes to the destinations that want it; without any destination it stays in the results folder.
        An image during which the worker died again and again (*deadly*) is not processed. Only its header is read,
        for that report.
        """
        started_at, seconds = self._clock(), dict[str, float]()

        def answered() -> Outcome:
            if before := self._store.results.reusable_outcome(job.id):
                # See AnotherAnswer: the stored results are sent now, and not the quarantined ones.
                self._store.quarantine.remove_results(job.id)
                return before
            require_processable(job, deadly=deadly)
            return self._made(job, started_at, seconds)

        result = self._edge.attempt(job.id, answered)
        outcome = result if isinstance(result, Outcome) else self._not_judged(job, result, last=last)
        self._watch_device(result)
        outcome = replace(
            outcome,
            started_at=outcome.started_at or started_at,
            finished_at=outcome.finished_at or self._clock(),
            seconds=outcome.seconds or seconds,
        )
        log_outcome(job, outcome)
        return outcome

    def _watch_device(self, result: Outcome | SgsegError) -> None:
        """Count the failures of the device in a row."""
        with self._counting:
            failures = self._device_failures + 1 if isinstance(result, InferenceError) else 0
            self._device_failures = failures
        if failures >= DEVICE_FAILURES:
            log.error("device_lost", failures=failures)
            self._on_device_lost()

    def _made(self, job: Job, started_at: float, seconds: dict[str, float]) -> Outcome:
        """Run the pipeline and store the results with their outcome, before anything is sent."""
        wanted = {name: sender.destination.wanted for name, sender in self._senders.items()}
        path = self._store.folder / job.file
        results = self._process(path, wanted=wanted or FOR_RESULTS_FOLDER, timed=_stopwatch(seconds))
        require_same_summary(self._store.results.summary_of(job.id), results)
        with _stopwatch(seconds)("keep"):
            sends = {name: results.names[name] for name in self._senders}
            outcome = Outcome(
                ending=Ending.FINDING if results.finding.is_positive else Ending.NO_FINDING,
                files=tuple(results.files),
                destinations=tuple(name for name in sends if sends[name]),
                sends=sends,
                answer=summary_of(results),
                started_at=started_at,
                finished_at=self._clock(),
                seconds=dict(seconds),
            )
            self._store.results.keep(job.id, outcome, results.files)
            self._store.quarantine.remove_results(job.id)
        return replace(outcome, finished_at=self._clock(), seconds=seconds)

    def _not_judged(self, job: Job, error: SgsegError, *, last: bool) -> Outcome:
        """Turn an error into an outcome, and report "not judged" where no further attempt follows."""
        outcome = outcome_of(error)
        if isinstance(error, InvalidResult) and error.objects:
            outcome = self._quarantined(job, error, outcome)
        elif not outcome.again:
            # Quarantined results of an earlier attempt are no longer how this image ended.
            self._edge.attempt(job.id, lambda: self._store.quarantine.remove_results(job.id))
        # A quarantined image has the UID of another image. A report would seem to speak of that one.
        if (outcome.again and not last) or outcome.ending is Ending.QUARANTINED:
            return outcome
        if self._store.results.has_judgement(job.id):
            self._edge.attempt(job.id, lambda: self._store.results.withdraw_new_judgement(job.id))
            return beside_results(outcome)
        receivers = [name for name, sender in self._senders.items() if sender.destination.not_judged]
        if self._senders and not receivers:
            return outcome
        reported = self._edge.attempt(job.id, lambda: self._reported(job, error, outcome, receivers))
        return reported if isinstance(reported, Outcome) else without_report(outcome, outcome_of(reported))

    def _reported(self, job: Job, error: SgsegError, outcome: Outcome, receivers: list[str]) -> Outcome:
        """Make and store the report that an image was not judged."""
        report = self._process.not_judged(self._store.folder / job.file, error)
        outcome = replace(outcome, destinations=tuple(receivers), finished_at=self._clock())
        return self._store.results.keep_not_judged(job.id, outcome, report)

    def _quarantined(self, job: Job, error: InvalidResult, outcome: Outcome) -> Outcome:
        """Quarantine the results of which one failed its check, and name the broken rules."""
        log.error("set_aside", job=job.id, rules=list(error.rules))
        folder = self._edge.attempt(
            job.id,
            lambda: self._store.quarantine.keep_results(
                job.id, error.objects, rules=error.rules, violations=str(error).splitlines()
            ),
        )
        stored = isinstance(folder, Path)
        where = f"the objects: {folder}" if stored else f"the objects could not be stored: {folder}"
        return replace(outcome, detail=f"{outcome.detail}; {where}")


def _stopwatch(seconds: dict[str, float]) -> "Timed":
    """Write the time of each stage into *seconds*."""

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds[stage] = round(time.perf_counter() - start, 6)

    return timed
