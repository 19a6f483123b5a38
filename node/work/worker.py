"""
What the worker does with one job: judge its image and keep the results. `node.work.deliveries` sends them.

No exception leaves it (`node.work.edge`). What is raised becomes an outcome.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from node.delivery.protocols import Sender
from node.jobs import Ending, Job, Outcome
from node.judge.judged import Judge
from node.judge.stopwatch import stopwatch
from node.store.encoded_object import encoded
from node.store.store import Store
from node.work.deliveries import Deliveries, Ended
from node.work.edge import Edge
from node.work.measurements import Measurements
from node.work.outcomes import (
    beside_results,
    is_answerable,
    log_outcome,
    outcome_of,
    require_same_summary,
    require_unique,
    without_report,
)
from sgseg_dicom.comparison.films import Earlier, no_earlier
from sgseg_dicom.config import Deliver
from sgseg_dicom.errors import InvalidResult, SgsegError
from sgseg_dicom.result_kinds import FOR_RESULTS_FOLDER

log = structlog.get_logger(__name__)


class Worker:
    """
    Judges images; safe to call from many threads. Its `deliveries` send the results.

    Args:
        store: where the images are, and where the results go.
        judge: makes results of an image.
        senders: by the name of the destination.
        clock: gives POSIX time in seconds.
        patience: how long a delivery pauses between its attempts.
        on_answered: told of each image that has ended: job, outcome, POSIX time at which the attempt began.
        on_delivered: see `Deliveries`.
        measurements: of earlier films; None: films are compared with no earlier ones, and nothing of them is kept.
    """

    def __init__(
        self,
        *,
        store: Store,
        judge: Judge,
        senders: Mapping[str, Sender],
        clock: Callable[[], float] = time.time,
        patience: Deliver = Deliver(),  # noqa: B008 - frozen
        on_answered: Callable[[Job, Outcome, float], object] = lambda job, outcome, began: None,
        on_delivered: Ended = lambda destination, state, seconds: None,
        measurements: Measurements | None = None,
    ) -> None:
        self._store = store
        self._judge = judge
        self._senders = senders
        self._clock = clock
        self._measurements = measurements
        self._edge = Edge()
        self._on_answered = on_answered
        self.deliveries = Deliveries(
            store=store,
            senders=senders,
            edge=self._edge,
            patience=patience,
            clock=clock,
            on_ended=on_delivered,
        )

    @property
    def busy(self) -> bool:
        """True while a step runs."""
        return self._edge.busy

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

        result = self._edge.attempt(job.id, answered)
        outcome = result if isinstance(result, Outcome) else self._not_judged(job, result, last=last)
        outcome = replace(
            outcome,
            started_at=outcome.started_at or started_at,
            finished_at=outcome.finished_at or self._clock(),
            seconds=outcome.seconds or seconds,
        )
        log_outcome(job, outcome)
        if last or not outcome.again:
            self._on_answered(job, outcome, started_at)
        return outcome

    def _made(self, job: Job, started_at: float, seconds: dict[str, float]) -> Outcome:
        """Run the pipeline and store the results with their outcome, before anything is sent."""
        wanted = {name: sender.destination.wanted for name, sender in self._senders.items()}
        path = self._store.folder / job.file
        judged = self._judge(
            path, wanted=wanted or FOR_RESULTS_FOLDER, seconds=seconds, earlier=self._earlier(job)
        )
        require_same_summary(self._store.results.summary_of(job.id), judged)
        if self._measurements is not None and judged.measured is not None:
            self._measurements.keep(
                judged.measured
            )  # before the results: a crash between the two makes both again
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

    def _earlier(self, job: Job) -> Earlier:
        """Give what knows the films with which this job compares its own."""
        measurements = self._measurements
        return no_earlier if measurements is None else lambda film: measurements.earlier(job.id, film)

    def _not_judged(self, job: Job, error: SgsegError, *, last: bool) -> Outcome:
        """Turn an error into an outcome, and report "not judged" where no further attempt follows."""
        outcome = outcome_of(error, last=last)
        if isinstance(error, InvalidResult) and error.objects:
            outcome = self._quarantined(job, error, outcome)
        elif not outcome.again:
            # Quarantined results of an earlier attempt are no longer how this image ended.
            self._edge.attempt(job.id, lambda: self._store.quarantine.remove_results(job.id))
        if (outcome.again and not last) or not is_answerable(error):
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
        report = self._judge.not_judged(self._store.folder / job.file, error)
        outcome = replace(outcome, destinations=tuple(receivers), finished_at=self._clock())
        return self._store.results.keep_not_judged(job.id, outcome, report)

    def _quarantined(self, job: Job, error: InvalidResult, outcome: Outcome) -> Outcome:
        """Quarantine the results of which one failed its check, and name the broken rules."""
        log.error("set_aside", job=job.id, rules=list(error.rules))
        objects = {name: encoded(ds).content for name, ds in error.objects.items()}
        folder = self._edge.attempt(
            job.id,
            lambda: self._store.quarantine.keep_results(
                job.id, objects, rules=error.rules, violations=str(error).splitlines()
            ),
        )
        stored = isinstance(folder, Path)
        where = f"the objects: {folder}" if stored else f"the objects could not be stored: {folder}"
        return replace(outcome, detail=f"{outcome.detail}; {where}")
